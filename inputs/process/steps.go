package process

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

func newAddFields(s *settings) Processor {
	target := setting(s, "target", "fields", "a string")
	fields := setting[map[string]any](s, "fields", nil, "an object")
	if fields == nil {
		s.fault("fields", errors.New("required: an object of the fields to add"))
		return nil
	}
	p, faults := setFields(target, fields)
	s.faults = append(s.faults, within("fields", faults)...)
	return p
}

// setFields sets every leaf of fields and leaves what is beside them.
// Objects inside lists belong to a document of their own, which lives as long
// as the processor; nothing reaches into a list to change them.
func setFields(target string, fields map[string]any) (Processor, []error) {
	type field struct {
		path  string
		value ecs.Value
	}
	var set []field
	var faults []error
	owner := new(ecs.Document)
	leaves(target, fields, func(path string, leaf any) {
		if err := mayChange(path); err != nil {
			faults = append(faults, err)
			return
		}
		raw, err := json.Marshal(leaf, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
			return
		}
		if v := owner.JSON(raw); v.Present() {
			set = append(set, field{path, v})
		}
	})
	return func(d *ecs.Document) bool {
		for _, f := range set {
			d.Set(f.path, f.value)
		}
		return true
	}, faults
}

// newAddTags adds each tag that is not there yet. A target that is an object,
// or is below a value that is not an object, is left as it is.
func newAddTags(s *settings) Processor {
	target := setting(s, "target", "tags", "a string")
	if target == "" {
		target = "tags"
	}
	if err := mayChange(target); err != nil {
		s.fault("target", err)
	}
	tags := s.texts("tags")
	return func(d *ecs.Document) bool {
		old := d.Get(target)
		if old.Object() != nil || obstructed(d, target) {
			return true
		}
		list := slices.Clone(old.Values())
		for _, tag := range tags {
			if !slices.ContainsFunc(list, func(v ecs.Value) bool { return v.String() == tag }) {
				list = append(list, ecs.Text(tag))
			}
		}
		d.Set(target, ecs.List(list...))
		return true
	}
}

func newDropEvent(*settings) Processor {
	return func(*ecs.Document) bool { return false }
}

// newDropFields removes fields. A missing one changes nothing either way: in
// Beats ignore_missing only keeps it out of the debug log.
func newDropFields(s *settings) Processor {
	setting(s, "ignore_missing", false, "true or false")
	fields := s.texts("fields")
	for _, f := range fields {
		if len(f) > 1 && f[0] == '/' && f[len(f)-1] == '/' {
			s.fault("fields", fmt.Errorf("%s: regular expressions are not supported", f))
		} else if err := mayChange(f); err != nil {
			s.fault("fields", err)
		}
	}
	return func(d *ecs.Document) bool {
		for _, f := range fields {
			d.Delete(f)
		}
		return true
	}
}

// obstructed reports whether a value that is no object is where the path
// needs one: setting the path would replace it.
func obstructed(d *ecs.Document, path string) bool {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if v := d.Get(path[:i]); v.Present() && v.Object() == nil {
			return true
		}
	}
	return false
}

func noteError(d *ecs.Document, text string) {
	messages := slices.Clone(d.Get("error.message").Values())
	d.Set("error.message", ecs.List(append(messages, ecs.Text(text))...))
}

// mayChange checks the name of a field that a policy wants set or gone. The
// data stream must stay what the document is routed by, @timestamp is no member
// of the document, and @metadata is a notion of Beats.
func mayChange(path string) error {
	root, _, _ := strings.Cut(path, ".")
	switch root {
	case "@timestamp", "@metadata", "data_stream":
		return fmt.Errorf("%s must not be changed", path)
	}
	return isField(path)
}

func isField(path string) error {
	if slices.Contains(strings.Split(path, "."), "") {
		return fmt.Errorf("%q is not the name of a field", path)
	}
	return nil
}
