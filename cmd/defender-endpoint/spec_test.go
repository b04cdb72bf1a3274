package main_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-libs/config"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

// TestSpecFitsTheCode: what the agent reads names what the code serves, and
// nothing an agent from 8.13 on refuses.
func TestSpecFitsTheCode(t *testing.T) {
	c, err := config.NewConfigWithYAML(spec.Component, "spec")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Version int `config:"version"`
		Inputs  []struct {
			Name        string         `config:"name"`
			Description string         `config:"description"`
			Platforms   []string       `config:"platforms"`
			Outputs     []string       `config:"outputs"`
			Shippers    []string       `config:"shippers"`
			Command     map[string]any `config:"command"`
		} `config:"inputs"`
	}
	if err := c.Unpack(&s); err != nil {
		t.Fatal(err)
	}
	if s.Version != 2 || len(s.Inputs) != 1 {
		t.Fatalf("version %d, %d inputs", s.Version, len(s.Inputs))
	}
	in := s.Inputs[0]
	if in.Name != defender.Type || in.Description == "" || in.Command == nil {
		t.Errorf("input %+v", in)
	}
	if !slices.Equal(in.Outputs, []string{"elasticsearch", "logstash"}) || !slices.Equal(in.Shippers, []string{"shipper"}) {
		t.Errorf("outputs %v, shippers %v", in.Outputs, in.Shippers)
	}
	for _, p := range in.Platforms {
		system, machine, _ := strings.Cut(p, "/")
		if !slices.Contains([]string{"linux", "darwin", "windows", "container"}, system) ||
			!slices.Contains([]string{"amd64", "arm64"}, machine) || p == "windows/arm64" {
			t.Errorf("platform %q stops an agent before 9.2", p)
		}
	}
}
