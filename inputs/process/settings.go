package process

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// settings are one processor's, as normalize leaves them; reading one takes it
// out, so that what remains is unknown.
type settings struct {
	values map[string]any
	known  []string // that were read
	faults []error
}

func (s *settings) fault(name string, err error) {
	s.faults = append(s.faults, fmt.Errorf("%s: %w", name, err))
}

func (s *settings) take(name string) (value any, set bool) {
	value = s.values[name]
	s.known = append(s.known, name)
	delete(s.values, name)
	return value, value != nil
}

func setting[T any](s *settings, name string, fallback T, want string) T {
	value, set := s.take(name)
	if !set {
		return fallback
	}
	typed, ok := value.(T)
	if !ok {
		s.fault(name, fmt.Errorf("want %s", want))
	}
	return typed
}

func (s *settings) texts(name string) []string {
	value, _ := s.take(name)
	list, err := textList(value)
	if err != nil {
		s.fault(name, err)
	}
	return list
}

func (s *settings) unknown() {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		s.fault(name, fmt.Errorf("unknown setting, there are %s", strings.Join(s.known, ", ")))
	}
}

// only is the one member of an object such as an entry of processors.
func only(tree any, what string) (name string, value any, err error) {
	members, _ := tree.(map[string]any)
	if len(members) != 1 {
		names := slices.Sorted(maps.Keys(members))
		return "", nil, fmt.Errorf("want an object that names one %s, got %d names %q", what, len(names), names)
	}
	for name, value = range members {
	}
	return name, value, nil
}

// textList is a list of strings, or a single string, which policies may write
// in place of a list of one.
func textList(value any) ([]string, error) {
	if one, ok := value.(string); ok {
		value = []any{one}
	}
	list, _ := value.([]any)
	texts := make([]string, 0, len(list))
	for _, element := range list {
		if s, ok := element.(string); ok && s != "" {
			texts = append(texts, s)
		}
	}
	if len(texts) == 0 || len(texts) != len(list) {
		return nil, errors.New("want a list of strings, at least one and none empty")
	}
	return texts, nil
}

// within says of every fault where it was found.
func within(place string, faults []error) []error {
	named := make([]error, len(faults))
	for i, err := range faults {
		named[i] = fmt.Errorf("%s: %w", place, err)
	}
	return named
}
