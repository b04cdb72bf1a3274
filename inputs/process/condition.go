package process

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// condition is what a processor's when asks of a document.
type condition func(d *ecs.Document) bool

const supportedConditions = "and, contains, equals, has_fields, not, or"

func newCondition(tree any) (condition, []error) {
	name, value, err := only(tree, "condition")
	if err != nil {
		return nil, []error{err}
	}
	var c condition
	var faults []error
	switch name {
	case "equals":
		c, faults = compareFields(value, equals)
	case "contains":
		c, faults = compareFields(value, contains)
	case "has_fields":
		c, faults = hasFields(value)
	case "not":
		var inner condition
		inner, faults = newCondition(value)
		c = func(d *ecs.Document) bool { return !inner(d) }
	case "and", "or":
		c, faults = combine(value, name == "and")
	default:
		return nil, []error{fmt.Errorf("%q is not supported; supported are %s", name, supportedConditions)}
	}
	return c, within(name, faults)
}

// combine is true where every condition is, or where one is.
func combine(value any, every bool) (condition, []error) {
	list, _ := value.([]any)
	if len(list) == 0 {
		return nil, []error{errors.New("want a list of conditions")}
	}
	conditions := make([]condition, 0, len(list))
	var faults []error
	for i, tree := range list {
		c, wrong := newCondition(tree)
		faults = append(faults, within(fmt.Sprintf("[%d]", i), wrong)...)
		conditions = append(conditions, c)
	}
	return func(d *ecs.Document) bool {
		for _, c := range conditions {
			if c(d) != every {
				return !every
			}
		}
		return every
	}, faults
}

func hasFields(value any) (condition, []error) {
	fields, err := textList(value)
	if err != nil {
		return nil, []error{err}
	}
	var faults []error
	for _, f := range fields {
		if err := isField(f); err != nil {
			faults = append(faults, err)
		}
	}
	return func(d *ecs.Document) bool {
		for _, f := range fields {
			if !lookup(d, f).Present() {
				return false
			}
		}
		return true
	}, faults
}

// compareFields is true where every field named compares.
func compareFields(value any, compare func(field, want ecs.Value) bool) (condition, []error) {
	tree, _ := value.(map[string]any)
	if len(tree) == 0 {
		return nil, []error{errors.New("want an object of fields and values")}
	}
	type field struct {
		path string
		want ecs.Value
	}
	var fields []field
	var faults []error
	leaves("", tree, func(path string, leaf any) {
		want := scalar(leaf)
		if err := isField(path); err != nil {
			faults = append(faults, err)
		} else if !want.Present() {
			faults = append(faults, fmt.Errorf("%s: want a string that is not empty, a number or a boolean", path))
		}
		fields = append(fields, field{path, want})
	})
	if len(fields) == 0 {
		faults = append(faults, errors.New("want an object of fields and values"))
	}
	return func(d *ecs.Document) bool {
		for _, f := range fields {
			if !compare(lookup(d, f.path), f.want) {
				return false
			}
		}
		return true
	}, faults
}

func scalar(leaf any) ecs.Value {
	switch v := leaf.(type) {
	case string:
		return ecs.Text(v)
	case bool:
		return ecs.Bool(v)
	case jsontext.Value:
		return ecs.Scalar(v)
	default:
		return ecs.Value{}
	}
}

// lookup is Document.Get for a condition, which may ask for @timestamp too.
func lookup(d *ecs.Document, path string) ecs.Value {
	if path == "@timestamp" {
		return ecs.Time(d.Timestamp)
	}
	return d.Get(path)
}

// equals compares a field, or any element of a list.
func equals(field, want ecs.Value) bool {
	return slices.ContainsFunc(field.Values(), func(v ecs.Value) bool { return same(v, want) })
}

// contains looks for a part of a text, or an element of a list.
func contains(field, want ecs.Value) bool {
	f, w := encode(field), encode(want)
	if f.Kind() == '"' && w.Kind() == '"' {
		return strings.Contains(ecs.Unquote(f), ecs.Unquote(w))
	}
	return equals(field, want)
}

// same compares values of one JSON type: 1 is 1.0 but neither is "1".
func same(a, b ecs.Value) bool {
	j, k := encode(a), encode(b)
	if j.Kind() != k.Kind() {
		return false
	}
	x, y := ecs.Unquote(j), ecs.Unquote(k)
	if k.Kind() != '0' || x == y {
		return x == y
	}
	_, err := strconv.ParseInt(x, 10, 64)
	_, err2 := strconv.ParseInt(y, 10, 64)
	if err == nil && err2 == nil {
		return false // a float could not tell large ones apart
	}
	f, err := strconv.ParseFloat(x, 64)
	g, err2 := strconv.ParseFloat(y, 64)
	return err == nil && err2 == nil && f == g
}

// encode tells a value's JSON type, and gives a time as it will be written.
func encode(v ecs.Value) jsontext.Value { return v.AppendJSON(nil) }
