package standalone

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// picker picks the units of a policy.
type picker struct {
	input     inputs.Input
	variables variables
	warnings  []string
	secrets   []string // settings that hold one in plain text
	faults    []error  // of what is no variable
}

// pick makes what the agent would make of a policy.
func (p *picker) pick(tree map[string]any) ([]component.Unit, error) {
	list, ok := tree["inputs"].([]any)
	if !ok && tree["inputs"] != nil {
		return nil, errors.New("inputs: want a list, each entry beginning with a dash")
	}
	units, use := p.inputs(eachItem(list, itemsOf(tree)))
	if len(units) == 0 {
		return nil, p.none(list)
	}
	p.variables.item = nil
	out, err := p.output(tree, use)
	return append(units, out), errors.Join(append(append(p.faults, p.variables.faults...), err)...)
}

func (p *picker) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf(format, args...))
}

// inputs picks the inputs of the type and returns which output they use.
func (p *picker) inputs(list []listed) (units []component.Unit, use string) {
	kind := p.input.Type()
	seen := map[string]int{}
	for i, entry := range list {
		in, ok := entry.source.(map[string]any)
		if !ok || in["type"] != kind || in["enabled"] == false {
			continue
		}
		path := fmt.Sprintf("inputs[%d]", entry.at)
		p.variables.item = entry.item
		p.look(path, in)
		p.noteSecrets(path, component.Unit{Source: in})
		in, _ = p.variables.in(path, in).(map[string]any)
		id := p.name(path+".id", in["id"], kind) + entry.suffix
		if other, taken := seen[id]; taken {
			p.fault("inputs[%d] and inputs[%d]: id: each needs one of its own, both are %q", other, i, id)
		}
		seen[id] = i
		its := p.name(path+".use_output", in["use_output"], "default")
		if use != "" && use != its {
			p.fault("inputs[%d].use_output: all inputs of type %s must use one output here; write a policy file for each output", i, kind)
		}
		use = its
		stream, ok := in["data_stream"].(map[string]any)
		if !ok && in["data_stream"] != nil {
			p.fault("%s.data_stream: want names with values, such as namespace, below it", path)
		}
		namespace := p.name(path+".data_stream.namespace", stream["namespace"], "")
		units = append(units, component.Unit{
			ID: kind + "-" + use + "-" + id, Type: kind, InputID: id, Namespace: namespace, Source: in, Level: slog.LevelInfo,
		})
	}
	return units, use
}

// name is a text, or a number, that something is named by.
func (p *picker) name(path string, v any, otherwise string) string {
	switch v := v.(type) {
	case nil:
		return otherwise
	case string:
		return cmp.Or(v, otherwise)
	case map[string]any, []any:
		p.fault("%s: want a text", path)
		return otherwise
	default:
		return fmt.Sprint(v)
	}
}

// look notes conditions of an input and its streams.
func (p *picker) look(path string, in map[string]any) {
	streams, _ := in["streams"].([]any)
	for i, s := range append([]any{in}, streams...) {
		at := path
		if i > 0 {
			at = fmt.Sprintf("%s.streams[%d]", path, i-1)
		}
		if part, _ := s.(map[string]any); part["condition"] != nil {
			p.warnings = append(p.warnings, at+".condition: only the agent knows conditions; here it counts as true")
		}
	}
}

// noteSecrets notes those settings that hold a secret and no variable.
func (p *picker) noteSecrets(path string, u component.Unit) {
	component.Secrets(p.input, u, func(name, text string) {
		if !reference.MatchString(text) {
			p.secrets = append(p.secrets, path+"."+name)
		}
	})
}

// none says why no input was picked.
func (p *picker) none(list []any) error {
	kind := p.input.Type()
	var types []string
	for i, entry := range list {
		in, _ := entry.(map[string]any)
		name := text(in["type"], "one without a type")
		switch {
		case name == kind:
			return fmt.Errorf("inputs[%d]: enabled is false, and there is no other input of type %s; set it to true", i, kind)
		case isOf(in, kind):
			return fmt.Errorf("inputs[%d]: %s of Elastic's package %s, which the agent's own input collects; take its tenant_id, client_id and client_secret into an input of type %s",
				i, name, kind, kind)
		case !slices.Contains(types, name):
			types = append(types, name)
		}
	}
	if len(types) == 0 {
		return fmt.Errorf("inputs: there are none at the top of the file; add one of type %s", kind)
	}
	return fmt.Errorf("inputs: none is of type %s, only %s; add one, or correct the type", kind, strings.Join(types, ", "))
}

// isOf reports whether an input belongs to a package of Elastic's, by its metadata or by
// the dataset of a stream. Those that ask an API are of two types.
func isOf(in map[string]any, name string) bool {
	if kind := in["type"]; kind != "cel" && kind != "httpjson" {
		return false
	}
	if text(at(in, "meta", "package", "name"), "") == name {
		return true
	}
	streams, _ := in["streams"].([]any)
	return slices.ContainsFunc(streams, func(s any) bool {
		stream, _ := s.(map[string]any)
		return strings.HasPrefix(text(at(stream, "data_stream", "dataset"), ""), name+".")
	})
}

// at follows names into nested settings.
func at(in map[string]any, names ...string) any {
	var v any = in
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// output is the unit of the output that is used.
func (p *picker) output(tree map[string]any, use string) (component.Unit, error) {
	outputs, _ := tree["outputs"].(map[string]any)
	source, ok := outputs[use].(map[string]any)
	if !ok && outputs[use] != nil {
		return component.Unit{}, fmt.Errorf("outputs.%s: want settings, such as type and hosts, below the name", use)
	}
	if _, named := tree["outputs"].(map[string]any); !named && tree["outputs"] != nil {
		return component.Unit{}, fmt.Errorf("outputs: want names, such as %s, with the settings of an output below each", use)
	}
	if tree["outputs"] == nil {
		return component.Unit{}, fmt.Errorf("outputs: there are none at the top of the file; add one named %s", use)
	}
	if !ok {
		return component.Unit{}, fmt.Errorf("outputs: there is no output named %q; add it, or name another one in use_output", use)
	}
	path := "outputs." + use
	kind := text(source["type"], "")
	p.noteSecrets(path, component.Unit{Output: true, Type: kind, Source: source})
	source, _ = p.variables.in(path, source).(map[string]any)
	if source["enabled"] == false {
		return component.Unit{}, fmt.Errorf("%s: enabled is false; set it to true, or name another output in use_output", path)
	}
	if kind = text(source["type"], ""); kind == "" {
		return component.Unit{}, fmt.Errorf("%s.type: required: %s", path, strings.Join(component.OutputTypes(), " or "))
	}
	return component.Unit{ID: p.input.Type() + "-" + use, Output: true, Type: kind, Source: source, Level: slog.LevelInfo}, nil
}

func text(v any, otherwise string) string {
	s, _ := v.(string)
	return cmp.Or(s, otherwise)
}
