package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// policy is a standalone policy for a tenant and an Elasticsearch.
func policy(api, es string) string {
	return `
outputs:
  default: {type: elasticsearch, hosts: ["` + es + `"], api_key: "id:key", backoff.init: 50ms, backoff.max: 200ms}
inputs:
  - id: defender-1
    type: microsoft_defender_endpoint
    use_output: default
    data_stream.namespace: default
    tenant_id: ` + defendertest.TenantID + `
    client_id: ` + defendertest.ClientID + `
    client_secret: "` + defendertest.ClientSecret + `"
    url: ` + api + `
    login_url: ` + api + `
    calls_per_minute: 100000 # the pace has tests of its own
    streams:
      - id: defender-1-log
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.log}
`
}

// program runs the binary and returns what it wrote to stderr.
func program(t *testing.T, dir string, args ...string) (*os.ProcessState, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState, stderr.String()
}

func writePolicy(t *testing.T, text string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "policy.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 500, EvidencePerAlert: 3})
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	state, stderr := program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	if state.ExitCode() != 0 || !strings.Contains(stderr, "documents 1500") {
		t.Fatalf("exit code %d:\n%s", state.ExitCode(), stderr)
	}
	if es.Count(dataStream) != 1500 {
		t.Errorf("%d documents stored, want 1500", es.Count(dataStream))
	}
	requests := es.Stats().Requests
	state, stderr = program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	if state.ExitCode() != 0 || !strings.Contains(stderr, "documents 0") || es.Stats().Requests != requests {
		t.Errorf("a second run is not free: exit code %d, %d bulk requests:\n%s", state.ExitCode(), es.Stats().Requests-requests, stderr)
	}
}

// TestRunStoresAllThreeStreams: what the tenant has is what is stored, and a
// second run adds nothing.
func TestRunStoresAllThreeStreams(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 2, Alerts: 60, Machines: 250, Actions: 120, EvidencePerAlert: 2})
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url)+`
      - id: defender-1-machine
        batch_size: 60
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.machine}
      - id: defender-1-machine_action
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.machine_action}
`)
	for range 2 {
		state, stderr := program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
		if state.ExitCode() != 0 {
			t.Fatalf("exit code %d:\n%s", state.ExitCode(), stderr)
		}
		for name, want := range map[string]int{"log": 120, "machine": 250, "machine_action": 120} {
			if got := es.Count("logs-microsoft_defender_endpoint." + name + "-default"); got != want {
				t.Errorf("%s: %d documents, want %d", name, got, want)
			}
		}
	}
	if s := es.Stats(); s.Conflicts != 0 || s.Rejected != 0 {
		t.Errorf("%d documents sent again, %d rejected", s.Conflicts, s.Rejected)
	}
}

// TestRunOnceTellsWhatBecameOfTheDocuments: one that was stored as a
// pipeline_error is no failure, be it for its record or for a refusal, and the
// numbers add up.
func TestRunOnceTellsWhatBecameOfTheDocuments(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5, EvidencePerAlert: 1})
	tenant.Add(defendertest.Alerts, `{"id":"odd","title":{"not":"text"},"evidence":[]}`)
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	once := func(state string) (*os.ProcessState, string) {
		return program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, state))
	}
	if state, stderr := once("first"); state.ExitCode() != 0 || !strings.Contains(stderr, "quarantined 1), documents 6 = stored 6 + already there 0 + minimal 0 + bare 0, in the failure store 0") {
		t.Errorf("exit code %d, want 0:\n%s", state.ExitCode(), stderr)
	}
	es.Fault(elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
		return elasticsearchtest.ItemFault{FailureStore: strings.Contains(string(d.JSON), `"odd"`) && !strings.Contains(string(d.JSON), "the full document was refused")}
	}})
	if state, stderr := once("second"); state.ExitCode() != 0 || !strings.Contains(stderr, "documents 6 = stored 0 + already there 5 + minimal 1 + bare 0, in the failure store 1") {
		t.Errorf("exit code %d, want 0 and one document in minimal form:\n%s", state.ExitCode(), stderr)
	}
}

func TestRunTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5})
	_, es := newElasticsearch(t)
	good := policy(listen(t, tenant), es)
	for name, c := range map[string]struct{ policy, says string }{
		"malformed policy":   {"outputs: [", "is not YAML: line 1: "},
		"no input":           {"outputs: {default: {type: elasticsearch}}\ninputs: []\n", "add one of type microsoft_defender_endpoint"},
		"no output":          {strings.Replace(good, "use_output: default", "use_output: other", 1), `no output named "other"`},
		"unknown dataset":    {strings.Replace(good, "endpoint.log", "endpoint.logs", 1), "data_stream.dataset: no resource for"},
		"missing credential": {strings.Replace(good, "client_secret:", "client_secretx:", 1), "client_secret: required"},
		"wrong type":         {strings.Replace(good, "client_id:", "interval: [a, b]\n    client_id:", 1), "interval"},
		"wrong secret":       {strings.Replace(good, defendertest.ClientSecret, "wrong-one", 1), "7000215"},
		"unreachable host":   {strings.Replace(good, "    url: http://127", "    url: http://127.0.0.1:1/#", 1), "url"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := writePolicy(t, c.policy)
			state, stderr := program(t, dir, "run", "-c", file, "--once")
			last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]
			if state.ExitCode() == 0 || !strings.Contains(stderr, c.says) || !strings.HasPrefix(last, "defender-endpoint: ") {
				t.Errorf("exit code %d, want an error with %q last:\n%s", state.ExitCode(), c.says, stderr)
			}
			if strings.Contains(stderr, defendertest.ClientSecret) || strings.Contains(stderr, "id:key") {
				t.Error("a secret is in the output")
			}
		})
	}
}

func TestStartedByHand(t *testing.T) {
	state, stderr := program(t, t.TempDir())
	if state.ExitCode() != 2 || !strings.Contains(stderr, "defender-endpoint demo") {
		t.Errorf("exit code %d, want 2 and a hint:\n%s", state.ExitCode(), stderr)
	}
}

// TestNoArguments: who forgets -c is told where it is described.
func TestNoArguments(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"run", "check", "demo", "version"} {
		state, stderr := program(t, t.TempDir(), command, "policy.yml")
		if state.ExitCode() == 0 || !strings.Contains(stderr, `no argument "policy.yml"; see defender-endpoint `+command+" --help") {
			t.Errorf("%s: exit code %d:\n%s", command, state.ExitCode(), stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	out, err := exec.Command(binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "defender-endpoint ") {
		t.Errorf("%s, %v", out, err)
	}
}

// TestUnknownFlagsAreTolerated: an agent may add flags we do not know.
func TestUnknownFlagsAreTolerated(t *testing.T) {
	state, stderr := program(t, t.TempDir(), "-E", "http.enabled=true", "--new-flag", "-E", "path.data=x", "--other=1")
	if state.ExitCode() != 2 || !strings.Contains(stderr, "defender-endpoint demo") {
		t.Errorf("exit code %d, want the hint for starting by hand:\n%s", state.ExitCode(), stderr)
	}
}
