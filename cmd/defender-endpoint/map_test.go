package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

func mapped(t *testing.T, input string, args ...string) (code int, documents []string, stderr string) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"map"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run()
	text := strings.TrimSpace(out.String())
	if text != "" {
		documents = strings.Split(text, "\n")
	}
	return cmd.ProcessState.ExitCode(), documents, errOut.String()
}

func TestMap(t *testing.T) {
	const lines = `{"id":"a","title":"one","evidence":[{"entityType":"File","fileName":"x"},{"entityType":"User"}]}

{"id":"b","title":"two","evidence":{"entityType":"File","fileName":"y"}}
not json
[1]
`
	code, documents, stderr := mapped(t, lines, "--resource", "alert")
	if code != 0 || len(documents) != 5 {
		t.Fatalf("exit code %d, %d documents\n%s", code, len(documents), stderr)
	}
	if strings.Contains(documents[0], `"agent"`) || !strings.Contains(documents[2], `"name":"y"`) {
		t.Errorf("got %s", documents)
	}
	for _, d := range documents[3:] {
		if !strings.Contains(d, `"pipeline_error"`) || !strings.Contains(d, `"original"`) {
			t.Errorf("got %s", d)
		}
	}
	if code, _, _ := mapped(t, lines, "--resource", "alert", "--strict"); code != 1 {
		t.Errorf("--strict: exit code %d, want 1", code)
	}
	if _, documents, _ := mapped(t, lines, "--resource", "alert", "--option", "evidence=whole", "--agent"); len(documents) != 4 || !strings.Contains(documents[0], `"agent":{`) {
		t.Errorf("whole with agent: %s", documents)
	}
}

func TestMapTellsWhatIsWrong(t *testing.T) {
	for says, args := range map[string][]string{
		`--resource: want one of alert`: {"--resource", "host"},
		"evidence: want split or whole": {"--resource", "alert", "--option", "evidence=some"},
		"want name=value":               {"--resource", "alert", "--option", "evidence"},
	} {
		if code, _, stderr := mapped(t, "", args...); code != 2 || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestMapTakesWhatPeopleHave: every record file of the project, as it is, in a list, as
// a page of the API and in gzip, gives the documents that its golden file says.
func TestMapTakesWhatPeopleHave(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/defender/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".json") + ".golden.json"
		if strings.HasSuffix(file, ".golden.json") {
			continue
		}
		count++
		t.Run(file, func(t *testing.T) {
			record, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := sources(t, golden)
			args := []string{"--resource", filepath.Base(filepath.Dir(file)), "--option", "tenant_id=a839b112-1253-4432-9bf6-94542403f21c"}
			if strings.Contains(file, "without-cve") {
				args = append(args, "--option", "software_without_cve=true")
			}
			if strings.Contains(file, "whole") {
				args = append(args, "--option", "evidence=whole")
			}
			dir := t.TempDir()
			asItIs, list, page := filepath.Join(dir, "as it is"), filepath.Join(dir, "list"), filepath.Join(dir, "page")
			writeFile(t, asItIs, record)
			writeFile(t, list, []byte("["+string(record)+"]"))
			writeFile(t, page, []byte(`{"@odata.context":"https://x/$metadata#A","value":[`+string(record)+`]}`))
			code, documents, stderr := mapped(t, zipped(t, record), append(args, asItIs, list, page, "-")...)
			var got []map[string]any
			for _, d := range documents {
				got = append(got, comparable(t, d))
			}
			if diff := cmp.Diff(slices.Repeat(want, 4), got); code != 0 || diff != "" {
				t.Errorf("exit code %d, %s (-want +got, of each form):\n%s", code, stderr, diff)
			}
			if code, lines, stderr := mapped(t, "", append(args, "--explain", file)...); code != 0 || len(lines) < 10 || !strings.HasPrefix(lines[0], "record 1, document 1") {
				t.Errorf("--explain: exit code %d, %s: %q", code, stderr, lines)
			}
		})
	}
	if count < 19 {
		t.Errorf("only %d files of records", count)
	}
}

// sources are the documents of a golden file.
func sources(t *testing.T, file string) (documents []map[string]any) {
	t.Helper()
	var golden []struct {
		Source json.RawMessage `json:"_source"`
	}
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &golden) != nil {
		t.Fatal(err)
	}
	for _, g := range golden {
		documents = append(documents, comparable(t, string(g.Source)))
	}
	return documents
}

// comparable is a document without what names the collector, and without its time where
// that is the clock's.
func comparable(t *testing.T, text string) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	delete(d, "agent")
	delete(d, "elastic_agent")
	if event, _ := d["event"].(map[string]any); event["kind"] == "pipeline_error" || event["start"] == nil {
		delete(d, "@timestamp")
		delete(event, "created")
	}
	return d
}

func zipped(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMapPretty(t *testing.T) {
	_, plain, _ := mapped(t, `{"id":"a"}`, "--resource", "machine_action")
	_, pretty, _ := mapped(t, `{"id":"a"}`, "--resource", "machine_action", "--pretty")
	if len(plain) != 1 || len(pretty) < 10 || pretty[0] != "{" || !strings.HasPrefix(pretty[1], `  "`) {
		t.Errorf("%q and %q", plain, pretty)
	}
}

// TestMapFiles: each is named with what is wrong with it; those before it are mapped.
func TestMapFiles(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.json"), filepath.Join(dir, "bad.json")
	for file, text := range map[string]string{good: `{"id":"a"}`, bad: "[\n{\"id\":\"b\"},\nno]"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, documents, stderr := mapped(t, `{"id":"c"}`, "--resource", "alert", good, "-", good); code != 0 || len(documents) != 3 {
		t.Errorf("exit code %d, %q, %s", code, documents, stderr)
	}
	for file, says := range map[string]string{
		bad: bad + ": line 3: ", dir: "is a directory; name the files in it", good + ".no": "there is no such file; name one that has records",
	} {
		code, documents, stderr := mapped(t, "", "--resource", "alert", good, file)
		if code != 1 || len(documents) == 0 || !strings.Contains(stderr, says) {
			t.Errorf("exit code %d, %q, want %q in %s", code, documents, says, stderr)
		}
	}
}
