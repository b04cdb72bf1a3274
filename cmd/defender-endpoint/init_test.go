package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// initialized runs init with answers, a line each.
func initialized(t *testing.T, dir, answers string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := commandIn(t, dir, append([]string{"init"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(answers), &out, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestInit: what it writes is a policy that collects, and what it says next is right.
func TestInit(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 9, Alerts: 3, Machines: 2, Actions: 1})
	api := listen(t, tenant)
	es, url := newElasticsearch(t)
	dir := t.TempDir()
	answers := strings.Join([]string{"not a tenant", defendertest.TenantID, "no-guid", defendertest.ClientID, "", url, defendertest.ClientSecret, "id:key"}, "\n") + "\n"
	code, stdout, stderr := initialized(t, dir, answers)
	if code != 0 || !strings.Contains(stderr, "want a GUID or a domain") || !strings.Contains(stderr, "want a GUID: the application id") {
		t.Fatalf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	file := filepath.Join(dir, "defender-endpoint.yml")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	for _, next := range []string{"check -c defender-endpoint.yml", "run -c defender-endpoint.yml --once", "install"} {
		if !strings.Contains(stdout, "defender-endpoint "+next) {
			t.Errorf("does not say %q:\n%s", next, stdout)
		}
	}
	if strings.Contains(stdout+stderr, defendertest.ClientSecret) || strings.Contains(stdout, "export") {
		t.Errorf("%s%s", stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	few, _, _ := strings.Cut(string(text), "      - id: defender-1-vulnerability")                                                          // the others take their time
	here := strings.Replace(few, "    streams:", "    url: "+api+"\n    login_url: "+api+"\n    calls_per_minute: 100000\n    streams:", 1) // not the real service
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := both(t, dir, "check", "-c", file); code != 0 || strings.Contains(out, "warning") && !strings.Contains(out, "not known of all data streams") {
		t.Errorf("check: exit code %d:\n%s", code, out)
	}
	if code, out := both(t, dir, "run", "-c", file, "--once", "--limit", "30s"); code != 0 || es.Count(dataStream) == 0 {
		t.Errorf("run: exit code %d:\n%s", code, out)
	}
}

// TestInitWithoutSecrets: the file names variables, and the cloud is in it.
func TestInitWithoutSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, stdout, stderr := initialized(t, dir, "\n\n", "a file.yml",
		"--tenant", "contoso.example", "--client", defendertest.ClientID, "--cloud", "gcc_high", "--hosts", "https://es.example:9200")
	text, err := os.ReadFile(filepath.Join(dir, "a file.yml"))
	if code != 0 || err != nil || !strings.Contains(stdout, "export ELASTICSEARCH_API_KEY=...\n  export DEFENDER_CLIENT_SECRET=...\n") || !strings.Contains(stdout, "check -c 'a file.yml'") {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	for _, want := range []string{`client_secret: "${env.DEFENDER_CLIENT_SECRET}"`, `cloud: "gcc_high"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	cmd := commandIn(t, dir, "check", "-c", "a file.yml", "--offline")
	cmd.Env = append(os.Environ(), "DEFENDER_CLIENT_SECRET=s", "ELASTICSEARCH_API_KEY=a:b")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestInitTellsWhatIsWrong and writes nothing then.
func TestInitTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := []string{"--tenant", "t.example", "--client", defendertest.ClientID, "--cloud", "gcc", "--hosts", "http://es"}
	if err := os.WriteFile(filepath.Join(dir, "there.yml"), []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"there already": {append([]string{"there.yml"}, full...), 1, "there.yml is there already; name another file, or remove it"},
		"no folder":     {append([]string{"no/such/p.yml"}, full...), 1, "name a file in a folder that this user can write"},
		"no answer":     {[]string{"p.yml", "--tenant", "t.example"}, 2, "there is no answer for --client; give it as a flag"},
		"wrong flag":    {[]string{"p.yml", "--cloud", "azure", "--tenant", "t", "--client", defendertest.ClientID}, 2, "--cloud: want commercial, gcc, gcc_high, dod"},
		"two files":     {[]string{"a.yml", "b.yml"}, 2, "want one file, got 2"},
	} {
		if code, _, stderr := initialized(t, dir, "", c.args...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", name, code, c.code, c.says, stderr)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if kept, _ := os.ReadFile(filepath.Join(dir, "there.yml")); err != nil || len(files) != 1 || string(kept) != "keep" {
		t.Errorf("%q, %v", files, err)
	}
}
