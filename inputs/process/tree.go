package process

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// normalize leaves only nil, strings, booleans, numbers as jsontext.Value, []any
// and map[string]any whose names have no dots.
func normalize(v any) (any, []error) {
	switch v := v.(type) {
	case nil, string, bool:
		return v, nil
	case map[string]any:
		return nest(v)
	case []any:
		list := make([]any, len(v))
		var faults []error
		for i := range v {
			element, wrong := normalize(v[i])
			list[i] = element
			faults = append(faults, within(fmt.Sprintf("[%d]", i), wrong)...)
		}
		return list, faults
	}
	raw, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, []error{err}
	}
	if jsontext.Value(raw).Kind() == '0' {
		return jsontext.Value(raw), nil
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, []error{err}
	}
	return normalize(plain)
}

// nest turns names with dots into nested objects.
func nest(source map[string]any) (map[string]any, []error) {
	tree := make(map[string]any, len(source))
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(source)) {
		v, wrong := normalize(source[name])
		faults = append(faults, within(name, wrong)...)
		path := strings.Split(strings.ToValidUTF8(name, "\uFFFD"), ".")
		for _, inner := range slices.Backward(path[1:]) {
			v = map[string]any{inner: v}
		}
		faults = append(faults, join(tree, path[0], v)...)
	}
	return tree, faults
}

func join(tree map[string]any, name string, v any) []error {
	old, taken := tree[name]
	if !taken {
		tree[name] = v
		return nil
	}
	into, isObject := old.(map[string]any)
	from, joins := v.(map[string]any)
	if !isObject || !joins {
		return []error{fmt.Errorf("%s: set twice", name)}
	}
	var faults []error
	for _, member := range slices.Sorted(maps.Keys(from)) {
		faults = append(faults, within(name, join(into, member, from[member]))...)
	}
	return faults
}

// leaves visits everything but objects with its dotted path, by name.
func leaves(path string, v any, visit func(path string, leaf any)) {
	members, ok := v.(map[string]any)
	if !ok {
		visit(path, v)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		inner := name
		if path != "" {
			inner = path + "." + name
		}
		leaves(inner, members[name], visit)
	}
}
