package defender

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// field finds a dotted field in a document; nil where it is absent.
func field(t *testing.T, document, path string) any {
	t.Helper()
	var hit struct {
		Source map[string]any `json:"_source"`
	}
	if err := json.Unmarshal([]byte(document), &hit); err != nil {
		t.Fatal(err)
	}
	var v any = hit.Source
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// TestSeedTable has one row per row of the integration's own mapping table.
func TestSeedTable(t *testing.T) {
	const record = `{"id":"da1_1","lastUpdateTime":"2026-03-02T09:40:59.2Z",
"alertCreationTime":"2026-03-02T08:15:07.7220239Z","firstEventTime":"2026-03-02T08:03:32.9562661Z","lastEventTime":"2026-03-02T08:11:33.05Z",
"aadTenantId":"tenant-1","category":"Execution","computerDnsName":"WS-042.corp.example","description":"What happened.","detectionSource":"WindowsDefenderAtp",
"machineId":"111e6dd8","title":"Suspicious script","severity":"High",
"evidence":[{"entityType":"Process","fileName":"rundll32.exe","filePath":"C:\\Windows","processId":3276,"processCommandLine":"rundll32.exe x.dll",
"processCreationTime":"2026-03-02T08:03:32.9581596Z","parentProcessId":8420,"parentProcessCreationTime":"2026-03-02T08:03:30Z",
"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709",
"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","url":"https://bad.example/p?id=1"}]}`
	rows := []struct {
		source, target string
		want           any
	}{
		{"alertCreationTime", "@timestamp", "2026-03-02T08:15:07.722Z"},
		{"aadTenantId", "cloud.account.id", "tenant-1"},
		{"category", "threat.technique.name", []any{"Execution"}},
		{"computerDnsName", "host.hostname", "WS-042.corp.example"},
		{"description", "rule.description", "What happened."},
		{"detectionSource", "observer.name", "WindowsDefenderAtp"},
		{"evidence.fileName", "file.name", "rundll32.exe"},
		{"evidence.filePath", "file.path", `C:\Windows`},
		{"evidence.processId", "process.pid", 3276.0},
		{"evidence.processCommandLine", "process.command_line", "rundll32.exe x.dll"},
		{"evidence.processCreationTime", "process.start", "2026-03-02T08:03:32.9581596Z"},
		{"evidence.parentProcessId", "process.parent.pid", 8420.0},
		{"evidence.parentProcessCreationTime", "process.parent.start", "2026-03-02T08:03:30Z"},
		{"evidence.sha1", "file.hash.sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"evidence.sha256", "file.hash.sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"evidence.url", "url.full", "https://bad.example/p?id=1"},
		{"firstEventTime", "event.start", "2026-03-02T08:03:32.9562661Z"},
		{"id", "event.id", "da1_1"},
		{"lastEventTime", "event.end", "2026-03-02T08:11:33.05Z"},
		{"machineId", "cloud.instance.id", "111e6dd8"},
		{"title", "message", "Suspicious script"},
		{"severity", "event.severity", 73.0},
	}
	documents := mapRecord(t, alertResource, configOf(alertResource), []byte(record))
	if len(documents) != 1 {
		t.Fatalf("%d documents, want 1", len(documents))
	}
	for _, row := range rows {
		t.Run(row.source+" to "+row.target, func(t *testing.T) {
			if got := field(t, documents[0], row.target); !equal(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func equal(a, b any) bool {
	x, _ := json.Marshal(a, json.Deterministic(true))
	y, _ := json.Marshal(b, json.Deterministic(true))
	return string(x) == string(y)
}

func TestSeverity(t *testing.T) {
	for severity, want := range map[string]any{
		"Informational": 21.0, "Low": 21.0, "Medium": 47.0, "HIGH": 73.0, "critical": 99.0, "UnSpecified": nil, "": nil,
	} {
		documents := mapRecord(t, alertResource, configOf(alertResource), []byte(`{"id":"a","severity":"`+severity+`"}`))
		if got := field(t, documents[0], "event.severity"); got != want {
			t.Errorf("%q: got %v, want %v", severity, got, want)
		}
	}
}

func TestTimestampSourceUpdate(t *testing.T) {
	c := configOf(alertResource)
	c.TimestampSource = "update"
	documents := mapRecord(t, alertResource, c, []byte(`{"id":"a","alertCreationTime":"2026-03-02T08:15:07Z","lastUpdateTime":"2026-03-05T00:00:00.2Z"}`))
	if got := field(t, documents[0], "@timestamp"); got != "2026-03-05T00:00:00.200Z" {
		t.Errorf("@timestamp %v", got)
	}
	if got := field(t, documents[0], "event.created"); got != "2026-03-02T08:15:07Z" {
		t.Errorf("event.created %v", got)
	}
}

func TestExecutable(t *testing.T) {
	for line, want := range map[string]string{
		`rundll32.exe c:\temp\x.dll,Start`:              "rundll32.exe",
		`"C:\Program Files\Vendor\agent.exe" --run "x"`: "agent.exe",
		`C:\Windows\System32\cmd.exe /c dir`:            "cmd.exe",
		`/usr/bin/python3 -m x`:                         "python3",
		``:                                              "",
		`"unterminated`:                                 "unterminated",
	} {
		if got := mapping.BaseName(mapping.Executable(line)); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

// TestIDs: equal for the same version however often it is read, different for
// everything else.
func TestIDs(t *testing.T) {
	ids := func(record string) []string {
		var out []string
		for _, d := range mapRecord(t, alertResource, configOf(alertResource), []byte(record)) {
			var hit struct {
				ID string `json:"_id"`
			}
			if err := json.Unmarshal([]byte(d), &hit, json.RejectUnknownMembers(false)); err != nil {
				t.Fatal(err)
			}
			out = append(out, hit.ID)
		}
		return out
	}
	const x, y = `{"entityType":"File","sha1":"x"}`, `{"entityType":"File","sha1":"y"}`
	v1 := ids(`{"id":"a","lastUpdateTime":"2026-03-02T08:00:00Z","evidence":[` + x + `,` + y + `,` + x + `]}`)
	if again := ids(`{"id":"a","lastUpdateTime":"2026-03-02T08:00:00Z","evidence":[` + x + `,` + y + `,` + x + `]}`); !equal(v1, again) {
		t.Errorf("ids of one version differ: %v, %v", v1, again)
	}
	if moved := ids(`{"id":"a","lastUpdateTime":"2026-03-02T08:00:00Z","evidence":[` + y + `,` + x + `,` + x + `]}`); moved[0] != v1[1] || moved[1] != v1[0] || moved[2] != v1[2] {
		t.Errorf("ids follow the position: %v, %v", v1, moved)
	}
	seen := map[string]bool{}
	for _, id := range append(v1, ids(`{"id":"a","lastUpdateTime":"2026-03-02T08:00:00.1Z","evidence":[`+x+`,`+y+`]}`)...) {
		if seen[id] {
			t.Errorf("id %s twice", id)
		}
		seen[id] = true
	}
}
