package defender

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const actionPrefix = "microsoft_defender_endpoint.machine_action."

// oneAction maps an action to its one document.
func oneAction(t *testing.T, c Config, record string) string {
	t.Helper()
	documents := mapRecord(t, machineActionResource, c, []byte(record))
	if len(documents) != 1 {
		t.Fatalf("%d documents, want 1", len(documents))
	}
	return documents[0]
}

// actionField maps an action with the default configuration and finds a field.
func actionField(t *testing.T, record, path string) any {
	t.Helper()
	return field(t, oneAction(t, configOf(machineActionResource), record), path)
}

type actionRow struct {
	source, target string
	want           any
}

func (r actionRow) run(t *testing.T, document string) {
	t.Helper()
	t.Run(r.source+" to "+r.target, func(t *testing.T) {
		if got := field(t, document, r.target); !equal(got, r.want) {
			t.Errorf("got %v, want %v", got, r.want)
		}
	})
}

// everyAction has a value in every member that the API struct names.
const everyAction = `{"id":"034e1b7b","type":"StopAndQuarantineFile","title":"Quarantine","scope":"Full","status":"Succeeded",
"requestor":"Analyst1@contoso.example","requestorComment":"line 1\r\nline 2","requestSource":"Portal","machineId":"0e23b8b2","computerDnsName":"WS-042.corp.example",
"creationDateTimeUtc":"2026-03-02T12:59:35.8919364Z","lastUpdateDateTimeUtc":"2026-03-02T13:04:57.9999999Z",
"cancellationRequestor":"boss@contoso.example","cancellationComment":"wrong host","cancellationDateTimeUtc":"2026-03-02T13:00:00Z",
"externalId":"case-4711","errorHResult":-2145844840,"relatedFileInfo":{"fileIdentifier":"da39a3ee5e6b4b0d3255bfef95601890afd80709","fileIdentifierType":"Sha1"},
"commands":[{"index":0,"command":{"type":"GetFile","params":[{"key":"Path","value":"C:\\x.zip"}]}}],"troubleshootInfo":{"step":"upload"}}`

