package ecs

import (
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

	root    *Object
	objects []*Object // every object ever made; the first used ones are in use
	used    int
	values  []Value // elements of lists
	stack   []Value // elements of lists that are not complete yet
	encoded []byte  // kept objects as JSON; see Keep
}

// Object is a JSON object of a Document. Members keep the order in which they
// were first set.
type Object struct {
	members []member
	doc     *Document
	layer
}

type member struct {
	name  string
	value Value
}

// Reset empties the document and keeps its memory.
func (d *Document) Reset() { d.Rewind(Mark{}) }

// Root is the document's outermost object, without @timestamp.
func (d *Document) Root() *Object {
	if d.root == nil {
		d.root = d.newObject()
	}
	d.root = d.root.own()
	return d.root
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
	o := d.root
	for o != nil {
		name, rest, more := strings.Cut(path, ".")
		v := o.Get(name)
		if !more {
			return v
		}
		o, path = v.Object(), rest
	}
	return Value{}
}

// Delete removes the value at a dotted path and reports whether there was one.
func (d *Document) Delete(path string) bool {
	o, name := d.Root(), path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		if d.Get(path[:i]).Object() == nil {
			return false
		}
		o, name = d.Object(path[:i]), path[i+1:]
	}
	return o.Delete(name)
}

// List is a list of the values that are present. It is copied into memory that
// the document uses again.
func (d *Document) List(values ...Value) Value {
	start := len(d.values)
	for _, v := range values {
		if v.Present() {
			d.values = append(d.values, v)
		}
	}
	return d.listFrom(start)
}

// Texts is a List of strings.
func (d *Document) Texts(values ...string) Value {
	start := len(d.values)
	for _, s := range values {
		if s != "" {
			d.values = append(d.values, Text(s))
		}
	}
	return d.listFrom(start)
}

// listFrom is the list of the values added last.
func (d *Document) listFrom(start int) Value {
	end := len(d.values)
	if start == end {
		return Value{}
	}
	return listValue(d.values[start:end:end])
}

// NewObject is an object that is nowhere yet, such as an element of a list.
func (d *Document) NewObject() Value { return objectValue(d.newObject()) }

// JSON takes over any JSON value that is well-formed. Containers become objects
// and lists of this document, without their nulls, empty strings and empty
// containers. The value aliases raw.
func (d *Document) JSON(raw jsontext.Value) Value {
	s := NewScanner(raw)
	return d.decode(&s)
}

func (d *Document) decode(s *Scanner) Value {
	switch s.Peek() {
	case '{':
		o := d.newObject()
		for s.Enter(); s.More(); {
			name := s.Value()
			o.Set(Unquote(name), d.decode(s))
		}
		return objectValue(o)
	case '[':
		start := len(d.stack)
		for s.Enter(); s.More(); {
			d.stack = append(d.stack, d.decode(s))
		}
		list := d.List(d.stack[start:]...)
		d.stack = d.stack[:start]
		return list
	default:
		return Scalar(s.Value())
	}
}

// AppendJSON appends the document as one JSON object, @timestamp first.
func (d *Document) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"@timestamp":`...)
	dst = Time(d.Timestamp).AppendJSON(dst)
	if d.root != nil {
		dst = d.root.appendMembers(dst, false)
	}
	return append(dst, '}')
}

func (d *Document) newObject() *Object {
	if d.used == len(d.objects) {
		d.objects = append(d.objects, &Object{doc: d})
	}
	o := d.objects[d.used]
	d.used++
	o.members, o.layer = o.members[:0], layer{}
	return o
}

// empty reports whether the object has nothing to write.
func (o *Object) empty() bool {
	for i := range o.members {
		if o.members[i].value.present() {
			return false
		}
	}
	return true
}

// Object returns the member object of that name for being changed, made where
// it is missing. A value of another kind under that name is replaced.
func (o *Object) Object(name string) *Object {
	i := o.find(name)
	if i < 0 {
		child := o.doc.newObject()
		o.add(name, objectValue(child))
		return child
	}
	child := o.members[i].value.Object()
	switch {
	case child == nil:
		child = o.doc.newObject()
	case child.kept:
		child = child.own()
	default:
		return child
	}
	o.replace(i, objectValue(child))
	return child
}

// Set puts a member, in place of one of that name. An absent value changes
// nothing.
func (o *Object) Set(name string, v Value) {
	if v.kind == kindNone {
		return
	}
	if i := o.find(name); i >= 0 {
		o.replace(i, v)
		return
	}
	o.add(name, v)
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
	o.replace(i, Value{})
	o.members = append(o.members[:i], o.members[i+1:]...)
	return true
}

// AppendJSON appends the object as JSON.
func (o *Object) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	dst = o.appendMembers(dst, true)
	return append(dst, '}')
}

// appendMembers appends the members, the first one with a comma before it
// unless it is first in the object.
func (o *Object) appendMembers(dst []byte, first bool) []byte {
	if o.done > 0 && o.start < o.end {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, o.doc.encoded[o.start:o.end]...)
	}
	for i := o.done; i < len(o.members); i++ {
		m := &o.members[i]
		if !m.value.present() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendText(dst, m.name)
		dst = append(dst, ':')
		dst = m.value.append(dst)
	}
	return dst
}

func (o *Object) find(name string) int {
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}
