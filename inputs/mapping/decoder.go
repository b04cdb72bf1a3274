package mapping

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// lenient accepts what a strict reader would refuse and a collector must not
// lose: members twice (the last one counts) and broken UTF-8.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Valid reports whether a record is JSON, read leniently.
func Valid(record Raw) bool { return record.IsValid(lenient...) }

// Repair is the record with text that strict readers take: broken UTF-8 and
// halves of surrogate pairs become U+FFFD. It is almost always the record itself.
func Repair(record Raw) Raw {
	if utf8.Valid(record) && !bytes.Contains(record, []byte(`\ud`)) && !bytes.Contains(record, []byte(`\uD`)) {
		return record
	}
	fixed := record.Clone()
	if err := fixed.Format(slices.Concat(lenient, []jsontext.Options{jsontext.PreserveRawStrings(false)})...); err != nil {
		return bytes.ToValidUTF8(record, []byte("\uFFFD")) // no JSON: only its text is kept
	}
	return fixed
}

// member is a member of a JSON object that the API struct does not name. It
// aliases the record.
type member struct {
	name  string
	value Raw
}

// Decoder decodes JSON objects into one API struct of Fields and Lists, which
// the next decode overwrites. Values alias the input.
type Decoder struct {
	place   string           // of the objects in a record: "evidence", "" for the record
	lone    *Field           // what a scalar in place of an object is; see OrScalar
	fields  map[string]*slot // by member
	folded  map[string]*slot // by member without its writing; see Fold
	all     []*slot
	sorted  []*slot  // all, by their names
	order   []*slot  // of the members of the last object
	unknown []member // in the order of the record, no more than MaxUnknown
	beyond  int      // how many more there are
}

// slot is where the member of a name goes.
type slot struct {
	name  string // with quotes
	met   string // as it was last written
	label string // name between comma and colon
	value *Raw
	list  *List // nil for a Field
	set   bool  // a list whose order means nothing
	shape shape // of objects in the value; see content
}

// noSlot is that of a member that is unknown: no name is written like that.
var noSlot = &slot{name: "\x00", met: "\x00"}

// newDecoder binds a decoder to the Fields and Lists of the struct that target
// points to, and names them after their json tags; own makes of such a name the
// one in the vendor's object.
func newDecoder(place string, own func(string) string, target any) *Decoder {
	v := reflect.ValueOf(target).Elem()
	d := &Decoder{place: place, fields: make(map[string]*slot, v.NumField())}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if name == "" {
			continue
		}
		s := &slot{label: `,"` + name + `":`}
		s.name = s.label[1 : len(s.label)-1]
		s.met = s.name
		var f *Field
		switch target := v.Field(i).Addr().Interface().(type) {
		case *Field:
			f = target
		case *List:
			f, s.list = &target.Field, target
		default:
			continue
		}
		f.names = &names{Name: name, Own: own(name)}
		if place != "" {
			f.Name = place + "." + name
		}
		s.value = &f.Value
		d.fields[name] = s
		d.all = append(d.all, s)
	}
	d.sorted = slices.SortedFunc(slices.Values(d.all), func(a, b *slot) int { return cmp.Compare(a.name, b.name) })
	d.order = slices.Repeat([]*slot{noSlot}, len(d.all))
	return d
}

// OrScalar makes the decoder take a scalar in place of an object, as the value
// of this field of its struct.
func (d *Decoder) OrScalar(lone *Field) *Decoder {
	d.lone = lone
	return d
}

// Fold makes the decoder find members regardless of the letter case and
// underscores of their names: one service has deviceId in its lists, DeviceId in its
// files, and OSPlatform beside OsPlatform.
func (d *Decoder) Fold() *Decoder {
	d.folded = make(map[string]*slot, len(d.fields))
	for name, s := range d.fields {
		d.folded[string(fold(nil, name))] = s
	}
	return d
}

// fold appends a name without what Fold looks over.
func fold(to []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != '_' {
			to = append(to, c)
		}
	}
	return to
}

// markSets marks the lists that are sets.
func (d *Decoder) markSets(names []string) {
	for _, name := range names {
		if s, ok := d.fields[name]; ok {
			s.set = true
		}
	}
}

// Decode takes apart one object that is known to be well-formed, or a scalar
// where one may replace it. After an error nothing is set.
func (d *Decoder) Decode(object Raw) error {
	d.reset()
	kind := object.Kind()
	if d.lone != nil && kind != '{' && kind != '[' {
		d.lone.Value = object
		return nil
	}
	if kind != '{' {
		return fmt.Errorf("want an object, got %s", kindName(kind))
	}
	s := ecs.NewScanner(object)
	s.Enter()
	for place := 0; s.More(); place++ {
		// Records of a resource have the same members in the same order, so it is
		// nearly always the one that was last met at that place.
		if place < len(d.order) && s.Skip(d.order[place].met) {
			d.order[place].read(&s)
			continue
		}
		name := s.Value()
		to := d.find(name)
		if place < len(d.order) {
			d.order[place] = to
		}
		if to == noSlot {
			d.add(name, s.Value())
			continue
		}
		to.read(&s)
	}
	return nil
}

func (d *Decoder) reset() {
	for _, s := range d.all {
		*s.value = nil
		if s.list != nil {
			s.list.Elements, s.list.Beyond = s.list.Elements[:0], 0
		}
	}
	d.unknown, d.beyond = d.unknown[:0], 0
}

// add notes a member without a slot.
func (d *Decoder) add(name, value Raw) {
	if len(d.unknown) == MaxUnknown {
		d.beyond++
		return
	}
	d.unknown = append(d.unknown, member{ecs.Unquote(name), value})
}

// find is the slot of a member whose name is still quoted.
func (d *Decoder) find(name Raw) *slot {
	if len(name) < 2 {
		return noSlot // no name: the object is not well-formed
	}
	s, ok := d.fields[string(name[1:len(name)-1])]
	if !ok && d.folded != nil {
		var room [64]byte
		s, ok = d.folded[string(fold(room[:0], ecs.Alias(name[1:len(name)-1])))]
	}
	if !ok {
		return noSlot
	}
	if s.met != string(name) {
		s.met = string(name) // records of one answer are written alike
	}
	return s
}

func (to *slot) read(s *ecs.Scanner) {
	l := to.list
	switch {
	case l == nil:
		*to.value = s.Value()
	case s.Peek() == '[':
		most := l.Most
		if most == 0 {
			most = MaxElements
		}
		*to.value, l.Beyond = s.List(&l.Elements, most)
	default:
		*to.value = s.Value()
		l.Elements, l.Beyond = l.Elements[:0], 0
		if to.value.Kind() != 'n' {
			l.Elements = append(l.Elements, *to.value)
		}
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	default:
		return "no JSON"
	}
}
