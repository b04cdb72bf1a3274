package process

import (
	"errors"
	"fmt"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Processor is one step that a policy adds between mapping and publishing. It
// changes the document or says that it is not to be published. What it can do
// is decided when it is made: it never fails on a document, and it may be used
// for several documents at once.
type Processor func(d *ecs.Document) (keep bool)

// List is processors in the order of the policy.
type List []Processor

const supportedProcessors = "add_fields, add_tags, drop_event, drop_fields, rename"

// Run runs a document through the list and stops where one drops it.
func (l List) Run(d *ecs.Document) (keep bool) {
	for _, p := range l {
		if !p(d) {
			return false
		}
	}
	return true
}

// New makes what a policy's processors setting holds: a list of
// objects of one member, named after the processor, with its settings. A name
// with dots is the same as nested objects, as everywhere in a policy. The error
// joins every fault, each naming the processor by its place and its setting.
func New(list []any) (List, error) {
	made := make(List, 0, len(list))
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

// AddFields makes the processor of the settings fields and fields_under_root.
func AddFields(fields map[string]any, underRoot bool) (Processor, error) {
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

func newProcessor(entry any) (Processor, []error) {
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
func (p Processor) when(c Condition) Processor {
	return func(d *ecs.Document) bool { return !c(fieldsOf{d}) || p(d) }
}

func builderOf(name string) func(*settings) Processor {
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
