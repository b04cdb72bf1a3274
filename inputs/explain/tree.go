package explain

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// node is a value of a record. One of text, members and elements is set.
type node struct {
	path     string // from the root, as evidence[0].fileName
	text     jsontext.Value
	members  []member
	elements []*node
}

type member struct {
	name  jsontext.Value // quoted
	value *node
}

// parse takes a value apart, down to what is no object and no list of objects.
func parse(path string, v jsontext.Value) *node {
	n := &node{path: path, text: v}
	d := jsontext.NewDecoder(bytes.NewReader(v), lenient...)
	switch {
	case v.Kind() == '{':
		n.text = nil
		_, _ = d.ReadToken()
		for d.PeekKind() != '}' {
			name, err := d.ReadValue()
			if err != nil {
				return n // not valid: Explain looked
			}
			name = name.Clone()
			value, err := d.ReadValue()
			if err != nil {
				return n
			}
			plain, _ := jsontext.AppendUnquote(nil, name)
			at := string(plain)
			if path != "" {
				at = path + "." + at
			}
			n.members = append(n.members, member{name, parse(at, value.Clone())})
		}
	case v.Kind() == '[':
		_, _ = d.ReadToken()
		for d.PeekKind() == '{' {
			value, err := d.ReadValue()
			if err != nil {
				return n
			}
			n.elements = append(n.elements, parse(fmt.Sprintf("%s[%d]", path, len(n.elements)), value.Clone()))
		}
		if d.PeekKind() != ']' || len(n.elements) == 0 {
			n.elements = nil // no list of objects
		} else {
			n.text = nil
		}
	}
	return n
}

// leaves are the values that are no objects and no lists of objects, in order.
func (n *node) leaves() []*node {
	if n.text != nil {
		return []*node{n}
	}
	var all []*node
	for _, m := range n.members {
		all = append(all, m.value.leaves()...)
	}
	for _, e := range n.elements {
		all = append(all, e.leaves()...)
	}
	return all
}

// without writes the record with another value in place of a leaf, or without it
// where that is nil.
func (n *node) without(leaf *node, value jsontext.Value, to []byte) []byte {
	switch {
	case n == leaf && value == nil:
		return append(to, "null"...) // an element of a list
	case n == leaf:
		return append(to, value...)
	case n.text != nil:
		return append(to, n.text...)
	case n.elements != nil:
		to = append(to, '[')
		for i, e := range n.elements {
			if i > 0 {
				to = append(to, ',')
			}
			to = e.without(leaf, value, to)
		}
		return append(to, ']')
	}
	to = append(to, '{')
	first := true
	for _, m := range n.members {
		if m.value == leaf && value == nil {
			continue
		}
		if !first {
			to = append(to, ',')
		}
		first = false
		to = m.value.without(leaf, value, append(append(to, m.name...), ':'))
	}
	return append(to, '}')
}

// altered is another value of the same kind, nil where there is none to be thought of.
func altered(v jsontext.Value) jsontext.Value {
	switch v.Kind() {
	case 't':
		return jsontext.Value("false")
	case 'f':
		return jsontext.Value("true")
	case '0':
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return strconv.AppendInt(nil, n^1, 10)
		}
	case '"':
		text := textOf(v)
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			text = t.Add(-time.Second).Format(time.RFC3339Nano)
		} else {
			text += "x"
		}
		quoted, _ := jsontext.AppendQuote(nil, text)
		return quoted
	}
	return nil
}

// textOf is a scalar as text, and anything else as its JSON.
func textOf(v jsontext.Value) string {
	if v.Kind() != '"' {
		return string(v)
	}
	text, _ := jsontext.AppendUnquote(nil, v)
	return string(text)
}
