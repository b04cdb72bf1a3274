package explain

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Map maps a record and reports whether that could be done cleanly. The documents are the
// caller's.
type Map func(record []byte) (documents []jsontext.Value, clean bool, err error)

// Field is a field of a document.
type Field struct {
	Name  string // dotted
	Value jsontext.Value
	From  []string // members of the record; none where the field does not depend on it
	Rule  string   // what was made of them
}

// maxMembers bounds how many members are tried: a record of many evidence items has
// documents by the thousand, and each try makes them all.
const maxMembers = 2000

// ErrTooMany means that not all members were tried.
var ErrTooMany = errors.New("the record has more than 2000 values: where fields come from is shown for the first ones alone")

// Explain maps a record and says for each of its documents where its fields come from,
// in the order of their names. With ErrTooMany there are fields all the same.
func Explain(m Map, record []byte) ([][]Field, error) {
	documents, clean, err := m(record)
	if err != nil {
		return nil, err
	}
	found := make([]fields, len(documents))
	for i, d := range documents {
		found[i] = flatten(d)
	}
	from := make([]map[string][]*node, len(documents))
	for i := range from {
		from[i] = map[string][]*node{}
	}
	var tooMany error
	tried := 0
	if v := jsontext.Value(record); v.IsValid(lenient...) && v.Kind() == '{' {
		root := parse("", v)
		leaves := root.leaves()
		if len(leaves) > maxMembers {
			leaves, tooMany = leaves[:maxMembers], ErrTooMany
		}
		tried = len(leaves)
		x := &explanation{mapped: m, root: root, clean: clean, found: found, from: from}
		if err := x.try(leaves); err != nil {
			return nil, err
		}
	}
	return origins(found, from, tried), tooMany
}

// origins says of each document where its fields come from; tried is how many members
// were.
func origins(found []fields, from []map[string][]*node, tried int) [][]Field {
	explained := make([][]Field, len(found))
	for i := range found {
		for _, name := range slices.Sorted(maps.Keys(found[i])) {
			sources := from[i][name]
			f := Field{Name: name, Value: found[i][name], Rule: ruleOf(found[i][name], sources)}
			if len(sources) == tried && tried > 1 {
				f.From, f.Rule = []string{"the record"}, "all of it"
				sources = nil
			}
			for _, n := range sources {
				f.From = append(f.From, n.path)
			}
			explained[i] = append(explained[i], f)
		}
	}
	return explained
}

// explanation is what was found out of a record.
type explanation struct {
	mapped Map
	root   *node
	clean  bool // the record can be mapped cleanly
	found  []fields
	from   []map[string][]*node // of each document's fields
}

// try maps the record without each leaf, and with another value in it. What then has
// no source may come from several that say the same: whole members of the record are
// left out for those.
func (x *explanation) try(leaves []*node) error {
	for _, leaf := range leaves {
		if leaf.text.Kind() == 'n' {
			continue // says nothing as it is
		}
		variants := []jsontext.Value{nil}
		if other := altered(leaf.text); other != nil {
			variants = append(variants, other)
		}
		for _, value := range variants {
			if err := x.variant(leaf, value, func(known []*node) bool { return !slices.Contains(known, leaf) }); err != nil {
				return err
			}
		}
	}
	for _, m := range x.root.members {
		if m.value.text != nil {
			continue
		}
		if err := x.variant(m.value, nil, func(known []*node) bool { return len(known) == 0 }); err != nil {
			return err
		}
	}
	return nil
}

// variant maps the record with another value in place of a part of it, or without it,
// and notes which fields change, where their sources do not say it yet.
func (x *explanation) variant(part *node, value jsontext.Value, isNews func(known []*node) bool) error {
	documents, clean, err := x.mapped(x.root.without(part, value, nil))
	if err != nil {
		return err
	}
	if x.clean && !clean || len(documents) != len(x.found) {
		return nil
	}
	for i, d := range documents {
		now := flatten(d)
		for name, before := range x.found[i] {
			if !bytes.Equal(before, now[name]) && isNews(x.from[i][name]) {
				x.from[i][name] = append(x.from[i][name], part)
			}
		}
	}
	return nil
}

// fields are the values of a document by their dotted names.
type fields map[string]jsontext.Value

func flatten(document jsontext.Value) fields {
	f := fields{}
	var add func(prefix string, v jsontext.Value)
	add = func(prefix string, v jsontext.Value) {
		if v.Kind() != '{' {
			f[prefix] = v
			return
		}
		for _, m := range parse(prefix, v).members {
			if m.value.text == nil { // an object, or a list of them
				add(m.value.path, m.value.without(nil, nil, nil))
				continue
			}
			f[m.value.path] = m.value.text
		}
	}
	add("", document)
	return f
}
