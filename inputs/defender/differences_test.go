package defender

import (
	"os"
	"strings"
	"testing"
)

// differences are records, and fields of their first document.
var differences = []struct {
	name     string
	resource *resource
	record   string
	want     map[string]any
}{
	{"alert time", alertResource, `{"id":"a","alertCreationTime":"2026-03-02T08:15:07Z"}`,
		map[string]any{"@timestamp": "2026-03-02T08:15:07.000Z", "event.created": "2026-03-02T08:15:07Z"}},
	{"technique ids", alertResource, `{"id":"a","category":"Execution","mitreTechniques":["T1059"]}`,
		map[string]any{"threat.technique.id": []any{"T1059"}, "threat.tactic.name": []any{"Execution"}, "threat.technique.name": []any{"Execution", "Command and Scripting Interpreter"}}},
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
	{"much evidence", alertResource, `{"id":"a","evidence":[{"fileName":"x"},{"fileName":"y"}]}`,
		map[string]any{"file.name": "x", "error": nil}}, // see TestMuchEvidence
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
	{"tactics", alertResource, `{"id":"a","category":"DefenseEvasion"}`,
		map[string]any{"threat.tactic.id": []any{"TA0005"}, "threat.tactic.name": []any{"Defense Evasion"}}},
	{"categories that are no tactics", alertResource, `{"id":"a","category":"Malware"}`,
		map[string]any{"threat.tactic": nil, "threat.technique.name": []any{"Malware"}, "event.action": "Malware"}},
	{"sub-techniques", alertResource, `{"id":"a","mitreTechniques":["T1562.001","odd"]}`,
		map[string]any{"threat.technique.id": []any{"T1562"}, "threat.technique.subtechnique.id": []any{"T1562.001"},
			"threat.technique.subtechnique.name": []any{"Disable or Modify Tools"}, "microsoft.defender_endpoint.mitreTechniques": []any{"T1562.001", "odd"}}},
	{"severity", alertResource, `{"id":"a","severity":"UnSpecified"}`,
		map[string]any{"microsoft.defender_endpoint.severity": "UnSpecified", "event.severity": nil}},
	{"one user", alertResource, `{"id":"a","relatedUser":{"userName":"eve","domainName":"D"},"loggedOnUsers":[{"accountName":"carol"}],"evidence":[{"entityType":"User","userPrincipalName":"bob@x.example","aadUserId":"g"}]}`,
		map[string]any{"user.name": "bob", "user.domain": nil, "user.id": "g", "user.email": "bob@x.example", "related.user": []any{"carol", "eve", "bob", "bob@x.example"}}},
	{"hosts of URLs", alertResource, `{"id":"a","evidence":[{"url":"hxxp://www.bad[.]co.uk:81/x"}]}`,
		map[string]any{"url.domain": "www.bad.co.uk", "url.registered_domain": "bad.co.uk", "url.top_level_domain": "co.uk", "url.subdomain": "www",
			"url.port": 81.0, "url.path": "/x", "related.hosts": []any{"www.bad.co.uk"}}},
	{"addresses in URLs", alertResource, `{"id":"a","evidence":[{"url":"[2001:db8::1]:443/x"}]}`,
		map[string]any{"url.domain": "[2001:db8::1]", "related.ip": []any{"2001:db8::1"}, "related.hosts": nil}},
	{"process image", alertResource, `{"id":"a","evidence":[{"entityType":"Process","fileName":"a.exe","filePath":"C:\\V","sha1":"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709","processCommandLine":"b -x"}]}`,
		map[string]any{"process.name": "a.exe", "process.executable": `C:\V\a.exe`, "process.args": []any{"b", "-x"}, "process.hash.sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
	{"hashes", alertResource, `{"id":"a","evidence":[{"sha1":"D41D8CD98F00B204E9800998ECF8427E","sha256":"none"}]}`,
		map[string]any{"file.hash": map[string]any{"md5": "d41d8cd98f00b204e9800998ecf8427e"}, "microsoft.defender_endpoint.evidence.sha256": "none"}},
	{"registry keys with a hive", alertResource, `{"id":"a","evidence":[{"registryKey":"HKLM:\\SOFTWARE\\X","registryValueType":"ExpandString"}]}`,
		map[string]any{"registry.hive": "HKLM", "registry.key": `SOFTWARE\X`, "registry.path": `HKLM\SOFTWARE\X`, "registry.data.type": "REG_EXPAND_SZ"}},
	{"other products' evidence", alertResource, `{"id":"a","evidence":[{"entityType":"MailMessage","accountName":"bob","fileName":"x"}]}`,
		map[string]any{"microsoft.defender_endpoint.evidence": map[string]any{"entityType": "MailMessage", "accountName": "bob", "fileName": "x"}, "user.name": "bob", "file.name": "x"}},
	{"times that are not set", alertResource, `{"id":"a","alertCreationTime":"0001-01-01T00:00:00Z","firstEventTime":"2026-01-02T02:00:00Z","lastEventTime":"2026-01-02T01:00:00Z"}`,
		map[string]any{"@timestamp": "2026-01-02T01:00:00.000Z", "event.created": "2026-01-02T02:00:00Z", "event.duration": nil, "error": nil}},
	{"text null", alertResource, `{"id":"a","category":"null"}`,
		map[string]any{"event.action": nil, "threat": nil, "message": "a"}},
	{"texts that people typed", machineResource, `{"id":"m","machineTags":["-","N/A"]}`,
		map[string]any{"microsoft_defender_endpoint.machine.machine_tags": []any{"-", "N/A"}}},
	{"portal links", alertResource, `{"id":"a","incidentId":7,"aadTenantId":"t"}`,
		map[string]any{"event.url": "https://security.microsoft.com/alerts/a?tid=t", "microsoft.defender_endpoint.incidentUrl": "https://security.microsoft.com/incidents/7?tid=t"}},
	{"rule", alertResource, `{"id":"a","title":"T","detectorId":"d"}`,
		map[string]any{"rule.name": "T", "rule.id": "d", "message": "T"}},
	{"addresses with a zone", machineResource, `{"id":"m","ipAddresses":[{"ipAddress":"fe80::1%12"}],"lastIpAddress":"192.0.2.1:443"}`,
		map[string]any{"related.ip": []any{"fe80::1", "192.0.2.1"}, "event.kind": "event"}},
	{"systems and architectures", machineResource, `{"id":"m","osPlatform":"AzureLinux","osProcessor":"x64"}`,
		map[string]any{"host.os.type": "linux", "host.architecture": "x86_64"}},
	{"machine id", machineResource, `{"id":"m"}`,
		map[string]any{"event.id": "m", "cloud.instance.id": "m", "cloud.account.id": "a839b112-1253-4432-9bf6-94542403f21c", "cloud.provider": "azure"}},
	{"duplicated machines", machineResource, `{"id":"m","mergedIntoMachineId":"n","isExcluded":true,"isPotentialDuplication":true}`,
		map[string]any{"tags": []any{"forwarded", "microsoft_defender_endpoint-machine", "machine_merged", "machine_excluded", "machine_possible_duplicate"}}},
	{"ticket numbers", machineActionResource, `{"id":"x","externalId":"T-1"}`, map[string]any{"related.user": nil}},
	{"requesting applications", machineActionResource, `{"id":"x","requestor":"App (o@x.example)"}`,
		map[string]any{"user": map[string]any{"email": "o@x.example"}, "microsoft_defender_endpoint.machine_action.requestor": "App (o@x.example)"}},
	{"time of an action", machineActionResource, `{"id":"x","status":"Succeeded","creationDateTimeUtc":"2026-01-02T03:00:00Z","lastUpdateDateTimeUtc":"2026-01-02T03:10:00Z"}`,
		map[string]any{"event.start": "2026-01-02T03:00:00.000Z", "event.end": "2026-01-02T03:10:00.000Z", "event.duration": 600e9}},
	{"machine of an action", machineActionResource, `{"id":"x","machineId":"m","computerDnsName":"WS-1"}`,
		map[string]any{"host.id": "m", "cloud.instance.id": "m", "cloud.account.id": "a839b112-1253-4432-9bf6-94542403f21c", "host.name": "ws-1"}},
	{"Kibana's actions", machineActionResource, `{"id":"x","requestorComment":"Aktion (action id: 5382f7ea-7557-4ab7-9782-d50480024a4e)"}`,
		map[string]any{"microsoft_defender_endpoint.machine_action.kibana_action_id": "5382f7ea-7557-4ab7-9782-d50480024a4e"}},
	{"outcomes", machineActionResource, `{"id":"x","status":"TimeOut"}`, map[string]any{"event.outcome": "failure"}},
	{"unknown action types", machineActionResource, `{"id":"x","type":"NewKind"}`, map[string]any{"event.type": []any{"info"}}},
}

// TestDifferences has one row per row of the table in MAPPING.md 13,
// "Differences from Elastic's package", of the same name.
func TestDifferences(t *testing.T) {
	page, err := os.ReadFile("MAPPING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## 13. Differences from Elastic's package")
	table, _, _ = strings.Cut(table, "\n## ")
	if n := strings.Count(table, "\n|") - 2; n != len(differences) {
		t.Errorf("MAPPING.md's table has %d rows, the test %d", n, len(differences))
	}
	for _, row := range differences {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(table, "\n| "+row.name+" |") {
				t.Errorf("MAPPING.md's table has no row %q", row.name)
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
