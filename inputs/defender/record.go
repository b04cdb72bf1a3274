package defender

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// raw is one JSON value as the API sent it; nil where the member was absent.
// Records are decoded into structs of raw values, so that no value of an
// unexpected type can make a record undecodable: each conversion decides for
// itself (see faults).
type raw = jsontext.Value

// lenient accepts what a strict reader would refuse and a collector must not
// lose: members twice (the last one counts) and broken UTF-8.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// member is a member of a JSON object that the API struct does not name. It
// aliases the record.
type member struct {
	name  string
	value raw
}

// objectDecoder decodes JSON objects into one struct of raw fields, which the
// next decode overwrites. Values alias the input.
type objectDecoder struct {
	fields  map[string]*slot // by member
	all     []*slot
	order   []*slot  // of the members of the last object
	unknown []member // in the order of the record, no more than maxUnknown
	beyond  int      // how many more there are
}

// slot is where the member of a name goes.
type slot struct {
	name     string // as written, with quotes
	value    *raw
	elements *elements // of the value, where they were asked for
}

// elements are those of a list, gathered on the way over it. A value that is no
// list is the only element: Elastic's fixtures show a list of one as a bare
// object.
type elements struct {
	field  string
	limit  int // of those that are gathered
	values []raw
	beyond int // how many more there are
}

// maxElements bounds the lists of a record: 11 MB can hold millions of elements,
// each of which takes ten times its bytes as a value of a document. What is
// beyond is noted as a fault, which keeps the original.
const maxElements = 4096

// noSlot is that of a member that is unknown: no name is written like that.
var noSlot = &slot{name: "\x00"}

// list has the elements of a member gathered.
func (d *objectDecoder) list(name string, to *elements, limit int) {
	to.field, to.limit = name, limit
	d.fields[name].elements = to
}

// newObjectDecoder binds a decoder to the raw fields of the struct that target
// points to, by their json tags.
func newObjectDecoder(target any) *objectDecoder {
	v := reflect.ValueOf(target).Elem()
	d := &objectDecoder{fields: make(map[string]*slot, v.NumField())}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if value, ok := v.Field(i).Addr().Interface().(*raw); ok && name != "" {
			s := &slot{name: `"` + name + `"`, value: value}
			d.fields[name] = s
			d.all = append(d.all, s)
		}
	}
	d.order = slices.Repeat([]*slot{noSlot}, len(d.all))
	return d
}

// decode takes apart one object that is known to be well-formed. After an error
// nothing is set.
func (d *objectDecoder) decode(object raw) error {
	d.reset()
	if kind := object.Kind(); kind != '{' {
		return fmt.Errorf("want an object, got %s", kindName(kind))
	}
	s := ecs.NewScanner(object)
	s.Enter()
	for place := 0; s.More(); place++ {
		// Records of a resource have the same members in the same order, so it is
		// nearly always the one that was last met at that place.
		if place < len(d.order) && s.Skip(d.order[place].name) {
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

func (d *objectDecoder) reset() {
	for _, s := range d.all {
		*s.value = nil
		if s.elements != nil {
			s.elements.values, s.elements.beyond = s.elements.values[:0], 0
		}
	}
	d.unknown, d.beyond = d.unknown[:0], 0
}

// add notes a member without a slot.
func (d *objectDecoder) add(name, value raw) {
	if len(d.unknown) == maxUnknown {
		d.beyond++
		return
	}
	d.unknown = append(d.unknown, member{unquote(name), value})
}

// take is decode for an object that a scalar may stand in for, as the value of
// its member lone, a field of the target. Without one, nothing may.
func (d *objectDecoder) take(v raw, lone *raw) error {
	if k := v.Kind(); lone == nil || k == '{' || k == '[' {
		return d.decode(v)
	}
	d.reset()
	*lone = v
	return nil
}

// find is the slot of a member whose name is still quoted.
func (d *objectDecoder) find(name raw) *slot {
	if len(name) < 2 {
		return noSlot // no name: the object is not well-formed
	}
	if s, ok := d.fields[string(name[1:len(name)-1])]; ok {
		return s
	}
	return noSlot
}

func (to *slot) read(s *ecs.Scanner) {
	e := to.elements
	switch {
	case e == nil:
		*to.value = s.Value()
	case s.Peek() == '[':
		*to.value, e.beyond = s.List(&e.values, e.limit)
	default:
		*to.value = s.Value()
		e.values, e.beyond = e.values[:0], 0
		if to.value.Kind() != 'n' {
			e.values = append(e.values, *to.value)
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
