package defender

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// raw is one JSON value as the API sent it; nil where the member was absent.
// Records are decoded into structs of raw values, so that no value of an
// unexpected type can make a record undecodable: each conversion decides for
// itself (see faults).
type raw = jsontext.Value

// lenient accepts what a strict reader would refuse and a collector must not
// lose: members twice (the last one counts) and broken UTF-8.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// member is a member of a JSON object that the API struct does not name.
type member struct {
	name  string
	value raw
}

// objectDecoder decodes JSON objects into one struct of raw fields, which the
// next decode overwrites. Values alias the input.
type objectDecoder struct {
	fields  map[string]*raw
	unknown []member // in the order of the record
	dec     jsontext.Decoder
	buf     bytes.Buffer
}

// newObjectDecoder binds a decoder to the raw fields of the struct that target
// points to, by their json tags.
func newObjectDecoder(target any) *objectDecoder {
	v := reflect.ValueOf(target).Elem()
	d := &objectDecoder{fields: make(map[string]*raw, v.NumField())}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if field, ok := v.Field(i).Addr().Interface().(*raw); ok && name != "" {
			d.fields[name] = field
		}
	}
	return d
}

// decode reads one object. After an error the struct holds what was read so far.
func (d *objectDecoder) decode(object raw) error {
	for _, field := range d.fields {
		*field = nil
	}
	d.unknown = d.unknown[:0]
	d.buf = *bytes.NewBuffer(object)
	d.dec.Reset(&d.buf, lenient...)
	if kind := d.dec.PeekKind(); kind != '{' {
		return fmt.Errorf("want an object, got %s", kindName(kind))
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() == '"' {
		if err := d.member(); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

func (d *objectDecoder) member() error {
	name, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	field := d.fields[string(name[1:len(name)-1])]
	unknown := ""
	if field == nil {
		unknown = strings.Clone(unquote(name))
	}
	value, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	if field == nil {
		d.unknown = append(d.unknown, member{unknown, value})
		return nil
	}
	*field = value
	return nil
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
	dec := jsontext.NewDecoder(bytes.NewBuffer(list), lenient...)
	_, _ = dec.ReadToken()
	for k := dec.PeekKind(); k != ']' && k != 0; k = dec.PeekKind() {
		element, err := dec.ReadValue()
		if err != nil {
			return // cannot be: the list was read as one well-formed value
		}
		visit(element)
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
