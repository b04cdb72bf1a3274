package main_test

import (
	"os/exec"
	"strings"
	"testing"
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
		`resource "host": want one of alert`: {"--resource", "host"},
		"evidence: want split or whole":      {"--resource", "alert", "--option", "evidence=some"},
		"want name=value":                    {"--resource", "alert", "--option", "evidence"},
	} {
		if code, _, stderr := mapped(t, "", args...); code != 2 || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}
