package ecs

import (
	"bytes"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is one document on its way to a data stream. The zero Document is
// ready to use; it is not safe for concurrent use.
type Document struct {
	// ID is the document's _id: equal for the same version of the same record,
	// whenever and however often it is read.
	ID string
	// Timestamp is @timestamp.
	Timestamp time.Time

	root    Object
	objects []*Object // every object but the root ever made; the first used ones are in use
	used    int
}

// Object is a JSON object of a Document. Members keep the order in which they
// were first set.
type Object struct {
	members []member
	doc     *Document
}

type member struct {
	name  string
	value Value
}

// Reset empties the document and keeps its memory.
func (d *Document) Reset() {
	d.ID, d.Timestamp = "", time.Time{}
	d.root.members = d.root.members[:0]
	d.used = 0
}

// Root is the document's outermost object, without @timestamp.
func (d *Document) Root() *Object {
	d.root.doc = d
	return &d.root
}

// Object returns the object at a dotted path, made where it is missing.
func (d *Document) Object(path string) *Object {
	o := d.Root()
	for name := range strings.SplitSeq(path, ".") {
		o = o.Object(name)
	}
	return o
}

// Set puts a value at a dotted path. An absent value changes nothing.
func (d *Document) Set(path string, v Value) {
	o, name := d.Root(), path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		o, name = d.Object(path[:i]), path[i+1:]
	}
	o.Set(name, v)
}

// Get returns the value at a dotted path; it is absent where nothing was set.
func (d *Document) Get(path string) Value {
	o := d.Root()
	for {
		name, rest, more := strings.Cut(path, ".")
		v := o.Get(name)
		if !more {
			return v
		}
		if o = v.Object(); o == nil {
			return Value{}
		}
		path = rest
	}
}

// Delete removes the value at a dotted path and reports whether there was one.
func (d *Document) Delete(path string) bool {
	o, name := d.Root(), path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		if o = d.Get(path[:i]).Object(); o == nil {
			return false
		}
		name = path[i+1:]
	}
	return o.Delete(name)
}

// JSON takes over any JSON value. Containers become objects and lists of this
// document, without their nulls, empty strings and empty containers.
func (d *Document) JSON(raw jsontext.Value) Value {
	if len(raw) == 0 {
		return Value{}
	}
	if k := raw.Kind(); k != '{' && k != '[' {
		return Scalar(raw)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return d.decode(dec)
}

func (d *Document) decode(dec *jsontext.Decoder) Value {
	switch dec.PeekKind() {
	case '{':
		return d.decodeObject(dec)
	case '[':
		return d.decodeList(dec)
	default:
		raw, err := dec.ReadValue()
		if err != nil {
			return Value{}
		}
		return Scalar(raw)
	}
}

func (d *Document) decodeObject(dec *jsontext.Decoder) Value {
	o := d.newObject()
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		o.Set(name.String(), d.decode(dec))
	}
	_, _ = dec.ReadToken()
	return Value{kind: kindObject, object: o}
}

func (d *Document) decodeList(dec *jsontext.Decoder) Value {
	var list []Value
	_, _ = dec.ReadToken()
	for k := dec.PeekKind(); k != ']' && k != 0; k = dec.PeekKind() {
		list = append(list, d.decode(dec))
	}
	_, _ = dec.ReadToken()
	return List(list...)
}

// AppendJSON appends the document as one JSON object, @timestamp first.
func (d *Document) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"@timestamp":`...)
	dst = Time(d.Timestamp).AppendJSON(dst)
	for i := range d.root.members {
		dst = d.root.members[i].append(dst, false)
	}
	return append(dst, '}')
}

// Walk calls visit for every leaf (anything but an object) with its dotted
// path, in document order, @timestamp first. Objects inside lists are leaves'
// parents too: their members are visited under the list's path.
func (d *Document) Walk(visit func(path string, v Value)) {
	visit("@timestamp", Time(d.Timestamp))
	d.Root().walk("", visit)
}

func (o *Object) walk(prefix string, visit func(string, Value)) {
	for _, m := range o.members {
		walkValue(prefix+m.name, m.value, visit)
	}
}

func walkValue(path string, v Value, visit func(string, Value)) {
	switch {
	case !v.Present():
	case v.kind == kindObject:
		v.object.walk(path+".", visit)
	case v.kind == kindList && v.list[0].kind == kindObject:
		for _, element := range v.list {
			walkValue(path, element, visit)
		}
	default:
		visit(path, v)
	}
}

func (d *Document) newObject() *Object {
	if d.used == len(d.objects) {
		d.objects = append(d.objects, &Object{doc: d})
	}
	o := d.objects[d.used]
	d.used++
	o.members = o.members[:0]
	return o
}

// Empty reports whether the object has nothing to write.
func (o *Object) Empty() bool {
	for i := range o.members {
		if o.members[i].value.Present() {
			return false
		}
	}
	return true
}

// Object returns the member object of that name, made where it is missing. A
// value of another kind under that name is replaced.
func (o *Object) Object(name string) *Object {
	if i := o.find(name); i >= 0 {
		if child := o.members[i].value.Object(); child != nil {
			return child
		}
		child := o.doc.newObject()
		o.members[i].value = Value{kind: kindObject, object: child}
		return child
	}
	child := o.doc.newObject()
	o.members = append(o.members, member{name, Value{kind: kindObject, object: child}})
	return child
}

// Set puts a member, in place of one of that name. An absent value changes
// nothing.
func (o *Object) Set(name string, v Value) {
	if v.kind == kindNone {
		return
	}
	if i := o.find(name); i >= 0 {
		o.members[i].value = v
		return
	}
	o.members = append(o.members, member{name, v})
}

// Get returns the member of that name; it is absent where nothing was set.
func (o *Object) Get(name string) Value {
	if i := o.find(name); i >= 0 {
		return o.members[i].value
	}
	return Value{}
}

// Delete removes the member of that name and reports whether there was one.
func (o *Object) Delete(name string) bool {
	i := o.find(name)
	if i < 0 {
		return false
	}
	o.members = append(o.members[:i], o.members[i+1:]...)
	return true
}

// AppendJSON appends the object as JSON.
func (o *Object) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for i := range o.members {
		dst = o.members[i].append(dst, len(dst) == start)
	}
	return append(dst, '}')
}

func (o *Object) find(name string) int {
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

func (m *member) append(dst []byte, first bool) []byte {
	if !m.value.Present() {
		return dst
	}
	if !first {
		dst = append(dst, ',')
	}
	dst = appendText(dst, m.name)
	dst = append(dst, ':')
	return m.value.AppendJSON(dst)
}
