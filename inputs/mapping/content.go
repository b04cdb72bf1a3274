package mapping

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// content writes a record such that two records that say the same are the same
// bytes: members in the order of their names, without those that are blank, no
// white space, numbers and texts written in one way, and lists that are sets in
// the order of their elements. See "Why a version is the content" in the
// package's doc.
type content struct {
	bytes   []byte
	sum     [sha256.Size]byte // of bytes
	written bool              // bytes and sum are those of the record being mapped
	ranks   []int             // of the elements of the record's set, in the order of the record

	plain   bool      // each text of the record has the shortest escapes
	members []pair    // of the objects that are being written, the outer ones first
	parts   []element // of the set that is being written
	scratch []byte    // of set
	decoded []byte    // scratch of text
	others  []member  // of the record, without a slot, in the order of their names
	other   shape     // of their values
	shapes  int       // how many are remembered, beside those of slots
}

// pair is a member: its quoted name and its value.
type pair struct{ name, value Raw }

// element is one of a set: a part of scratch, and its place in the record.
type element struct{ start, end, place int }

// rank is the place of an element of the record's set among the sorted ones:
// that of the record may change.
func (c *content) rank(place int) int {
	if place < len(c.ranks) {
		return c.ranks[place]
	}
	return place
}

const (
	// maxContent is the longest record that is written, bytes; a longer one is
	// taken as it came.
	maxContent = 1 << 20
	// maxDepth is how many levels are written; what is deeper is taken as it came.
	maxDepth = 8
	// maxShapes is how many shapes are remembered, and maxNames how many members
	// each has, and 32 times as many bytes of names.
	maxShapes, maxNames = 1000, 256
)

// of writes a record, the last object of the decoder: its members were found
// already, and the order of those that have a slot is known.
func (c *content) of(record Raw, d *Decoder) {
	if len(record) > maxContent || d.beyond > 0 {
		c.literally(record)
		return
	}
	c.ranks, c.members, c.plain = c.ranks[:0], c.members[:0], !hasLongEscape(record)
	c.bytes = append(c.bytes[:0], '{')
	c.others = append(c.others[:0], d.unknown...)
	slices.SortStableFunc(c.others, func(a, b member) int { return strings.Compare(a.name, b.name) })
	rest := c.others
	for _, s := range d.sorted {
		for len(rest) > 0 && rest[0].name < s.name[1:len(s.name)-1] {
			c.unslotted(&rest[0])
			rest = rest[1:]
		}
		switch v := *s.value; {
		case Blank(v):
		case s.set && v[0] == '[':
			c.bytes = append(c.bytes, s.label...)
			c.set(v, &s.shape)
		default:
			c.bytes = append(c.bytes, s.label...)
			c.value(v, &s.shape, 1)
		}
	}
	for i := range rest {
		c.unslotted(&rest[i])
	}
	c.bytes = append(c.bytes, '}')
	c.sum = sha256.Sum256(c.bytes)
	c.written = true
}

// literally is of for what is not well-formed.
func (c *content) literally(record []byte) {
	c.ranks, c.bytes = c.ranks[:0], c.bytes[:0]
	c.sum = sha256.Sum256(record)
	c.written = true
}

// unslotted writes a member of the record that has no slot.
func (c *content) unslotted(m *member) {
	if Blank(m.value) {
		return
	}
	c.bytes, _ = jsontext.AppendQuote(append(c.bytes, ','), m.name) // broken UTF-8 was repaired
	c.bytes = append(c.bytes, ':')
	c.value(m.value, &c.other, 1)
}

// value writes a value that was found already.
func (c *content) value(v Raw, sh *shape, depth int) {
	if v[0] != '{' && v[0] != '[' {
		c.scalar(v)
		return
	}
	s := ecs.NewScanner(v)
	c.next(&s, sh, depth)
}

// next writes the value that comes next; sh is the shape of objects in it.
func (c *content) next(s *ecs.Scanner, sh *shape, depth int) {
	switch first := s.Peek(); {
	case first == '{' && depth < maxDepth:
		c.object(s, sh, depth+1)
	case first == '[' && depth < maxDepth:
		c.bytes = append(c.bytes, '[')
		for s.Enter(); s.More(); {
			c.next(s, sh, depth+1)
			c.bytes = append(c.bytes, ',')
		}
		c.bytes = append(c.bytes, ']')
	default:
		c.scalar(s.Value())
	}
}

// object finds the members, and writes them in the order of their names.
func (c *content) object(s *ecs.Scanner, sh *shape, depth int) {
	first, same := len(c.members), true
	for s.Enter(); s.More(); {
		var name Raw
		if label := sh.label(len(c.members) - first); !same || label == nil {
			same = false
		} else if name = label[1 : len(label)-1 : len(label)-1]; !s.Skip(ecs.Alias(name)) {
			same = false
		}
		if !same {
			name = s.Value()
		}
		c.members = append(c.members, pair{name, s.Value()})
	}
	if members := c.members[first:]; !same || len(members) != len(sh.sorted) {
		sh = sh.learn(members)
	}
	c.bytes = append(c.bytes, '{')
	for _, i := range sh.sorted {
		m := &c.members[first+i]
		switch {
		case Blank(m.value):
			continue
		case c.plain:
			c.bytes = append(c.bytes, sh.label(i)...)
		default:
			c.bytes = append(c.bytes, ',')
			c.text(m.name)
			c.bytes = append(c.bytes, ':')
		}
		if kind := m.value[0]; kind == '{' || kind == '[' {
			c.value(m.value, c.inside(sh, i), depth)
		} else {
			c.scalar(m.value)
		}
	}
	c.bytes = append(c.bytes, '}')
	c.members = c.members[:first]
}

