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
// package's doc. The objects in the record, which are taken apart for that, need
// not be for its documents: see apart.
type content struct {
	bytes   []byte
	sum     [sha256.Size]byte // of bytes
	written bool              // bytes and sum are those of the record being mapped
	ranks   []int             // of the elements of the record's set, in the order of the record

	plain    bool      // each text of the record has the shortest escapes
	source   Raw       // the member of the record that is being written
	open     int       // objects that are being written
	dense    int       // bytes of containers so far that are no white space
	values   []piece   // of the members of these, and of the objects below
	objects  []object  // the outermost ones in the record's members
	next     int       // of objects, the one that is probably asked for next
	elements []element // of the set that is being written
	scratch  []byte    // of set
	decoded  []byte    // scratch of text
	others   []member  // of the record, without a slot, in the order of their names
	other    shape     // of their values
	shapes   int       // how many are remembered, beside those of slots
}

// piece is the value of a member. That of a container was written already when its
// object is: from start to end of what is being written.
type piece struct {
	value      Raw
	start, end int
}

// element is one of a set: a part of what is being written, and its place in the
// record.
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
)

// of writes a record, the last object of the decoder: its members were found
// already, and the order of those that have a slot is known.
func (c *content) of(record Raw, d *Decoder) {
	if len(record) > maxContent || d.beyond > 0 {
		c.literally(record)
		return
	}
	c.clear()
	c.plain = !hasLongEscape(record)
	c.others = append(c.others[:0], d.unknown...)
	slices.SortStableFunc(c.others, func(a, b member) int { return strings.Compare(a.name, b.name) })
	b, rest := append(c.bytes[:0], '{'), c.others
	for _, s := range d.sorted {
		for len(rest) > 0 && rest[0].name < s.name[1:len(s.name)-1] {
			b, rest = c.unslotted(b, &rest[0]), rest[1:]
		}
		v := *s.value
		if Blank(v) {
			continue
		}
		b = append(b, s.label...)
		switch {
		case v[0] == '"' && c.plain:
			b = append(b, v...)
		case v[0] == '[' && s.set:
			b = c.set(b, v, &s.shape)
		default:
			b = c.value(b, v, &s.shape)
		}
	}
	for i := range rest {
		b = c.unslotted(b, &rest[i])
	}
	c.bytes = append(b, '}')
	c.sum = sha256.Sum256(c.bytes)
	c.written = true
}

// literally is of for what is not well-formed.
func (c *content) literally(record []byte) {
	c.clear()
	c.bytes = c.bytes[:0]
	c.sum = sha256.Sum256(record)
	c.written = true
}

func (c *content) clear() {
	c.ranks, c.values, c.objects, c.next, c.open = c.ranks[:0], c.values[:0], c.objects[:0], 0, 0
}

// unslotted writes a member of the record that has no slot.
func (c *content) unslotted(b []byte, m *member) []byte {
	if Blank(m.value) {
		return b
	}
	b, _ = jsontext.AppendQuote(append(b, ','), m.name) // broken UTF-8 was repaired
	return c.value(append(b, ':'), m.value, &c.other)
}

// value writes a member's value.
func (c *content) value(b []byte, v Raw, sh *shape) []byte {
	if v[0] != '{' && v[0] != '[' {
		return c.scalar(b, v)
	}
	c.source = v
	s := ecs.NewScanner(v)
	return c.container(b, &s, sh, 1)
}

// container writes the value that comes next; sh is the shape of objects in it.
func (c *content) container(b []byte, s *ecs.Scanner, sh *shape, depth int) []byte {
	switch first := s.Peek(); {
	case first == '{' && depth < maxDepth:
		return c.object(b, s, sh, depth+1)
	case first == '[' && depth < maxDepth:
		return c.list(b, s, sh, depth+1)
	case first == '{', first == '[': // too deep
		return append(b, s.Value()...)
	}
	v := s.Value()
	c.dense += len(v)
	return c.scalar(b, v)
}

func (c *content) list(b []byte, s *ecs.Scanner, sh *shape, depth int) []byte {
	b = append(b, '[')
	c.dense += len(`[]`)
	n := 0
	for s.Enter(); s.More(); n++ {
		b = append(c.container(b, s, sh, depth), ',')
	}
	c.dense += max(0, n-1) // commas
	return append(b, ']')
}

