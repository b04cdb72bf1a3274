package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/elastic/elastic-agent-libs/config"
	"go.yaml.in/yaml/v3"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// policy is what is read of a standalone elastic-agent.yml (README, "With your own
// tenant").
type policy struct {
	Outputs map[string]map[string]any `config:"outputs"`
	Inputs  []map[string]any          `config:"inputs"`
}

// readPolicy reads a policy's units: the inputs of our type and their output.
func readPolicy(path string) ([]component.Unit, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	var source map[string]any
	if err := yaml.Unmarshal(b, &source); err != nil {
		return nil, fmt.Errorf("read policy %s: %w", path, err)
	}
	if source, err = withVariables(source); err != nil {
		return nil, fmt.Errorf("policy %s: %w", path, err)
	}
	c, err := config.NewConfigFrom(literal(source))
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", path, err)
	}
	var p policy
	if err := c.Unpack(&p); err != nil {
		return nil, fmt.Errorf("read policy %s: %w", path, err)
	}
	units, err := p.units()
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", path, err)
	}
	return units, nil
}

// units are what the agent would make of the policy.
func (p *policy) units() ([]component.Unit, error) {
	var units []component.Unit
	output, seen := "", map[string]int{}
	for i, in := range p.Inputs {
		if in["type"] != defender.Type || in["enabled"] == false {
			continue
		}
		id := text(in["id"], defender.Type)
		if other, taken := seen[id]; taken {
			return nil, fmt.Errorf("inputs[%d] and inputs[%d]: id: each needs one of its own, both are %q", other, i, id)
		}
		seen[id] = i
		use := text(in["use_output"], "default")
		if output != "" && output != use {
			return nil, fmt.Errorf("inputs[%d].use_output: all inputs of type %s must use one output here", i, defender.Type)
		}
		output = use
		namespace := ""
		if stream, ok := in["data_stream"].(map[string]any); ok {
			namespace = text(stream["namespace"], "")
		}
		units = append(units, component.Unit{
			ID: defender.Type + "-" + use + "-" + id, Type: defender.Type, InputID: id,
			Namespace: namespace, Source: in, Level: slog.LevelInfo,
		})
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("inputs: none of type %s is enabled", defender.Type)
	}
	source, ok := p.Outputs[output]
	if !ok {
		return nil, fmt.Errorf("outputs: there is no output named %q", output)
	}
	kind := text(source["type"], "")
	if kind == "" {
		return nil, fmt.Errorf("outputs.%s.type: required: %s", output, strings.Join(component.OutputTypes(), " or "))
	}
	return append(units, component.Unit{
		ID: defender.Type + "-" + output, Output: true, Type: kind, Source: source, Level: slog.LevelInfo,
	}), nil
}

func text(v any, otherwise string) string {
	if s, ok := v.(string); ok && s != "" {
		return s
	}
	return otherwise
}
