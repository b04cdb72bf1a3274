package mapping

import (
	"bytes"
	"slices"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// shape is what objects of one place in the records have in common nearly
// always: their members and the order of these. Without it writing took 40%
// longer.
type shape struct {
	labels  []byte   // of the members, one after the other: their quoted names between comma and colon
	ends    []int    // of each in labels
	sorted  []int    // the members' places in the order of their names
	stale   bool     // sorted is not that of these members
	version int      // another one for other members
	inside  []*shape // of objects in the values, by place; nil where none was met

	decoder *Decoder // for which slots are, in the version bound
	slots   []*slot  // of the members
	bound   int
}

const (
	// maxShapes is how many shapes are remembered, and maxNames how many members
	// each has, and 32 times as many bytes of names.
	maxShapes, maxNames = 1000, 256
	// maxApart is how many objects of a record are found for its documents without
	// being taken apart again.
	maxApart = 64
)

// label is that of the member at a place.
func (s *shape) label(place int) []byte {
	if place == 0 {
		return s.labels[:s.ends[0]]
	}
	return s.labels[s.ends[place-1]:s.ends[place]]
}

// name is the member's, in quotes.
func (s *shape) name(place int) Raw {
	label := s.label(place)
	return Raw(label[1 : len(label)-1])
}

// learn is the shape of objects with the first n members of this one and then
// another; normally s itself.
func (s *shape) learn(n int, name Raw) *shape {
	end := 0
	if n > 0 {
		end = s.ends[n-1]
	}
	if n == maxNames || end+len(name) > 32*maxNames {
		s = &shape{labels: slices.Clone(s.labels[:end]), ends: slices.Clone(s.ends[:n])}
	}
	s.labels = append(append(append(s.labels[:end], ','), name...), ':')
	s.ends = append(s.ends[:n], len(s.labels))
	s.stale = true
	s.version++
	return s
}

// learned ends an object of n members.
func (s *shape) learned(n int) {
	if n < len(s.ends) {
		s.ends, s.stale = s.ends[:n], true
		s.version++
	}
	if !s.stale {
		return
	}
	s.stale, s.sorted = false, s.sorted[:0]
	for i := range n {
		s.sorted = append(s.sorted, i)
	}
	slices.SortStableFunc(s.sorted, func(a, b int) int { return bytes.Compare(s.name(a), s.name(b)) })
}

// inside is the shape of objects in the value of a member.
func (c *content) inside(of *shape, place int) *shape {
	for len(of.inside) <= place {
		of.inside = append(of.inside, nil)
	}
	if of.inside[place] == nil {
		if c.shapes == maxShapes {
			return &shape{}
		}
		of.inside[place] = &shape{}
		c.shapes++
	}
	return of.inside[place]
}

// object is one that was taken apart.
type object struct {
	value   Raw
	shape   *shape
	version int // that the shape had
	members []piece
}

// apart finds an object of the record that was taken apart, nil where it was not.
func (c *content) apart(value Raw) *object {
	if !c.written || len(value) == 0 {
		return nil
	}
	for range c.objects {
		o := &c.objects[c.next]
		if c.next++; c.next == len(c.objects) {
			c.next = 0
		}
		if len(o.value) == len(value) && &o.value[0] == &value[0] && o.version == o.shape.version {
			return o
		}
	}
	return nil
}

// take decodes an object that was taken apart.
func (d *Decoder) take(o *object) {
	d.reset()
	sh := o.shape
	if sh.decoder != d || sh.bound != sh.version {
		sh.decoder, sh.bound, sh.slots = d, sh.version, sh.slots[:0]
		for i := range sh.ends {
			sh.slots = append(sh.slots, d.find(sh.name(i)))
		}
	}
	for i, to := range sh.slots {
		switch v := o.members[i].value; {
		case to == noSlot:
			d.add(sh.name(i), v)
		case to.list == nil:
			*to.value = v
		default:
			s := ecs.NewScanner(v)
			to.read(&s)
		}
	}
}