// set is a list of the record with the elements sorted as they are written.
func (c *content) set(list Raw, sh *shape) {
	s := ecs.NewScanner(list)
	c.bytes, c.scratch = c.scratch[:0], c.bytes
	c.parts = c.parts[:0]
	for s.Enter(); s.More(); {
		start := len(c.bytes)
		c.next(&s, sh, 2)
		c.parts = append(c.parts, element{start, len(c.bytes), len(c.parts)})
	}
	c.bytes, c.scratch = c.scratch, c.bytes
	slices.SortStableFunc(c.parts, func(a, b element) int {
		return bytes.Compare(c.scratch[a.start:a.end], c.scratch[b.start:b.end])
	})
	c.ranks = slices.Grow(c.ranks[:0], len(c.parts))[:len(c.parts)]
	c.bytes = append(c.bytes, '[')
	for i, p := range c.parts {
		c.bytes = append(append(c.bytes, c.scratch[p.start:p.end]...), ',')
		c.ranks[p.place] = i
	}
	c.bytes = append(c.bytes, ']')
}

// shape is what objects of one place in the records have in common nearly
// always: their members and the order of these. Without it writing took 40%
// longer.
type shape struct {
	labels []byte   // of the members, one after the other: their quoted names between comma and colon
	ends   []int    // of each in labels
	sorted []int    // the members' places in the order of their names
	inside []*shape // of objects in the values, by place; nil where none was met
}

// label is that of the member at a place, empty where there is none.
func (s *shape) label(place int) []byte {
	switch {
	case place >= len(s.ends):
		return nil
	case place == 0:
		return s.labels[:s.ends[0]]
	}
	return s.labels[s.ends[place-1]:s.ends[place]]
}

// learn is the shape of an object with these members; normally s itself.
func (s *shape) learn(members []pair) *shape {
	length := 0
	for _, m := range members {
		length += len(m.name)
	}
	if len(members) > maxNames || length > 32*maxNames {
		s = &shape{}
	}
	// Members before the first other one keep their names where they are: pairs
	// may alias them.
	s.labels, s.ends, s.sorted = s.labels[:0], s.ends[:0], s.sorted[:0]
	for i, m := range members {
		s.labels = append(append(append(s.labels, ','), m.name...), ':')
		s.ends, s.sorted = append(s.ends, len(s.labels)), append(s.sorted, i)
	}
	slices.SortStableFunc(s.sorted, func(a, b int) int { return bytes.Compare(members[a].name, members[b].name) })
	return s
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

// scalar writes a text, number, boolean or null.
func (c *content) scalar(v Raw) {
	switch {
	case len(v) > 0 && v[0] == '"' && !c.plain:
		c.text(v)
	case len(v) > 0 && (v[0] == '-' || '0' <= v[0] && v[0] <= '9'):
		c.number(v)
	default:
		c.bytes = append(c.bytes, v...)
	}
}

// hasLongEscape reports whether some text has an escape that is not the shortest
// perhaps. Only such a one makes a difference: most texts are taken as they are.
func hasLongEscape(v Raw) bool {
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 == len(v) {
			return false
		}
		if e := v[i+1]; e == 'u' || e == '/' {
			return true
		}
		v = v[i+2:]
	}
}

// text writes a text with the shortest escapes.
func (c *content) text(v Raw) {
	if hasLongEscape(v) {
		var err error
		if c.decoded, err = jsontext.AppendUnquote(c.decoded[:0], v); err == nil {
			if quoted, err := jsontext.AppendQuote(c.bytes, c.decoded); err == nil {
				c.bytes = quoted
				return
			}
		}
	}
	c.bytes = append(c.bytes, v...)
}

// number writes digits without a fraction as they are, and any other number by
// its significant digits and the power of ten they are to be multiplied with.
func (c *content) number(v Raw) {
	if len(v) <= maxZeros && isDigits(v) {
		c.bytes = append(c.bytes, v...)
		return
	}
	mantissa, exponent, _ := bytes.Cut(bytes.ToLower(v), []byte("e"))
	power, err := strconv.ParseInt(string(exponent), 10, 32)
	if err != nil && len(exponent) > 0 {
		c.bytes = append(c.bytes, v...)
		return
	}
	negative := mantissa[0] == '-'
	whole, fraction, _ := bytes.Cut(bytes.TrimLeft(mantissa, "-"), []byte("."))
	power -= int64(len(fraction))
	digits := bytes.TrimLeft(slices.Concat(whole, fraction), "0")
	short := bytes.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	if len(short) == 0 {
		c.bytes = append(c.bytes, '0')
		return
	}
	if negative {
		c.bytes = append(c.bytes, '-')
	}
	c.bytes = append(c.bytes, short...)
	if power >= 0 && power <= maxZeros {
		c.bytes = append(c.bytes, zeros[:power]...)
		return
	}
	c.bytes = strconv.AppendInt(append(c.bytes, 'e'), power, 10)
}

func isDigits(v Raw) bool {
	for _, c := range v {
		if c < '0' || '9' < c {
			return false
		}
	}
	return true
}

// Whole numbers of so many zeros at their end are written out, whichever way
// they came.
const (
	maxZeros = 20
	zeros    = "00000000000000000000"
)
