package explain

import (
	"bytes"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// ruleOf says what was made of the members that a field comes from.
func ruleOf(value jsontext.Value, from []*node) string {
	switch len(from) {
	case 0:
		return "constant"
	case 1:
	default:
		if value.Kind() == '[' {
			return "gathered"
		}
		return "made of all"
	}
	source := from[0].text
	if source == nil {
		return "gathered"
	}
	if bytes.Equal(value, source) {
		return "as it is"
	}
	if one, ok := only(value); ok && source.Kind() != '[' {
		if rule := scalarRule(textOf(one), textOf(source)); rule != "" {
			return "list; " + rule
		}
		return "list; derived"
	}
	if rule := scalarRule(textOf(value), textOf(source)); rule != "" {
		return rule
	}
	return "derived"
}

// only is the element of a list that has one.
func only(list jsontext.Value) (jsontext.Value, bool) {
	if list.Kind() != '[' {
		return nil, false
	}
	d := jsontext.NewDecoder(bytes.NewReader(list))
	_, _ = d.ReadToken()
	value, err := d.ReadValue()
	if err != nil {
		return nil, false
	}
	value = value.Clone()
	return value, d.PeekKind() == ']'
}

func scalarRule(value, source string) string {
	switch {
	case value == source:
		return "as it is"
	case value == strings.ToLower(source):
		return "in lower case"
	case value == strings.ToUpper(source):
		return "in upper case"
	case isSameTime(value, source):
		return "as a time"
	case value != "" && strings.HasPrefix(source, value):
		return "its beginning"
	case value != "" && strings.HasSuffix(source, value):
		return "its end"
	}
	return ""
}

func isSameTime(a, b string) bool {
	t, err := time.Parse(time.RFC3339Nano, a)
	u, otherErr := time.Parse(time.RFC3339Nano, b)
	return err == nil && otherErr == nil && t.Sub(u).Abs() < time.Millisecond
}
