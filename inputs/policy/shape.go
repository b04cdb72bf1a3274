package policy

import (
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// mismatch is how the library says that a value has another type than its field. Its
// words are those of Go and not of a policy.
var mismatch = regexp.MustCompile(`^(can not convert '|required 'object'|type mismatch|\(assert\) value of type)`)

// fits reports whether a setting has the shape that its field is decoded from, where the
// library would take another one in silence: a list for names with values and the
// reverse, a fraction for a whole number.
func (r *Reader) fits(name string, t reflect.Type) bool {
	kind := indirect(t).Kind()
	if below, err := r.tree.Child(name, -1); err == nil {
		items, _ := below.CountField("")
		switch {
		case items == 0 && len(below.GetFields()) == 0:
			return true // neither, being empty
		case kind == reflect.Slice:
			return below.IsArray()
		case kind == reflect.Map, kind == reflect.Struct:
			return !below.IsArray()
		}
		return true
	}
	if number, err := r.tree.Float(name, -1); err == nil && isWhole(kind) && t != reflect.TypeFor[time.Duration]() {
		return number == math.Trunc(number)
	}
	return true
}

func isWhole(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Uint64 }

// wanted says what a field of a type is decoded from, for whoever wrote something
// else. Empty where there are no such words.
func wanted(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch kind := indirect(t).Kind(); {
	case kind == reflect.Bool:
		return "want true or false"
	case isWhole(kind):
		return "want a whole number, such as 10"
	case kind == reflect.String:
		return "want a text"
	case kind == reflect.Slice:
		return "want a list, such as [a, b]"
	case kind == reflect.Map, kind == reflect.Struct:
		return "want names with values below it"
	}
	return ""
}

// typeAt is the type of what a dotted name leads to inside a type; nil where it leads
// nowhere.
func typeAt(t reflect.Type, path string) reflect.Type {
	for part := range strings.SplitSeq(path, ".") {
		switch t = indirect(t); t.Kind() {
		case reflect.Slice, reflect.Map:
			t = t.Elem()
		case reflect.Struct:
			field, ok := t.FieldByNameFunc(func(name string) bool {
				f, _ := t.FieldByName(name)
				tag, _, _ := strings.Cut(f.Tag.Get("config"), ",")
				return tag == part
			})
			if !ok {
				return nil
			}
			t = field.Type
		default:
			return nil
		}
	}
	return t
}
