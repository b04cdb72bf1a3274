package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// decoded is a file of diagnostics.
func decoded(t *testing.T, files []agenttest.Diagnostic, name string) map[string]any {
	t.Helper()
	for _, f := range files {
		if f.Filename != name {
			continue
		}
		var content map[string]any
		if err := json.Unmarshal(f.Content, &content); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.ContentType != "application/json" {
			t.Errorf("%s is %s: agents would not redact it", name, f.ContentType)
		}
		return content
	}
	t.Fatalf("no file %s in %v", name, files)
	return nil
}

// at follows names into nested objects.
func at(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func TestDiagnosticsTellWhatIsGoingOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 41, Alerts: 20, EvidencePerAlert: 1})
	now := time.Now().UTC().Format(time.RFC3339)
	r.tenant.Add(defendertest.Alerts, `{"id":"new-member","alertCreationTime":"`+now+`","lastUpdateTime":"`+now+`","brandNewMember":1}`)
	r.es.Fault(elasticsearchtest.Fault{Times: 1, Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
		return elasticsearchtest.ItemFault{Status: 400, Type: "document_parsing_exception"}
	}})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.eventually("the tenant is read", func() bool {
		return at(r.agent.States()[inputKey].Payload, "streams", "log-1", "last_success") != nil
	})
	payload, _ := at(r.agent.States()[inputKey].Payload, "streams", "log-1").(map[string]any)
	for _, name := range []string{"records", "documents", "duplicates", "stored", "existing", "minimal", "bare", "failure_store", "quarantined", "newest_record", "last_success", "quota_left"} {
		if payload[name] == nil {
			t.Errorf("the payload has no %s: %v", name, payload)
		}
	}
	files, err := r.agent.Diagnostics(r.ctx, inputKey)
	if err != nil {
		t.Fatal(err)
	}
	config := decoded(t, files, "configuration.json")
	if config["client_secret"] != "[redacted]" || config["tenant_id"] != defendertest.TenantID {
		t.Errorf("configuration: %v", config)
	}
	log := at(decoded(t, files, "streams.json"), "streams", "log-1")
	for _, path := range [][]string{
		{"state", "status"}, {"configuration", "batch_size"}, {"configuration", "overlap"}, {"checkpoint", "cursor"},
		{"state", "checkpoint_bytes"}, {"state", "checkpoint_saved"}, {"quota", "hour_left"}, {"unknown_fields", "brandNewMember"}, {"dataset"},
	} {
		if at(log, path...) == nil {
			t.Errorf("streams.json has no %s", strings.Join(path, "."))
		}
	}
	if list, _ := at(log, "requests").([]any); len(list) < 2 || at(list[0], "path") == nil {
		t.Errorf("requests: %v", list)
	}
	r.expectOutputDiagnostics()
	r.expectProcessDiagnostics()
	r.stop()
}

func (r *rig) expectOutputDiagnostics() {
	r.Helper()
	files, err := r.agent.Diagnostics(r.ctx, outputKey)
	if err != nil {
		r.Fatal(err)
	}
	if c := decoded(r.T, files, "configuration.json"); c["api_key"] != "[redacted]" {
		r.Errorf("output configuration: %v", c)
	}
	newest, _ := decoded(r.T, files, "refused.json")["newest"].([]any)
	if len(newest) == 0 || at(newest[0], "document_id") == "" || at(newest[0], "record_id") == "" || at(newest[0], "error_type") != "document_parsing_exception" {
		r.Errorf("refused: %v", newest)
	}
}

func (r *rig) expectProcessDiagnostics() {
	r.Helper()
	files, err := r.agent.ComponentDiagnostics(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	profiles := 0
	for _, f := range files {
		if strings.HasSuffix(f.Filename, ".pprof.gz") && len(f.Content) > 0 {
			profiles++
		}
	}
	if units, _ := decoded(r.T, files, "component.json")["units"].([]any); len(units) != 2 || profiles < 5 {
		r.Errorf("%d units, %d profiles", len(units), profiles)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 42, Alerts: 20, EvidencePerAlert: 1})
	r.set(r.input(map[string]any{"interval": "10m"}), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()

	result, err := r.agent.PerformAction(r.ctx, inputKey, "test_connection", nil)
	if err != nil {
		t.Fatal(err)
	}
	if log := at(result, "streams", "log-1"); at(log, "can_collect") != true || at(log, "permission") != "Alert.Read.All" || at(log, "newest_record") == nil || at(log, "http_status") != 200.0 {
		t.Errorf("test_connection: %v", result)
	}
	r.touch(2) // would be read in ten minutes
	if result, err = r.agent.PerformAction(r.ctx, inputKey, "collect_now", nil); err != nil {
		t.Fatal(err)
	}
	if r.es.Count(dataStream) != r.want() || at(result, "streams", "log-1", "documents") != float64(r.want()) {
		t.Errorf("collect_now: %d documents stored, want %d: %v", r.es.Count(dataStream), r.want(), result)
	}
	const fleet = "microsoft_defender_endpoint" // the one action that Fleet can call
	if _, err = r.agent.PerformAction(r.ctx, inputKey, fleet, map[string]any{"action": "test_connection"}); err != nil {
		t.Error(err)
	}
	if _, err = r.agent.PerformAction(r.ctx, inputKey, fleet, map[string]any{"action": "dance"}); err == nil || !strings.Contains(err.Error(), "want test_connection, collect_now or collect_from") {
		t.Errorf("an unknown action: %v", err)
	}
	r.tenant.Fail(defendertest.Rule{Path: alertsPath, Status: 403, Body: defendertest.APIError("Forbidden", "Missing application roles. API required roles: Alert.Read.All, application roles: .")})
	for _, name := range []string{"test_connection", "collect_now"} {
		// A poll under way counts for collect_now, and may have asked before.
		r.eventually(name+" tells that the permission is missing", func() bool {
			_, err := r.agent.PerformAction(r.ctx, inputKey, name, nil)
			return err != nil && strings.Contains(err.Error(), "stream log-1: ") && strings.Contains(err.Error(), "grant Alert.Read.All")
		})
	}
	r.stop()
}
