package process

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Fields are what a condition asks of a document.
type Fields interface {
	// Field is a value as it will be written, nil where there is none.
	Field(path string) jsontext.Value
}

// Condition is what a when asks of a document.
type Condition func(Fields) bool

const supportedConditions = "and, contains, equals, has_fields, network, not, or, range, regexp"

// NewCondition makes what a policy's when holds: an object of one member, named after
// the condition. Names may have dots. The error joins every fault, each naming its
// place.
func NewCondition(when any) (Condition, error) {
	tree, faults := normalize(when)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	c, faults := newCondition(tree)
	return c, errors.Join(faults...)
}

func newCondition(tree any) (Condition, []error) {
	name, value, err := only(tree, "condition")
	if err != nil {
		return nil, []error{err}
	}
	var c Condition
	var faults []error
	switch name {
	case "equals":
		c, faults = compareFields(value, newEquals)
	case "contains":
		c, faults = compareFields(value, newContains)
	case "regexp":
		c, faults = compareFields(value, newRegexp)
	case "network":
		c, faults = compareFields(value, newNetwork)
	case "range":
		c, faults = compareFields(value, newRange)
	case "has_fields":
		c, faults = hasFields(value)
	case "not":
		var inner Condition
		inner, faults = newCondition(value)
		c = func(d Fields) bool { return !inner(d) }
	case "and", "or":
		c, faults = combine(value, name == "and")
	default:
		return nil, []error{fmt.Errorf("%q is not supported; supported are %s", name, supportedConditions)}
	}
	return c, within(name, faults)
}

// combine is true where every condition is, or where one is.
func combine(value any, every bool) (Condition, []error) {
	list, _ := value.([]any)
	if len(list) == 0 {
		return nil, []error{errors.New("want a list of conditions")}
	}
	conditions := make([]Condition, 0, len(list))
	var faults []error
	for i, tree := range list {
		c, wrong := newCondition(tree)
		faults = append(faults, within(fmt.Sprintf("[%d]", i), wrong)...)
		conditions = append(conditions, c)
	}
	return func(d Fields) bool {
		for _, c := range conditions {
			if c(d) != every {
				return !every
			}
		}
		return every
	}, faults
}

func hasFields(value any) (Condition, []error) {
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
	return func(d Fields) bool {
		for _, f := range fields {
			if d.Field(f) == nil {
				return false
			}
		}
		return true
	}, faults
}

// comparison is what must be true of a field that a document has.
type comparison func(field jsontext.Value) bool

// compareFields is true where every field named compares. read makes a comparison of
// what is written for one, and may take the end of its path for a word of its own.
func compareFields(value any, read func(path string, leaf any) (field string, is comparison, err error)) (Condition, []error) {
	type test struct {
		field string
		is    comparison
	}
	var tests []test
	var faults []error
	if tree, ok := value.(map[string]any); ok {
		leaves("", tree, func(path string, leaf any) {
			field, is, err := read(path, leaf)
			if wrong := isField(field); wrong != nil {
				faults = append(faults, wrong)
			} else if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", path, err))
			}
			tests = append(tests, test{field, is})
		})
	}
	if len(tests) == 0 {
		faults = append(faults, errors.New("want an object of fields and values"))
	}
	return func(d Fields) bool {
		for i := range tests {
			if field := d.Field(tests[i].field); field == nil || !tests[i].is(field) {
				return false
			}
		}
		return true
	}, faults
}

// fieldsOf are those of a document that is not encoded yet.
type fieldsOf struct{ document *ecs.Document }

// Field is Document.Get for a condition, which may ask for @timestamp too.
func (f fieldsOf) Field(path string) jsontext.Value {
	v := f.document.Get(path)
	if path == "@timestamp" {
		v = ecs.Time(f.document.Timestamp)
	}
	if !v.Present() {
		return nil
	}
	return v.AppendJSON(nil)
}

// anyOf reports whether something is true of a value, or of any element of a list.
func anyOf(value jsontext.Value, is comparison) bool {
	if value.Kind() != '[' {
		return is(value)
	}
	s := ecs.NewScanner(value)
	for s.Enter(); s.More(); {
		if is(s.Value()) {
			return true
		}
	}
	return false
}
