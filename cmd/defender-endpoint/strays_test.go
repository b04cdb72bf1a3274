package main_test

import (
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestUnknownSettingsUnderTheAgent are warned of in the log, input, stream and output
// alike, and stop nothing.
func TestUnknownSettingsUnderTheAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 8, Alerts: 3})
	out := elasticsearchUnit(r.esURL)
	out.Config["worke"] = 2.0
	r.set(r.input(map[string]any{
		"intervall": "1m", "_runtime_experimental": "process", "meta": map[string]any{"package": map[string]any{"name": "x"}},
		"streams": []any{map[string]any{
			"id": "log-1", "tag": []any{"x"}, "request_url": r.api, "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.log"},
		}},
	}), out)
	r.start()
	r.waitHealthy()
	var warned []string
	for _, line := range r.agent.Log() {
		if strings.Contains(line, "unknown setting in the policy") && strings.Contains(line, `"log.level":"warn"`) {
			warned = append(warned, line)
		}
	}
	all := strings.Join(warned, "\n")
	for _, want := range []string{"intervall: no such setting, did you mean interval?", "streams[0].tag: no such setting, did you mean tags?", "worke: no such setting, did you mean worker?"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
	if len(warned) != 3 {
		t.Errorf("%d warnings:\n%s", len(warned), all)
	}
	if !r.agent.States().All(client.UnitStateHealthy) {
		t.Errorf("not healthy: %v", r.agent.States())
	}
}
