package main

import (
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// TestInputsOfOneID: both are named, also where neither has an id.
func TestInputsOfOneID(t *testing.T) {
	for _, ids := range [][2]any{{"a", "a"}, {nil, nil}} {
		p := policy{Outputs: map[string]map[string]any{"default": {"type": "elasticsearch"}}}
		for _, id := range ids {
			p.Inputs = append(p.Inputs, map[string]any{"type": defender.Type, "id": id})
		}
		_, err := p.units()
		if err == nil || !strings.Contains(err.Error(), "inputs[0] and inputs[1]") {
			t.Errorf("ids %v: %v", ids, err)
		}
	}
}
