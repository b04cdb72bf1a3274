package defender

import (
	"os"
	"strings"
	"testing"
)

// TestDifferences has one row per row of README's table "Differences from
// Elastic's package", of the same name.
func TestDifferences(t *testing.T) {
	rows := []struct {
		name     string
		resource *resource
		record   string
		want     map[string]any
	}{
		{"alert time", alertResource, `{"id":"a","alertCreationTime":"2026-03-02T08:15:07Z"}`,
			map[string]any{"@timestamp": "2026-03-02T08:15:07.000Z", "event.created": "2026-03-02T08:15:07Z"}},
		{"technique ids", alertResource, `{"id":"a","category":"Execution","mitreTechniques":["T1059"]}`,
			map[string]any{"threat.technique.id": []any{"T1059"}, "threat.tactic.name": []any{"Execution"}, "threat.technique.name": []any{"Execution"}}},
		{"registry", alertResource, `{"id":"a","evidence":[{"registryHive":"HKEY_CURRENT_USER","registryKey":"Software\\X","registryValueName":"Run","registryValue":"x.exe"}]}`,
			map[string]any{"registry.path": `HKCU\Software\X\Run`, "registry.data.strings": []any{"x.exe"}}},
		{"process name", alertResource, `{"id":"a","evidence":[{"processCommandLine":"\"C:\\Program Files\\V\\a.exe\" -x"}]}`,
			map[string]any{"process.name": "a.exe", "process.executable": `C:\Program Files\V\a.exe`}},
		{"parent process", alertResource, `{"id":"a","evidence":[{"parentProcessFileName":"p.exe","parentProcessFilePath":"C:\\P"}]}`,
			map[string]any{"process.parent.name": "p.exe", "process.parent.executable": `C:\P\p.exe`}},
		{"file directory", alertResource, `{"id":"a","evidence":[{"fileName":"x.dll","filePath":"c:\\temp"}]}`,
			map[string]any{"file.directory": `c:\temp`, "file.path": `c:\temp`}},
		{"invalid address", alertResource, `{"id":"a","evidence":[{"ipAddress":"nowhere"}]}`,
			map[string]any{"related.ip": nil, "event.kind": "pipeline_error", "microsoft.defender_endpoint.evidence.ipAddress": nil}},
		{"comments", alertResource, `{"id":"a","comments":[{"comment":"seen"}]}`,
			map[string]any{"microsoft.defender_endpoint.comments": []any{map[string]any{"comment": "seen"}}}},
		{"long description", alertResource, `{"id":"a","description":"` + strings.Repeat("x", 2000) + `"}`,
			map[string]any{"rule.description": strings.Repeat("x", 2000)}},
		{"long texts", alertResource, `{"id":"a","assignedTo":"` + strings.Repeat("x", 10_000) + `"}`,
			map[string]any{"microsoft.defender_endpoint.assignedTo": strings.Repeat("x", 8191), "event.kind": "alert",
				"event.original": `{"id":"a","assignedTo":"` + strings.Repeat("x", 10_000) + `"}`}},
		{"long lists", alertResource, `{"id":"a","mitreTechniques":["T1059"` + strings.Repeat(`,"T1059"`, 4999) + `]}`,
			map[string]any{"error.message": []any{"mitreTechniques: 904 of 5000 elements are in the original alone"}, "event.kind": "pipeline_error"}},
		{"much evidence", alertResource, `{"id":"a","evidence":[{"sha1":"x"},{"sha1":"y"}]}`,
			map[string]any{"file.hash.sha1": "x", "error": nil}}, // see TestMuchEvidence
		{"lone values", alertResource, `{"id":"a","comments":"seen","loggedOnUsers":["bob"],"relatedUser":"eve","mitreTechniques":[{"id":"T1059"}]}`,
			map[string]any{"microsoft.defender_endpoint.comments": map[string]any{"comment": "seen"}, "user.name": "eve",
				"microsoft.defender_endpoint.loggedOnUsers": []any{map[string]any{"accountName": "bob"}}, "threat.technique.id": []any{"T1059"}}},
		{"domains", alertResource, `{"id":"a","computerDnsName":"ws-1","domains":[{"host":"Bad.example"},"worse.example"]}`,
			map[string]any{"microsoft.defender_endpoint.domains": []any{"Bad.example", "worse.example"}, "related.hosts": []any{"ws-1", "bad.example", "worse.example"}, "error": nil}},
		{"URL that does not parse", alertResource, `{"id":"a","evidence":[{"url":"http://[bad"}]}`,
			map[string]any{"url.full": "http://[bad", "event.kind": "alert"}},
		{"unknown members", machineResource, `{"id":"m","newThing":{"a":1}}`,
			map[string]any{"microsoft_defender_endpoint.machine.unknown": map[string]any{"newThing": `{"a":1}`}}},
		{"unknown members of parts", alertResource, `{"id":"a","evidence":[{"new":[1,"x"]}]}`,
			map[string]any{"microsoft.defender_endpoint.unknown": map[string]any{"evidence.new": `[1,"x"]`}}},
		{"host name", machineResource, `{"id":"m","computerDnsName":"WS-1.Corp"}`,
			map[string]any{"host.name": "ws-1.corp", "host.hostname": "WS-1.Corp"}},
		{"virtual machine", machineResource, `{"id":"m","vmMetadata":{"vmId":"v","cloudProvider":"Azure"}}`,
			map[string]any{"microsoft_defender_endpoint.machine.vm_metadata.vm_id": "v"}},
		{"MAC addresses", machineResource, `{"id":"m","ipAddresses":[{"ipAddress":"10.0.0.1","macAddress":"00005E005301"}]}`,
			map[string]any{"host.mac": []any{"00-00-5E-00-53-01"}, "host.ip": nil, "related.ip": []any{"10.0.0.1"}}},
		{"machine time", machineResource, `{"id":"m","lastSeen":"2026-03-02T02:51:16.2059102Z"}`,
			map[string]any{"@timestamp": "2026-03-02T02:51:16.205Z"}},
		{"external id", machineActionResource, `{"id":"x","externalId":"case-1"}`,
			map[string]any{"microsoft_defender_endpoint.machine_action.external_id": "case-1"}},
		{"commands", machineActionResource, `{"id":"x","commands":[{"index":0,"command":{"type":"GetFile"}}]}`,
			map[string]any{"microsoft_defender_endpoint.machine_action.commands": []any{`{"index":0,"command":{"type":"GetFile"}}`}}},
		{"troubleshooting details", machineActionResource, `{"id":"x","troubleshootInfo":{"step":1}}`,
			map[string]any{"microsoft_defender_endpoint.machine_action.troubleshoot_info": `{"step":1}`}},
		{"outcomes", machineActionResource, `{"id":"x","status":"TimeOut"}`, map[string]any{"event.outcome": "failure"}},
		{"unknown action types", machineActionResource, `{"id":"x","type":"NewKind"}`, map[string]any{"event.type": []any{"info"}}},
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Differences from Elastic's package")
	table, _, _ = strings.Cut(table, "\n## ")
	if n := strings.Count(table, "\n|") - 2; n != len(rows) {
		t.Errorf("README's table has %d rows, the test %d", n, len(rows))
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(table, "\n| "+row.name+" |") {
				t.Errorf("README's table has no row %q", row.name)
			}
			documents := mapRecord(t, row.resource, configOf(row.resource), []byte(row.record))
			for path, want := range row.want {
				if got := field(t, documents[0], path); !equal(got, want) {
					t.Errorf("%s: got %v, want %v", path, got, want)
				}
			}
		})
	}
}
