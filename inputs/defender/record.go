package defender

import (
	"fmt"
	"reflect"

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
	fields  map[string]slot // by member
	all     []*raw
	order   []slot   // of the members of the last object
	unknown []member // in the order of the record
}

// slot is where the member of a name goes.
type slot struct {
	name     string // as written, with quotes
	value    *raw
	elements *[]raw // of the value, where it is a list that was asked for
}

// list has the elements of a list gathered on the way over it.
func (d *objectDecoder) list(name string, elements *[]raw) {
	s := d.fields[name]
	s.elements = elements
	d.fields[name] = s
}

// newObjectDecoder binds a decoder to the raw fields of the struct that target
// points to, by their json tags.
func newObjectDecoder(target any) *objectDecoder {
	v := reflect.ValueOf(target).Elem()
	d := &objectDecoder{fields: make(map[string]slot, v.NumField())}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if value, ok := v.Field(i).Addr().Interface().(*raw); ok && name != "" {
			d.fields[name] = slot{name: `"` + name + `"`, value: value}
			d.all = append(d.all, value)
		}
	}
	d.order = make([]slot, len(d.all))
	return d
}

// decode takes apart one object that is known to be well-formed. After an error
// nothing is set.
func (d *objectDecoder) decode(object raw) error {
	for _, value := range d.all {
		*value = nil
	}
	d.unknown = d.unknown[:0]
	if kind := object.Kind(); kind != '{' {
		return fmt.Errorf("want an object, got %s", kindName(kind))
	}
	s := ecs.NewScanner(object)
	s.Enter()
	for place := 0; s.More(); place++ {
		name := s.Value()
		to := d.slot(place, name)
		switch {
		case to.value == nil:
			d.unknown = append(d.unknown, member{unquote(name), s.Value()})
		case to.elements != nil && s.Peek() == '[':
			*to.value = s.List(to.elements)
		default:
			*to.value = s.Value()
		}
	}
	return nil
}

// slot is where the member of that name goes, the zero slot where it is unknown.
// Records of a resource have the same members in the same order, so it is nearly
// always the one that was last met at that place; comparing two names costs a
// fifth of finding one in a map.
func (d *objectDecoder) slot(place int, name raw) slot {
	if place < len(d.order) && d.order[place].name == string(name) {
		return d.order[place]
	}
	if len(name) < 2 {
		return slot{} // no name: the object is not well-formed
	}
	s := d.fields[string(name[1:len(name)-1])]
	if place < len(d.order) {
		d.order[place] = s
	}
	return s
}

// elements calls visit for every element of a JSON array, and once with the
// value itself where it is no array: Elastic's fixtures show a list of one as
// a bare object.
func elements(list raw, visit func(element raw)) {
	switch list.Kind() {
	case 'n', 0:
		return
	case '[':
	default:
		visit(list)
		return
	}
	s := ecs.NewScanner(list)
	for s.Enter(); s.More(); {
		visit(s.Value())
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