// TestMachineActionTable has one row per row of MAPPING.md 4.3 and target.
func TestMachineActionTable(t *testing.T) {
	document := oneAction(t, configOf(machineActionResource), everyAction)
	for _, row := range []actionRow{
		{"constant", "event.kind", "event"},
		{"constant", "observer.vendor", "Microsoft"},
		{"constant", "observer.product", "Defender for Endpoint"},
		{"lastUpdateDateTimeUtc", "@timestamp", "2026-03-02T13:04:57.999Z"},
		{"creationDateTimeUtc", "event.created", "2026-03-02T12:59:35.891Z"},
		{"id", "event.id", "034e1b7b"},
		{"type", actionPrefix + "type", "StopAndQuarantineFile"},
		{"type", "event.action", "StopAndQuarantineFile"},
		{"status", actionPrefix + "status", "Succeeded"},
		{"status", "event.outcome", "success"},
		{"machineId", "host.id", "0e23b8b2"},
		{"computerDnsName", "host.hostname", "WS-042.corp.example"},
		{"computerDnsName", "host.name", "ws-042.corp.example"},
		{"computerDnsName, machineId", "related.hosts", []any{"ws-042.corp.example", "0e23b8b2"}},
		{"requestor", "user.name", "Analyst1"},
		{"requestor", "user.domain", "contoso.example"},
		{"requestor", "user.email", "Analyst1@contoso.example"},
		{"cancellationRequestor, requestor", "related.user", []any{"boss@contoso.example", "Analyst1", "Analyst1@contoso.example"}},
		{"cancellationRequestor", actionPrefix + "cancellation_requestor", "boss@contoso.example"},
		{"externalId", actionPrefix + "external_id", "case-4711"},
		{"relatedFileInfo.fileIdentifier", actionPrefix + "related_file_info.file_identifier", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"relatedFileInfo.fileIdentifierType", actionPrefix + "related_file_info.file_identifier_type", "Sha1"},
		{"relatedFileInfo.fileIdentifier", "related.hash", []any{"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
		{"relatedFileInfo.fileIdentifier", "file.hash.sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"errorHResult", actionPrefix + "error_h_result", -2145844840.0},
		{"cancellationComment", actionPrefix + "cancellation_comment", "wrong host"},
		{"cancellationDateTimeUtc", actionPrefix + "cancellation_date_time_utc", "2026-03-02T13:00:00.000Z"},
		{"requestSource", actionPrefix + "request_source", "Portal"},
		{"requestorComment", actionPrefix + "requestor_comment", "line 1\r\nline 2"},
		{"scope", actionPrefix + "scope", "Full"},
		{"title", actionPrefix + "title", "Quarantine"},
		{"troubleshootInfo", actionPrefix + "troubleshoot_info", `{"step":"upload"}`},
		{"commands", actionPrefix + "commands", []any{`{"index":0,"command":{"type":"GetFile","params":[{"key":"Path","value":"C:\\x.zip"}]}}`}},
		{"nothing", "error.message", nil},
	} {
		row.run(t, document)
	}
}

// TestMachineActionDuplicates: the starred fields of 4.3 stand in the document
// only where the setting asks for them.
func TestMachineActionDuplicates(t *testing.T) {
	without := configOf(machineActionResource)
	with := without
	with.PreserveDuplicateCustomFields = true
	removed, kept := oneAction(t, without, everyAction), oneAction(t, with, everyAction)
	for _, row := range []actionRow{
		{"lastUpdateDateTimeUtc", "last_update_date_time_utc", "2026-03-02T13:04:57.999Z"},
		{"creationDateTimeUtc", "creation_date_time_utc", "2026-03-02T12:59:35.891Z"},
		{"id", "id", "034e1b7b"},
		{"machineId", "machine_id", "0e23b8b2"},
		{"computerDnsName", "computer_dns_name", "WS-042.corp.example"},
		{"requestor", "requestor", "Analyst1@contoso.example"},
	} {
		row.target = actionPrefix + row.target
		row.run(t, kept)
		if got := field(t, removed, row.target); got != nil {
			t.Errorf("%s: kept without the setting: %v", row.target, got)
		}
	}
	if got := field(t, kept, "tags"); !equal(got, []any{"preserve_duplicate_custom_fields", "forwarded", "microsoft_defender_endpoint-machine_action"}) {
		t.Errorf("tags %v", got)
	}
}

func TestMachineActionTypes(t *testing.T) {
	for _, row := range []struct {
		action         string
		category, kind any
	}{
		{"RunAntiVirusScan", nil, []any{"info"}},
		{"Offboard", nil, []any{"info"}},
		{"LiveResponse", nil, []any{"info"}},
		{"CollectInvestigationPackage", nil, []any{"info"}},
		{"Isolate", []any{"network"}, []any{"end"}},
		{"Unisolate", []any{"network"}, []any{"start"}},
		{"StopAndQuarantineFile", []any{"file"}, []any{"deletion"}},
		{"RestrictCodeExecution", []any{"package"}, []any{"access"}},
		{"UnrestrictCodeExecution", []any{"package"}, []any{"access"}},
		{"CollectMemoryDump", nil, []any{"info"}}, // repair: upstream gives an unknown type neither
		{"", nil, nil},
	} {
		t.Run(row.action, func(t *testing.T) {
			record := `{"id":"a","type":"` + row.action + `"}`
			if got := actionField(t, record, "event.category"); !equal(got, row.category) {
				t.Errorf("event.category %v, want %v", got, row.category)
			}
			if got := actionField(t, record, "event.type"); !equal(got, row.kind) {
				t.Errorf("event.type %v, want %v", got, row.kind)
			}
		})
	}
}

func TestMachineActionOutcomes(t *testing.T) {
	for status, want := range map[string]any{
		"Succeeded": "success", "SUCCEEDED": "success", "Failed": "failure", "failed": "failure",
		"TimeOut": "failure", "Cancelled": "unknown", // repairs: upstream gives them none
		"Pending": nil, "InProgress": nil, "PartiallySucceeded": nil, "": nil,
	} {
		if got := actionField(t, `{"id":"a","status":"`+status+`"}`, "event.outcome"); got != want {
			t.Errorf("%q: got %v, want %v", status, got, want)
		}
	}
}

// Repair: upstream reads externalID, the API sends externalId (bug B7).
func TestMachineActionExternalID(t *testing.T) {
	for _, name := range []string{"externalId", "externalID"} {
		record := `{"id":"a","` + name + `":"case-1"}`
		if got := actionField(t, record, actionPrefix+"external_id"); got != "case-1" {
			t.Errorf("%s: external_id %v", name, got)
		}
		if got := actionField(t, record, "related.user"); got != nil {
			t.Errorf("%s: related.user %v", name, got)
		}
	}
}

// Repair: upstream puts objects under a keyword mapping (bug B8). Here the
// field holds text, which reads back as what the API sent.
func TestMachineActionCommandsAreKeywords(t *testing.T) {
	const first, second = `{"index":0,"errors":[],"endTime":null,"command":{"type":"RunScript","params":[{"key":"Args","value":"a \"b\""}]}}`, `{"index":1}`
	for list, want := range map[string]any{
		`[` + first + `, ` + strings.ReplaceAll(second, ":", " : ") + `]`: []any{first, second},
		second:          []any{second}, // one command without its list
		`[]`:            nil,
		`null`:          nil,
		`[null,"text"]`: []any{"text"},
	} {
		got := actionField(t, `{"id":"a","commands":`+list+`}`, actionPrefix+"commands")
		if !equal(got, want) {
			t.Errorf("%s: got %v, want %v", list, got, want)
		}
	}
}

// Repair: upstream keeps host.name as it is, so that it does not join with
// that of alerts; and the service spells the update time in two ways.
func TestMachineActionRepairs(t *testing.T) {
	t.Run("host.name is lower case", func(t *testing.T) {
		if got := actionField(t, `{"id":"a","computerDnsName":"SRV-7"}`, "host.name"); got != "srv-7" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("lastUpdateTimeUtc", func(t *testing.T) {
		const record = `{"id":"a","creationDateTimeUtc":"2026-03-01T00:00:00Z","lastUpdateTimeUtc":"2026-03-02T13:04:37.5532423Z"}`
		if got := actionField(t, record, "@timestamp"); got != "2026-03-02T13:04:37.553Z" {
			t.Errorf("@timestamp %v", got)
		}
		m := newMapper(machineActionResource, configOf(machineActionResource), someAgent, someTime, nil)
		if _, updated := m.Read(raw(record), nil); updated.Nanosecond() != 553242300 {
			t.Errorf("updated %v", updated)
		}
	})
	t.Run("unknown members are kept", func(t *testing.T) {
		const record = `{"id":"a","status":"Failed","requestorRole":"Responder","Status":"other","empty":"","relatedFileInfo":{"fileIdentifier":"f","fileSizeInBytes":4096}}`
		unknown := map[string]any{"requestorRole": "Responder", "Status": "other", "relatedFileInfo.fileSizeInBytes": "4096"}
		for path, want := range map[string]any{"status": "Failed", "unknown": unknown} {
			if got := actionField(t, record, actionPrefix+path); !equal(got, want) {
				t.Errorf("%s: got %v, want %v", path, got, want)
			}
		}
	})
	t.Run("troubleshootInfo is any JSON", func(t *testing.T) {
		for info, want := range map[string]any{`"text"`: "text", `7`: "7", `{"aB":[1]}`: `{"aB":[1]}`, `null`: nil} {
			if got := actionField(t, `{"id":"a","troubleshootInfo":`+info+`}`, actionPrefix+"troubleshoot_info"); !equal(got, want) {
				t.Errorf("%s: got %v, want %v", info, got, want)
			}
		}
	})
}

func TestMachineActionRequestor(t *testing.T) {
	for requestor, want := range map[string][3]any{ // name, domain, email
		"admin@contoso.example":                {"admin", "contoso.example", "admin@contoso.example"},
		"e062d1f9-2398-4234-a024-12345673a25a": {"e062d1f9-2398-4234-a024-12345673a25a", nil, nil},
		"@contoso.example":                     {"@contoso.example", nil, nil}, // not past position 0
		"admin@":                               {"admin@", nil, nil},
		"App (owner@contoso.example)":          {nil, nil, "owner@contoso.example"},
		"My App <owner@contoso.example>":       {nil, nil, "owner@contoso.example"},
		"a@b@c":                                {"a@b@c", nil, nil},
		"-":                                    {nil, nil, nil},
	} {
		for i, name := range []string{"name", "domain", "email"} {
			if got := actionField(t, `{"id":"a","requestor":"`+requestor+`"}`, "user."+name); got != want[i] {
				t.Errorf("%s: user.%s %v, want %v", requestor, name, got, want[i])
			}
		}
	}
}

// TestMachineActionHashTypes: the form of a hash decides, not what the record
// calls it.
func TestMachineActionHashTypes(t *testing.T) {
	const md5, sha1 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	const sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, c := range []struct {
		kind, identifier string
		want             any
	}{
		{"Sha1", sha1, map[string]any{"sha1": sha1}},
		{"SHA1", strings.ToUpper(sha1), map[string]any{"sha1": sha1}},
		{"Sha1", md5, map[string]any{"md5": md5}},
		{"FileSha256", sha256, map[string]any{"sha256": sha256}},
		{"Ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", nil},
		{"Sha1", "f", nil},
	} {
		record := `{"id":"a","relatedFileInfo":{"fileIdentifier":"` + c.identifier + `","fileIdentifierType":"` + c.kind + `"}}`
		if got := actionField(t, record, "file.hash"); !equal(got, c.want) {
			t.Errorf("%s %s: file.hash %v", c.kind, c.identifier, got)
		}
		if got := actionField(t, record, actionPrefix+"related_file_info.file_identifier"); got != c.identifier {
			t.Errorf("%s %s: the vendor's field is %v", c.kind, c.identifier, got)
		}
	}
}

// TestMachineActionTimestampFallback: the last update, else the creation, else
// the clock; a date that .NET writes for "not set" counts as none.
func TestMachineActionTimestampFallback(t *testing.T) {
	for record, want := range map[string]string{
		`{"creationDateTimeUtc":"2026-02-25T10:36:47Z"}`:                                                "2026-02-25T10:36:47.000Z",
		`{"creationDateTimeUtc":"2026-02-25T10:36:47Z","lastUpdateDateTimeUtc":"soon"}`:                 "2026-02-25T10:36:47.000Z",
		`{"creationDateTimeUtc":"2026-02-25T10:36:47Z","lastUpdateDateTimeUtc":"0001-01-01T00:00:00Z"}`: "2026-02-25T10:36:47.000Z",
		`{}`: "2026-03-02T10:00:00.000Z", // mapRecord's stand-in for the clock
	} {
		if got := actionField(t, record, "@timestamp"); got != want {
			t.Errorf("%s: got %v, want %v", record, got, want)
		}
	}
}

// TestMachineActionMalformed: no value of a wrong type loses the record. The
// fault names the member, and the original is beside it.
func TestMachineActionMalformed(t *testing.T) {
	texts := []string{"id", "type", "title", "scope", "status", "requestor", "requestorComment", "requestSource", "machineId",
		"computerDnsName", "cancellationRequestor", "cancellationComment", "externalId"}
	dates := []string{"creationDateTimeUtc", "lastUpdateDateTimeUtc", "cancellationDateTimeUtc"}
	values := map[string][]string{"errorHResult": {`"0x80"`, `1.5`, `{}`, `[1]`, `true`, `1e300`}, "relatedFileInfo": {`"x"`, `7`, `[{}]`, `true`}}
	for _, name := range texts {
		values[name] = []string{`{"a":1}`, `[]`, `[null,"x"]`}
	}
	for _, name := range dates {
		values[name] = []string{`{}`, `[]`, `7`, `true`, `"yesterday"`, `"2026-13-01T00:00:00Z"`}
	}
	for name, list := range values {
		for _, value := range list {
			if name == "id" {
				checkActionFault(t, name, `{"id":`+value+`}`)
				continue
			}
			checkActionFault(t, name, `{"id":"a","`+name+`":`+value+`}`)
		}
	}
	checkActionFault(t, "relatedFileInfo.fileIdentifier", `{"id":"a","relatedFileInfo":{"fileIdentifier":[1]}}`)
	checkActionFault(t, "relatedFileInfo.fileIdentifierType", `{"id":"a","relatedFileInfo":{"fileIdentifierType":{}}}`)
}

func checkActionFault(t *testing.T, name, record string) {
	t.Helper()
	document := oneAction(t, configOf(machineActionResource), record)
	if !jsontext.Value(document).IsValid() {
		t.Errorf("%s: not valid JSON: %s", record, document)
	}
	messages, _ := field(t, document, "error.message").([]any)
	if len(messages) != 1 || !strings.HasPrefix(messages[0].(string), name) {
		t.Errorf("%s: error.message %v", record, messages)
	}
	if got := field(t, document, "event.kind"); got != "pipeline_error" {
		t.Errorf("%s: event.kind %v", record, got)
	}
	if got := field(t, document, "event.original"); got != record {
		t.Errorf("%s: event.original %v", record, got)
	}
}

// TestMachineActionIDs: equal for the same version, different for another.
func TestMachineActionIDs(t *testing.T) {
	id := func(record string) string {
		var hit struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(oneAction(t, configOf(machineActionResource), record)), &hit); err != nil {
			t.Fatal(err)
		}
		return hit.ID
	}
	const first = `{"id":"a","lastUpdateDateTimeUtc":"2026-03-02T08:00:00.1Z","status":"Pending"}`
	if read, again := id(first), id(first); read != again {
		t.Error("ids of one version differ")
	}
	seen := map[string]string{}
	for _, record := range []string{
		first,
		`{"id":"b","lastUpdateDateTimeUtc":"2026-03-02T08:00:00.1Z","status":"Pending"}`,
		`{"id":"a","lastUpdateDateTimeUtc":"2026-03-02T08:00:00.1000001Z","status":"Pending"}`,
		`{"id":"a","lastUpdateDateTimeUtc":"2026-03-02T08:00:00.1Z","status":"InProgress"}`,
		`{"id":"a","lastUpdateDateTimeUtc":"2026-03-02T08:00:00.1Z","status":"Pending","scope":"Full"}`,
		`{"type":"Isolate"}`, `{"type":"Unisolate"}`, // without an id the content counts
	} {
		if other, twice := seen[id(record)]; twice {
			t.Errorf("%s and %s have one id", record, other)
		}
		seen[id(record)] = record
	}
}