// object finds the members, and writes them in the order of their names.
func (c *content) object(b []byte, s *ecs.Scanner, sh *shape, depth int) []byte {
	from, first, start, dense := len(b), len(c.values), s.At(), c.dense
	c.open++
	n := 0
	for s.Enter(); s.More(); n++ {
		if n >= len(sh.labels) || !s.Skip(sh.name(n)) {
			sh = sh.learn(n, s.Value())
		}
		if kind := s.Peek(); kind != '{' && kind != '[' {
			v := s.Value()
			c.dense += len(v)
			c.values = append(c.values, piece{value: v})
			continue
		}
		at, inner := s.At(), len(b)
		b = c.container(b, s, c.inside(sh, n), depth)
		c.values = append(c.values, piece{c.source[at:s.At()], inner, len(b)})
	}
	sh.learned(n)
	c.dense += sh.dense()
	to := len(b)
	b = c.members(b, sh, c.values[first:])
	if to > from {
		b = append(b[:from], b[to:]...)
	}
	if c.open--; c.open == 0 && len(c.objects) < maxApart {
		c.objects = append(c.objects, object{
			value: c.source[start:s.At()], shape: sh, version: sh.version, members: c.values[first:],
			compact: c.dense-dense == s.At()-start,
		})
	} else {
		c.values = c.values[:first]
	}
	return b
}

// members writes those of an object.
func (c *content) members(b []byte, sh *shape, values []piece) []byte {
	b = append(b, '{')
	for _, i := range sh.sorted {
		v := &values[i]
		if Blank(v.value) {
			continue
		}
		if c.plain {
			b = append(b, sh.labels[i]...)
		} else {
			b = append(c.text(append(b, ','), Raw(sh.name(i))), ':')
		}
		switch {
		case v.end > v.start:
			b = append(b, b[v.start:v.end]...)
		case c.plain && v.value[0] == '"':
			b = append(b, v.value...)
		default:
			b = c.scalar(b, v.value)
		}
	}
	return append(b, '}')
}

// set is a list of the record with the elements sorted as they are written.
func (c *content) set(b []byte, list Raw, sh *shape) []byte {
	c.source = list
	c.elements = c.elements[:0]
	s := ecs.NewScanner(list)
	b = append(b, '[')
	from := len(b)
	for s.Enter(); s.More(); {
		start := len(b)
		b = append(c.container(b, &s, sh, 2), ',')
		c.elements = append(c.elements, element{start, len(b) - 1, len(c.elements)})
	}
	// Compared and copied where they do not move.
	written := append(c.scratch[:0], b[from:]...)
	slices.SortStableFunc(c.elements, func(x, y element) int {
		return bytes.Compare(written[x.start-from:x.end-from], written[y.start-from:y.end-from])
	})
	c.ranks = slices.Grow(c.ranks[:0], len(c.elements))[:len(c.elements)]
	b = b[:from]
	for i, e := range c.elements {
		b = append(b, written[e.start-from:e.end-from+1]...)
		c.ranks[e.place] = i
	}
	c.scratch = written
	return append(b, ']')
}

// scalar writes a text, number, boolean or null.
func (c *content) scalar(b []byte, v Raw) []byte {
	switch {
	case len(v) == 0:
	case v[0] == '"':
		if !c.plain {
			return c.text(b, v)
		}
	case v[0] == '-' || '0' <= v[0] && v[0] <= '9':
		return appendNumber(b, v)
	}
	return append(b, v...)
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
func (c *content) text(b []byte, v Raw) []byte {
	if hasLongEscape(v) {
		var err error
		if c.decoded, err = jsontext.AppendUnquote(c.decoded[:0], v); err == nil {
			if quoted, err := jsontext.AppendQuote(b, c.decoded); err == nil {
				return quoted
			}
		}
	}
	return append(b, v...)
}

// appendNumber writes digits without a fraction as they are, and any other number
// by its significant digits and the power of ten they are to be multiplied with.
func appendNumber(b []byte, v Raw) []byte {
	if len(v) <= maxZeros && isDigits(v) {
		return append(b, v...)
	}
	mantissa, exponent, _ := bytes.Cut(bytes.ToLower(v), []byte("e"))
	power, err := strconv.ParseInt(string(exponent), 10, 32)
	if err != nil && len(exponent) > 0 {
		return append(b, v...)
	}
	negative := mantissa[0] == '-'
	whole, fraction, _ := bytes.Cut(bytes.TrimLeft(mantissa, "-"), []byte("."))
	power -= int64(len(fraction))
	digits := bytes.TrimLeft(slices.Concat(whole, fraction), "0")
	short := bytes.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	if len(short) == 0 {
		return append(b, '0')
	}
	if negative {
		b = append(b, '-')
	}
	b = append(b, short...)
	if power >= 0 && power <= maxZeros {
		return append(b, zeros[:power]...)
	}
	return strconv.AppendInt(append(b, 'e'), power, 10)
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
