package main_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestTenantsSideBySide: two units of different tenants do not touch each other.
func TestTenantsSideBySide(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 31, Alerts: 40})
	other := defendertest.New(defendertest.Options{Seed: 32, Alerts: 30, EvidencePerAlert: 1, TenantID: "11111111-2222-3333-4444-555555555555"})
	second := r.input(nil)
	second.ID += "-2"
	url := listen(t, other)
	maps.Copy(second.Config, map[string]any{
		"id": "defender-2", "tenant_id": "11111111-2222-3333-4444-555555555555", "url": url, "login_url": url,
		"data_stream": map[string]any{"namespace": "second"},
	})
	r.set(r.input(nil), second, elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	const secondStream = "logs-microsoft_defender_endpoint.log-second"
	r.eventually("the second tenant is stored", func() bool { return r.es.Count(secondStream) == 30 })

	other.RotateSecret("another")
	other.RevokeTokens()
	r.wait("the second unit fails", func(s agenttest.States) bool {
		return s[second.Key()].State == client.UnitStateFailed && s[inputKey].State == client.UnitStateHealthy
	})
	r.touch(3)
	r.waitStored()
	r.stop()
	r.expectStored()
}

// touch makes some alerts news.
func (r *rig) touch(n int) {
	r.Helper()
	ids := r.alertIDs()
	if err := r.tenant.Touch(defendertest.Alerts, ids[:min(n, len(ids))]...); err != nil {
		r.Fatal(err)
	}
}

// levels are the levels of the log lines of a unit.
func (r *rig) levels(unit string) map[string]int {
	levels := map[string]int{}
	for _, line := range r.agent.Log() {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["unit.id"] == unit {
			level, _ := entry["log.level"].(string)
			levels[level]++
		}
	}
	return levels
}

// TestLogLevelIsTheUnitsOwn: a level set on one unit holds at once, and for that
// one alone.
func TestLogLevelIsTheUnitsOwn(t *testing.T) {
	leaveOut(t, "TestLogLevelOfAUnit of component")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 33, Alerts: 10})
	second := r.input(nil)
	second.ID += "-2"
	second.Config["id"], second.Config["data_stream"] = "defender-2", map[string]any{"namespace": "second"}
	r.set(r.input(nil), second, elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	if l := r.levels(inputID); l["debug"] > 0 {
		t.Errorf("level info, and %d debug lines", l["debug"])
	}
	loud := r.input(nil)
	loud.LogLevel = "debug"
	r.set(loud, second, elasticsearchUnit(r.esURL))
	r.eventually("debug lines of the unit", func() bool { return r.levels(inputID)["debug"] > 2 })
	if l := r.levels(second.ID); l["debug"] > 0 {
		t.Errorf("the other unit has %d debug lines", l["debug"])
	}
	for _, s := range r.agent.History(inputKey) {
		if s.State == client.UnitStateStopping {
			t.Error("a log level restarted the unit")
		}
	}
	r.set(r.input(nil), second, elasticsearchUnit(r.esURL))
	r.eventually("the level is info again", func() bool {
		before := r.levels(inputID)["debug"]
		polls := len(r.tenant.Requests())
		r.eventually("some polls", func() bool { return len(r.tenant.Requests()) > polls+4 })
		return r.levels(inputID)["debug"] == before
	})
	r.stop()
}

// TestUnitPutBackBeforeItsRemovalEnded: the agent continues to expect STOPPED and
// wants the unit again only after it was forgotten.
func TestUnitPutBackBeforeItsRemovalEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 34, Alerts: 40})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	r.set(elasticsearchUnit(r.esURL))
	r.set(r.input(nil), elasticsearchUnit(r.esURL)) // at once
	r.eventually("the unit stops", func() bool {
		return slices.ContainsFunc(r.agent.History(inputKey), func(s agenttest.UnitState) bool { return s.State == client.UnitStateStopped })
	})
	r.set(r.input(map[string]any{"revision": 3.0}), elasticsearchUnit(r.esURL))
	r.touch(2)
	r.waitHealthy()
	r.waitStored()
	r.stop()
	r.expectStored()
}

// TestStreamsComeAndGo: only the stream that is added, switched off or back on
// is touched.
func TestStreamsComeAndGo(t *testing.T) {
	leaveOut(t, "TestOnlyChangedStreamsRestart of component")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 35, Alerts: 20, Machines: 15})
	machines := func(enabled bool) map[string]any {
		m := stream("machine-1", "machine")
		m["enabled"] = enabled
		return map[string]any{"interval": "3s", "streams": []any{stream("log-1", "log"), m}}
	}
	const stored = "logs-microsoft_defender_endpoint.machine-default"
	shown := func(id string) bool {
		streams, _ := r.agent.States()[inputKey].Payload["streams"].(map[string]any)
		return streams[id] != nil
	}
	r.set(r.input(machines(false)), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	if shown("machine-1") || r.es.Count(stored) > 0 {
		t.Error("a stream that is not enabled runs")
	}
	r.set(r.input(machines(true)), elasticsearchUnit(r.esURL))
	r.eventually("machines are stored", func() bool { return r.es.Count(stored) == 15 && shown("machine-1") })
	r.set(r.input(machines(false)), elasticsearchUnit(r.esURL))
	r.eventually("the stream is gone", func() bool { return !shown("machine-1") && shown("log-1") })
	r.set(r.input(machines(true)), elasticsearchUnit(r.esURL))
	r.eventually("the stream is back", func() bool { return shown("machine-1") })
	r.waitHealthy()
	r.touch(2)
	r.waitStored()
	r.stop()
	r.expectStored()
	if n := r.es.Count(stored); n != 15 {
		t.Errorf("%d machines stored, want 15: the place was lost", n)
	}
}

// TestFeaturesLimitsAndTracingAreAccepted: what the agent sets for the whole
// component neither restarts nor stops anything, and its keys show nowhere.
func TestFeaturesLimitsAndTracingAreAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 36, Alerts: 20})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	const key = "apm-key-0123456789"
	r.agent.SetShared(agenttest.Shared{FQDN: true, GoMaxProcs: 1, APMHost: "https://apm.example:8200", APMKey: key})
	r.eventually("features and limits are received", r.agent.Settled)
	procs := func() float64 {
		files, err := r.agent.ComponentDiagnostics(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		shown := decoded(t, files, "component.json")
		n, _ := shown["go_max_procs"].(float64)
		return n
	}
	r.eventually("go_max_procs is 1", func() bool { return procs() == 1 })
	r.touch(2)
	r.waitStored()
	r.waitHealthy()
	for _, s := range r.agent.History(inputKey) {
		if s.State == client.UnitStateStopping {
			t.Error("the unit was restarted")
		}
	}
	if strings.Contains(strings.Join(r.agent.Log(), "\n"), key) {
		t.Error("the key of the APM server is in the log")
	}
	r.stop()
}
