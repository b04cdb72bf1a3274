package main_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// testEngineForms: index templates that somebody broke, so that the engine
// refuses every full document, or its minimal form as well. A form of each is
// stored, and it has no fault beyond the break.
func testEngineForms(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	const update = "microsoft.defender_endpoint.lastUpdateTime" // no form has it
	tests := map[string]map[string]string{
		"minimal": {update: "ip"},
		"bare":    {update: "ip", "event.original": "date"},
	}
	for form, broken := range tests {
		t.Run(form, func(t *testing.T) {
			c := newCollected(t, e, breakFields(p, broken), form, defendertest.Options{Seed: 9, Alerts: 60, EvidencePerAlert: 2})
			c.begin()
			c.waitCount()
			c.wait("the output tells", func(s agenttest.States) bool { return s[outputKey].State == client.UnitStateDegraded })
			t.Logf("the output tells: %s", c.agent.States()[outputKey].Message)
			c.stop()
			c.prove()
			failed := c.matching("event.kind", "pipeline_error")
			hashed := c.matching("error.message", "SHA-256")
			if want := map[string]int{"minimal": 0, "bare": c.want()}[form]; failed != c.want() || hashed != want {
				t.Errorf("%d documents: %d are pipeline errors, %d in the bare form, want %d", c.want(), failed, hashed, want)
			}
		})
	}
}

// breakFields is a package with other types for some of the alerts' fields.
func breakFields(p *engine.Package, types map[string]string) *engine.Package {
	broken := *p
	broken.Streams = nil
	for _, s := range p.Streams {
		if strings.HasSuffix(s.Dataset, ".log") {
			s.Fields = maps.Clone(s.Fields)
			for name, kind := range types {
				s.Fields[name] = engine.Field{Name: name, Type: kind}
			}
		}
		broken.Streams = append(broken.Streams, s)
	}
	return &broken
}

// matching counts the documents whose field matches a text.
func (c *collected) matching(field, text string) int {
	c.Helper()
	var answer struct{ Count int }
	c.engine.Call(c.T, http.MethodPost, "/"+c.target+"/_count", map[string]any{
		"query": map[string]any{"match_phrase": map[string]any{field: text}},
	}, &answer)
	return answer.Count
}
