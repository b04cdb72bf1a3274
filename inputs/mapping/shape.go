package mapping

import (
	"cmp"
	"slices"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// shape is what objects of one place in the records have in common nearly
// always: their members and the order of these. Without it writing took 40%
// longer.
type shape struct {
	labels  []string // of the members: their quoted names between comma and colon
	text    []byte   // of the labels that were learned last, one after the other
	ends    []int    // of each label in text
	sorted  []int    // the members' places in the order of their names
	stale   bool     // sorted is not that of these members
	version int      // another one for other members
	once    bool     // of one object alone, which is beyond bounds
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

// name is that of the member at a place, in quotes.
func (s *shape) name(place int) string {
	label := s.labels[place]
	return label[1 : len(label)-1]
}

// learn is the shape of objects with the first n members of this one and then
// another; normally s itself.
func (s *shape) learn(n int, name Raw) *shape {
	end := 0
	if n > 0 {
		end = s.ends[n-1]
	}
	if !s.once && (n == maxNames || end+len(name) > 32*maxNames) {
		s = s.first(n)
	}
	// The labels before this one keep their text where it is, here or in a former one.
	s.text = append(append(append(s.text[:end], ','), name...), ':')
	s.labels = append(s.labels[:n], ecs.Alias(s.text[end:]))
	s.ends = append(s.ends[:n], len(s.text))
	s.stale = true
	s.version++
	return s
}

// first is a shape of its own with the first n members of this one.
func (s *shape) first(n int) *shape {
	other := &shape{once: true}
	for i := range n {
		other.learn(i, Raw(s.name(i)))
	}
	return other
}

// learned ends an object of n members.
func (s *shape) learned(n int) {
	if n < len(s.labels) {
		s.labels, s.ends, s.stale = s.labels[:n], s.ends[:n], true
		s.version++
	}
	if !s.stale {
		return
	}
	s.stale, s.sorted = false, s.sorted[:0]
	for i := range n {
		s.sorted = append(s.sorted, i)
	}
	slices.SortStableFunc(s.sorted, func(a, b int) int { return cmp.Compare(s.name(a), s.name(b)) })
}

// dense is how many bytes an object has beside its values, without white space.
func (s *shape) dense() int {
	if len(s.ends) == 0 {
		return len(`{}`)
	}
	return s.ends[len(s.ends)-1] + len(`{}`) - len(`,`)
}

// inside is the shape of objects in the value of a member.
func (c *content) inside(of *shape, place int) *shape {
	for len(of.inside) <= place {
		of.inside = append(of.inside, nil)
	}
	if of.inside[place] == nil {
		if c.shapes == maxShapes || of.once {
			return &shape{once: true}
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
	compact bool // there is no white space between them, nor in their values
}

// apart is Envelope.apart.
func (c *content) apart(value Raw) *object {
	if !c.written || len(value) == 0 {
		return nil
	}
	for range c.objects {
		o := &c.objects[c.next]
		if c.next++; c.next == len(c.objects) {
			c.next = 0
		}
		if len(o.value) == len(value) && &o.value[0] == &value[0] {
			return o
		}
	}
	return nil
}

// take decodes an object that was taken apart, unless what it has in common with
// others was learned again from these.
func (d *Decoder) take(o *object) bool {
	sh := o.shape
	if o.version != sh.version {
		return false
	}
	d.reset()
	if sh.decoder != d || sh.bound != sh.version {
		sh.decoder, sh.bound, sh.slots = d, sh.version, sh.slots[:0]
		for i := range sh.labels {
			sh.slots = append(sh.slots, d.find(Raw(sh.name(i))))
		}
	}
	for i, to := range sh.slots {
		switch v := o.members[i].value; {
		case to == noSlot:
			d.add(Raw(sh.name(i)), v)
		case to.list == nil:
			*to.value = v
		default:
			s := ecs.NewScanner(v)
			to.read(&s)
		}
	}
	return true
}
