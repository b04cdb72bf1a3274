package component

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func TestEveryReasonHasARowInEveryOutput(t *testing.T) {
	for _, k := range outputs {
		used := map[string]bool{}
		for _, said := range []output.Error{
			{}, {Target: "logs-a-default"},
			{Type: "LEADER_NOT_AVAILABLE"}, {Type: "NOT_ENOUGH_REPLICAS"}, // codes with rows of their own in Kafka
		} {
			for _, reason := range output.Reasons() {
				e := &output.Error{Op: "bulk", Reason: reason, Status: 503, Target: said.Target, Type: said.Type}
				d := k.Diagnose(e)
				if d.Condition == nil {
					t.Errorf("%s, %s: no row", k.Type, reason)
					continue
				}
				used[d.Condition.Name] = true
				if text := health.ExplainOutput(&k, e); text == "" || strings.ContainsAny(text, "{}") {
					t.Errorf("%s, %s: %q", k.Type, reason, text)
				}
			}
		}
		for _, c := range k.Conditions {
			if !used[c.Name] && c != k.KeptAside && c != k.Refused {
				t.Errorf("%s: row %q is never chosen", k.Type, c.Name)
			}
		}
	}
}

// TestRefusalsShowOnEveryOutput: the loop refuses a document that is too large in front
// of any of them.
func TestRefusalsShowOnEveryOutput(t *testing.T) {
	for _, k := range outputs {
		for _, keptAside := range []bool{false, true} {
			row := k.Refused
			if keptAside && k.KeptAside != nil {
				row = k.KeptAside
			}
			h := health.NewOutput(&k, slog.New(slog.DiscardHandler), silent)
			h.Refused(output.Refusal{Refusal: inputs.Refusal{Status: 413, Type: "request_too_large", KeptAside: keptAside}})
			h.Report(nil)
			if row == nil || !slices.Contains(k.Conditions, row) {
				t.Errorf("%s: the row of refusals is not in the table", k.Type)
				continue
			}
			if state, text := h.Now(); state != health.Degraded || text != row.Message {
				t.Errorf("%s, kept aside %v: %s %q", k.Type, keptAside, state, text)
			}
		}
	}
}

func TestUnknownOutputNamesTheKnownOnes(t *testing.T) {
	found := TryOutput(t.Context(), Unit{Type: "kafkaesque"}, nil, time.Minute)
	if found.Problem != `type: output "kafkaesque" is not supported, want elasticsearch or shipper or logstash or kafka` {
		t.Errorf("got %q", found.Problem)
	}
}

// TestFaultsOfSettingsAreTheProblem, and not a cluster that fails.
func TestFaultsOfSettingsAreTheProblem(t *testing.T) {
	for _, k := range outputs {
		found := TryOutput(t.Context(), Unit{Type: k.Type, ID: "o", Source: map[string]any{"timeout": "soon", "backoff.init": "0s"}}, nil, time.Minute)
		if !strings.Contains(found.Problem, "timeout: ") || !strings.Contains(found.Problem, "backoff.init: ") || strings.Contains(found.Problem, "fails") {
			t.Errorf("%s: %q", k.Type, found.Problem)
		}
	}
}

// TestDiagnosticsTellWhetherAnOutputKnowsIDs: what is sent twice may otherwise be
// stored twice.
func TestDiagnosticsTellWhetherAnOutputKnowsIDs(t *testing.T) {
	sources := map[string]map[string]any{
		"elasticsearch": {"hosts": []any{"http://127.0.0.1:9"}}, "shipper": {"server": "127.0.0.1:9"}, "logstash": {"hosts": "127.0.0.1:9"},
		"kafka": {"hosts": "127.0.0.1:9", "topic": "t"},
	}
	for _, k := range outputs {
		c := New(Options{Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)})
		u := Unit{
			ID: "out", Output: true, Type: k.Type, Source: sources[k.Type],
			Report: func(client.UnitState, string, map[string]any) {},
		}
		c.Apply(t.Context(), []Unit{u})
		shown, _ := c.shownRefusals(u.key()).(map[string]any)
		if shown["knows_ids"] != k.KnowsIDs {
			t.Errorf("%s: %v, want knows_ids %v", k.Type, shown, k.KnowsIDs)
		}
		c.Stop()
	}
}
