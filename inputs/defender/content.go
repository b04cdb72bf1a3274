package defender

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// content writes a record such that two records that say the same are the same
// bytes: members in the order of their names, without those that are blank, no
// white space, numbers and texts written in one way, and lists that are sets in
// the order of their elements. See "Why a version is the content" in the
// package's doc.
type content struct {
	sets []string // names of members that are lists whose order tells nothing

	bytes   []byte
	members []pair // of the objects that are being written, the outer ones first
	orders  [maxDepth + 1]order
	parts   []part // of the sets that are being written
	sorted  []byte // scratch of set
	plain   []byte // scratch of text
	ranks   []int  // of the elements of the record's own set, in the order of the record
	sum     [sha256.Size]byte
	written bool // bytes and sum are those of the record being mapped
}

// pair is a member: its quoted name, and its part of bytes.
type pair struct {
	name       raw
	start, end int
}

// part is an element of a set: a part of bytes, and its place in the record.
type part struct{ start, end, place int }

// rank is the place of an element of the record's set among the sorted ones:
// that of the record may change.
func (c *content) rank(place int) int {
	if place < len(c.ranks) {
		return c.ranks[place]
	}
	return place
}

// of writes a record.
func (c *content) of(record raw) {
	c.ranks = c.ranks[:0]
	if len(record) > maxContent {
		c.literally(record)
		return
	}
	c.bytes, c.members = c.bytes[:0], c.members[:0]
	s := ecs.NewScanner(record)
	c.value(&s, 0)
	c.sum = sha256.Sum256(c.bytes)
	c.written = true
}

// literally is of for what is not well-formed.
func (c *content) literally(record []byte) {
	c.ranks = c.ranks[:0]
	c.bytes = append(c.bytes[:0], record...)
	c.sum = sha256.Sum256(record)
	c.written = true
}

const (
	// maxContent is the longest record that is written, bytes; a longer one is
	// taken as it came.
	maxContent = 1 << 20
	// maxDepth is how many levels are written; what is deeper is taken as it came.
	maxDepth = 8
)

// value writes what comes next in one pass over it.
func (c *content) value(s *ecs.Scanner, depth int) {
	switch first := s.Peek(); {
	case first == '{' && depth < maxDepth:
		c.object(s, depth+1)
	case first == '[' && depth < maxDepth:
		c.list(s, depth+1)
	case first == '"':
		c.text(s.Value())
	case first == '-' || '0' <= first && first <= '9':
		c.number(s.Value())
	default:
		c.bytes = append(c.bytes, s.Value()...)
	}
}

// object writes the members as they come, and then puts them in order.
func (c *content) object(s *ecs.Scanner, depth int) {
	c.bytes = append(c.bytes, '{')
	begin, first := len(c.bytes), len(c.members)
	for s.Enter(); s.More(); {
		m := pair{name: s.Value(), start: len(c.bytes)}
		if blankNext(s) {
			s.Value()
		} else {
			c.text(m.name)
			c.bytes = append(c.bytes, ':')
			if s.Peek() == '[' && slices.Contains(c.sets, ecs.Alias(m.name)) {
				c.set(s, depth+1)
			} else {
				c.value(s, depth)
			}
			c.bytes = append(c.bytes, ',')
		}
		m.end = len(c.bytes)
		c.members = append(c.members, m)
	}
	members := c.members[first:]
	c.sorted = c.sorted[:0]
	for _, i := range c.orders[depth].of(members) {
		c.sorted = append(c.sorted, c.bytes[members[i].start:members[i].end]...)
	}
	c.bytes = append(append(c.bytes[:begin], c.sorted...), '}')
	c.members = c.members[:first]
}

// blankNext reports whether the value that comes next is blank.
func blankNext(s *ecs.Scanner) bool {
	switch s.Peek() {
	case 'n', '"':
		ahead := *s
		return blank(ahead.Value())
	}
	return false
}

// order is how the members of an object are sorted. Objects of one depth have
// the same members in the same order nearly always: without it writing took
// 40% longer.
type order struct {
	names  []byte // of the object, one after the other with their quotes
	sorted []int
}

func (o *order) of(members []pair) []int {
	rest := o.names
	same := len(members) == len(o.sorted)
	for i := 0; same && i < len(members); i++ {
		if same = bytes.HasPrefix(rest, members[i].name); same {
			rest = rest[len(members[i].name):]
		}
	}
	if same {
		return o.sorted
	}
	o.names, o.sorted = o.names[:0], o.sorted[:0]
	for i, m := range members {
		o.names, o.sorted = append(o.names, m.name...), append(o.sorted, i)
	}
	slices.SortStableFunc(o.sorted, func(a, b int) int { return bytes.Compare(members[a].name, members[b].name) })
	return o.sorted
}

func (c *content) list(s *ecs.Scanner, depth int) {
	c.bytes = append(c.bytes, '[')
	for s.Enter(); s.More(); {
		c.value(s, depth)
		c.bytes = append(c.bytes, ',')
	}
	c.bytes = append(c.bytes, ']')
}

// set is list with the elements sorted as they are written.
func (c *content) set(s *ecs.Scanner, depth int) {
	c.bytes = append(c.bytes, '[')
	begin, first := len(c.bytes), len(c.parts)
	for s.Enter(); s.More(); {
		start := len(c.bytes)
		c.value(s, depth)
		c.bytes = append(c.bytes, ',')
		c.parts = append(c.parts, part{start, len(c.bytes), len(c.parts) - first})
	}
	parts := c.parts[first:]
	slices.SortStableFunc(parts, func(a, b part) int {
		return bytes.Compare(c.bytes[a.start:a.end], c.bytes[b.start:b.end])
	})
	if depth == 2 { // the record's own
		c.ranks = slices.Grow(c.ranks[:0], len(parts))[:len(parts)]
	}
	c.sorted = c.sorted[:0]
	for i, p := range parts {
		c.sorted = append(c.sorted, c.bytes[p.start:p.end]...)
		if depth == 2 {
			c.ranks[p.place] = i
		}
	}
	c.bytes = append(append(c.bytes[:begin], c.sorted...), ']')
	c.parts = c.parts[:first]
}

// text writes a text with the shortest escapes. Only an escape that is not the
// shortest makes a difference, so that most texts are taken as they are.
func (c *content) text(v raw) {
	for rest := v; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 || i+1 == len(rest) {
			c.bytes = append(c.bytes, v...)
			return
		}
		if e := rest[i+1]; e == 'u' || e == '/' {
			break
		}
		rest = rest[i+2:]
	}
	var err error
	if c.plain, err = jsontext.AppendUnquote(c.plain[:0], v); err == nil {
		c.bytes, err = jsontext.AppendQuote(c.bytes, c.plain)
	}
	if err == nil {
		return
	}
	c.bytes = append(c.bytes, v...)
}

// number writes digits without a fraction as they are, and any other number by
// its significant digits and the power of ten they are to be multiplied with.
func (c *content) number(v raw) {
	if len(v) <= maxZeros && bytes.IndexAny(v, ".eE-") < 0 {
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

// Whole numbers of so many zeros at their end are written out, whichever way
// they came.
const (
	maxZeros = 20
	zeros    = "00000000000000000000"
)
