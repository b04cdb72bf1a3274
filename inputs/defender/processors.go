package defender

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// processor is one step that a policy adds between mapping and publishing. It
// changes the document or says that it is not to be published. What it can do
// is decided when it is made: it never fails on a document, and it may be used
// for several documents at once.
type processor func(d *ecs.Document) (keep bool)

const supportedProcessors = "add_fields, add_tags, drop_event, drop_fields, rename"

// process runs a document through a list and stops where one drops it.
func process(list []processor, d *ecs.Document) (keep bool) {
	for _, p := range list {
		if !p(d) {
			return false
		}
	}
	return true
}

// newProcessors makes what a policy's processors setting holds: a list of
// objects of one member, named after the processor, with its settings. A name
// with dots is the same as nested objects, as everywhere in a policy. The error
// joins every fault, each naming the processor by its place and its setting.
func newProcessors(list []any) ([]processor, error) {
	made := make([]processor, 0, len(list))
	var faults []error
	for i, entry := range list {
		p, wrong := newProcessor(entry)
		faults = append(faults, within(fmt.Sprintf("processors[%d]", i), wrong)...)
		made = append(made, p)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return made, nil
}

// addFields makes the processor of the settings fields and fields_under_root.
func addFields(fields map[string]any, underRoot bool) (processor, error) {
	tree, faults := nest(fields)
	target := "fields"
	if underRoot {
		target = ""
	}
	p, wrong := setFields(target, tree)
	faults = append(faults, wrong...)
	if len(faults) > 0 {
		return nil, errors.Join(within("fields", faults)...)
	}
	return p, nil
}

func newProcessor(entry any) (processor, []error) {
	tree, faults := normalize(entry)
	if len(faults) > 0 {
		return nil, faults
	}
	name, value, err := only(tree, "processor")
	if err != nil {
		return nil, []error{err}
	}
	build := builderOf(name)
	if build == nil {
		return nil, []error{fmt.Errorf("%q is not supported; supported are %s", name, supportedProcessors)}
	}
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, []error{fmt.Errorf("%s: want an object of settings", name)}
	}
	s := &settings{values: values}
	when, conditional := s.take("when")
	p := build(s)
	s.unknown()
	if conditional {
		c, wrong := newCondition(when)
		s.faults = append(s.faults, within("when", wrong)...)
		p = p.when(c)
	}
	return p, within(name, s.faults)
}

// when limits a processor to the documents that meet a condition.
func (p processor) when(c condition) processor {
	return func(d *ecs.Document) bool { return !c(d) || p(d) }
}

func builderOf(name string) func(*settings) processor {
	switch name {
	case "add_fields":
		return newAddFields
	case "add_tags":
		return newAddTags
	case "drop_event":
		return newDropEvent
	case "drop_fields":
		return newDropFields
	case "rename":
		return newRename
	default:
		return nil
	}
}

func newAddFields(s *settings) processor {
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

// setFields sets every leaf of fields and leaves what stands beside them.
// Objects inside lists belong to a document of their own, which lives as long
// as the processor; nothing reaches into a list to change them.
func setFields(target string, fields map[string]any) (processor, []error) {
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
// or lies below a value that is none, is left alone.
func newAddTags(s *settings) processor {
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

func newDropEvent(*settings) processor {
	return func(*ecs.Document) bool { return false }
}

// newDropFields removes fields. A missing one changes nothing either way: in
// Beats ignore_missing only keeps it out of the debug log.
func newDropFields(s *settings) processor {
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

type renaming struct{ from, to string }

// newRename moves fields in the order given. What cannot be moved is skipped
// where fail_on_error is false; else, as in Beats, none of the fields is
// renamed and error.message says why.
func newRename(s *settings) processor {
	ignoreMissing := setting(s, "ignore_missing", false, "true or false")
	failOnError := setting(s, "fail_on_error", true, "true or false")
	moves := s.renamings()
	return func(d *ecs.Document) bool {
		var done []renaming
		for _, m := range moves {
			err := m.apply(d, ignoreMissing)
			if err == nil {
				done = append(done, m)
				continue
			}
			if errors.Is(err, errSkip) || !failOnError {
				continue
			}
			for _, undo := range slices.Backward(done) {
				undo.revert(d)
			}
			noteError(d, "rename: "+err.Error())
			return true
		}
		return true
	}
}

var errSkip = errors.New("nothing to rename")

func (m renaming) validate() error {
	switch {
	case m.from == "" || m.to == "":
		return errors.New("from and to: both are required")
	case m.from == m.to:
		return errors.New("from and to are the same")
	default:
		return errors.Join(mayChange(m.from), mayChange(m.to))
	}
}

func (m renaming) apply(d *ecs.Document, ignoreMissing bool) error {
	v := d.Get(m.from)
	if !v.Present() {
		if ignoreMissing {
			return errSkip
		}
		return fmt.Errorf("%s is missing", m.from)
	}
	d.Delete(m.from)
	if d.Get(m.to).Present() || obstructed(d, m.to) {
		d.Set(m.from, v)
		return fmt.Errorf("%s: %s exists already", m.from, m.to)
	}
	d.Set(m.to, v)
	return nil
}

func (m renaming) revert(d *ecs.Document) {
	v := d.Get(m.to)
	d.Delete(m.to)
	d.Set(m.from, v)
}

// obstructed reports whether a value that is no object stands where the path
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

// settings are one processor's, as normalize leaves them; reading one takes it
// out, so that what remains is unknown.
type settings struct {
	values map[string]any
	faults []error
}

func (s *settings) fault(name string, err error) {
	s.faults = append(s.faults, fmt.Errorf("%s: %w", name, err))
}

func (s *settings) take(name string) (value any, set bool) {
	value = s.values[name]
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

func (s *settings) renamings() []renaming {
	list := setting[[]any](s, "fields", nil, "a list of objects with from and to")
	if len(list) == 0 {
		s.fault("fields", errors.New("required: a list of objects with from and to"))
	}
	var moves []renaming
	for i, entry := range list {
		values, _ := entry.(map[string]any)
		one := &settings{values: values}
		m := renaming{setting(one, "from", "", "a string"), setting(one, "to", "", "a string")}
		one.unknown()
		if err := m.validate(); err != nil {
			one.faults = append(one.faults, err)
		}
		s.faults = append(s.faults, within(fmt.Sprintf("fields[%d]", i), one.faults)...)
		moves = append(moves, m)
	}
	return moves
}

func (s *settings) unknown() {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		s.fault(name, errors.New("unknown setting"))
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
