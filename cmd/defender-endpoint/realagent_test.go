package main_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

// States as `elastic-agent status --output json` numbers them.
const (
	statusHealthy = 2
	statusFailed  = 4
)

// agentStatus is what this test reads of `elastic-agent status`.
type agentStatus struct {
	Components []agentComponent `json:"components"`
}

type agentComponent struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Units   []struct {
		ID      string         `json:"unit_id"`
		State   int            `json:"state"`
		Message string         `json:"message"`
		Payload map[string]any `json:"payload"`
	} `json:"units"`
}

// realAgent is an Elastic Agent with the component in its home.
type realAgent struct {
	*rig
	home, executable string
	cmd              *exec.Cmd
	log              bytes.Buffer
	ended            chan error
}

// newRealAgent starts the agent that ELASTIC_AGENT_BINARY names: the executable
// itself, in a home or alone.
func newRealAgent(t *testing.T, r *rig, policy string, extra ...string) *realAgent {
	t.Helper()
	executable := os.Getenv("ELASTIC_AGENT_BINARY")
	if executable == "" {
		t.Skip("ELASTIC_AGENT_BINARY is not set; see CONTRIBUTING.md")
	}
	return startRealAgent(t, r, layHome(t, executable, policy, extra...))
}

func startRealAgent(t *testing.T, r *rig, home string) *realAgent {
	t.Helper()
	a := &realAgent{rig: r, home: home, ended: make(chan error, 1)}
	a.executable = filepath.Join(a.home, "elastic-agent")
	a.cmd = exec.CommandContext(r.ctx, a.executable, "run", "-e", "-c", filepath.Join(a.home, "elastic-agent.yml"))
	a.cmd.Stdout, a.cmd.Stderr, a.cmd.Dir = &a.log, &a.log, a.home
	a.cmd.Cancel = func() error { return a.cmd.Process.Signal(os.Interrupt) }
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.ended <- a.cmd.Wait(); close(a.ended) }()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.ended
		if t.Failed() {
			t.Logf("the agent's log:\n%s", tail(a.log.String(), 60))
		}
	})
	return a
}

// newRealAgentWithout starts an agent that does not have the component.
func newRealAgentWithout(t *testing.T, r *rig, policy string) *realAgent {
	t.Helper()
	executable := os.Getenv("ELASTIC_AGENT_BINARY")
	if executable == "" {
		t.Skip("ELASTIC_AGENT_BINARY is not set; see CONTRIBUTING.md")
	}
	home := layHome(t, executable, policy)
	placed, err := filepath.Glob(filepath.Join(home, "data", "*", "components", "defender-endpoint*"))
	if err != nil || len(placed) != 2 {
		t.Fatalf("%v, %v", placed, err)
	}
	for _, path := range placed {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return startRealAgent(t, r, home)
}

// status asks the agent; the zero value represents no answer yet.
func (a *realAgent) status() agentStatus {
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, a.executable, "status", "--output", "json").Output() // the exit code speaks of the whole agent
	var status agentStatus
	_ = json.Unmarshal(out, &status) // an agent that starts says no JSON
	return status
}

// healthy reports whether the units of every component are.
func (a *realAgent) healthy() bool {
	status := a.status()
	units := 0
	for _, c := range status.Components {
		for _, u := range c.Units {
			units++
			if u.State != statusHealthy {
				return false
			}
		}
	}
	return units >= 2
}

// pid is the component's process, as the agent tells it.
func (a *realAgent) pid() int {
	for _, c := range a.status().Components {
		var pid int
		if _, err := fmt.Sscanf(c.Message, "Healthy: communicating with pid '%d'", &pid); err == nil {
			return pid
		}
	}
	return 0
}

// edit replaces the policy, which the agent reads again within a second.
func (a *realAgent) edit(policy string) {
	a.Helper()
	writeFile(a.T, filepath.Join(a.home, "elastic-agent.yml"), []byte(agentSettings+policy))
}

// TestRealAgent: what must hold under a real agent, step by step in one life.
func TestRealAgent(t *testing.T) {
	r := newRig(t, defendertest.Options{Seed: 11, Alerts: 100})
	first := policy(r.api, r.esURL) + "        interval: 1s\n"
	started := time.Now()
	a := newRealAgent(t, r, first)

	r.eventually("all units HEALTHY", a.healthy)
	healthyAfter := time.Since(started)
	t.Logf("HEALTHY after %.1f s", healthyAfter.Seconds())
	if healthyAfter > 5*time.Second {
		t.Errorf("HEALTHY after %s, want 5s", healthyAfter)
	}
	r.waitStored()
	r.expectStored()
	if !strings.Contains(string(r.es.Documents(dataStream)[0]), `"elastic_agent":{"id":"`) {
		t.Error("documents do not name the agent")
	}
	pid := a.pid()
	a.expectPolicyEdit(first)
	second := a.expectOutputEdit(first)
	a.expectWrongSecret(first)
	if now := a.pid(); now != pid || pid == 0 {
		t.Errorf("pid %d, then %d: an edit restarted the component", pid, now)
	}
	a.expectDiagnostics()
	a.expectRecovery(pid, second)
	a.expectStop()
	r.expectStored(second)
}

// expectPolicyEdit: a new tag is in the next documents.
func (a *realAgent) expectPolicyEdit(policy string) {
	a.Helper()
	a.edit(policy + "        tags: [edited]\n")
	a.eventually("the new tag is in a document", func() bool {
		a.touch(1)
		documents := a.es.Documents(dataStream)
		return strings.Contains(string(documents[len(documents)-1]), `"tags":["edited"]`)
	})
}

// expectOutputEdit: documents go to another Elasticsearch, and back.
func (a *realAgent) expectOutputEdit(policy string) *elasticsearchtest.Server {
	a.Helper()
	second, url := newElasticsearch(a.T)
	a.edit(strings.Replace(policy, a.esURL, url, 1))
	a.eventually("documents go to the other output", func() bool {
		a.touch(1)
		return second.Count(dataStream) > 0
	})
	a.edit(policy)
	before := a.es.Count(dataStream)
	a.eventually("documents go to the first output again", func() bool {
		a.touch(1)
		return a.es.Count(dataStream) > before
	})
	return second
}

// expectWrongSecret: the input unit says so in the agent's status, the output
// unit does not, and both are well again with the right one.
func (a *realAgent) expectWrongSecret(policy string) {
	a.Helper()
	a.edit(strings.Replace(policy, defendertest.ClientSecret, "wrong-secret-0123", 1))
	a.eventually("the input unit tells of the wrong secret", func() bool {
		input, output := false, false
		for _, c := range a.status().Components {
			for _, u := range c.Units {
				isInput := strings.HasSuffix(u.ID, "defender-1")
				input = input || isInput && u.State == statusFailed && strings.Contains(u.Message, "the client secret is wrong") && u.Payload["streams"] != nil
				output = output || !isInput && u.State == statusHealthy
			}
		}
		return input && output
	})
	a.edit(policy)
	a.eventually("all units HEALTHY with the right secret", a.healthy)
}

// expectDiagnostics: the archive holds our files, and they hold no secret.
func (a *realAgent) expectDiagnostics() {
	a.Helper()
	archive := filepath.Join(a.TempDir(), "diagnostics.zip")
	if out, err := exec.CommandContext(a.ctx, a.executable, "diagnostics", "--file", archive).CombinedOutput(); err != nil {
		a.Fatalf("diagnostics: %v\n%s", err, out)
	}
	files, err := zip.OpenReader(archive)
	if err != nil {
		a.Fatal(err)
	}
	defer files.Close()
	found := map[string]bool{}
	for _, f := range files.File {
		if !strings.HasPrefix(f.Name, "components/") { // the others are the agent's own
			continue
		}
		found[path.Base(f.Name)] = true
		content := unzipped(a.T, f)
		for _, hidden := range []string{defendertest.ClientSecret, "id:key", "wrong-secret-0123"} {
			if bytes.Contains(content, []byte(hidden)) {
				a.Errorf("%s holds %q", f.Name, hidden)
			}
		}
	}
	for _, name := range []string{"configuration.json", "streams.json", "refused.json", "component.json", "goroutine.pprof.gz"} {
		if !found[name] {
			a.Errorf("diagnostics have no %s: %v", name, found)
		}
	}
}

func unzipped(t *testing.T, f *zip.File) []byte {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// expectRecovery: a component that is killed comes back and loses nothing.
func (a *realAgent) expectRecovery(pid int, second *elasticsearchtest.Server) {
	a.Helper()
	a.touch(5)
	process, err := os.FindProcess(pid)
	if err != nil {
		a.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		a.Fatal(err)
	}
	a.touch(5)
	a.eventually("another process is HEALTHY", func() bool { return a.healthy() && a.pid() != pid })
	a.eventually("all documents stored", func() bool { return a.es.Count(dataStream)+second.Count(dataStream) >= a.want() })
}

// expectStop: all is stored, and the agent stops within the grace.
func (a *realAgent) expectStop() {
	a.Helper()
	began := time.Now()
	if err := a.cmd.Process.Signal(os.Interrupt); err != nil {
		a.Fatal(err)
	}
	if err := <-a.ended; err != nil {
		a.Errorf("the agent stopped with %v", err)
	}
	took := time.Since(began)
	a.Logf("stopped after %.1f s", took.Seconds())
	if took > 20*time.Second {
		a.Errorf("stopped after %s", took)
	}
}

// TestRealAgentThroughShipper: where an agent has shippers and
// ELASTIC_AGENT_SHIPPER names one, with its spec beside it, documents go that way.
func TestRealAgentThroughShipper(t *testing.T) {
	shipper := os.Getenv("ELASTIC_AGENT_SHIPPER")
	if shipper == "" {
		t.Skip("ELASTIC_AGENT_SHIPPER is not set; see CONTRIBUTING.md")
	}
	r := newRig(t, defendertest.Options{Seed: 12, Alerts: 1500})
	es := elasticsearchtest.New(elasticsearchtest.Options{}) // shippers know no API keys
	through := strings.Replace(policy(r.api, listen(t, es)), `api_key: "id:key"`,
		"shipper.enabled: true, flush_timeout: 1s, max_retries: -1", 1) + "        interval: 1s\n"
	a := newRealAgent(t, r, through, shipper, shipper+".spec.yml")
	r.eventually("all units HEALTHY", a.healthy)
	if !slices.ContainsFunc(a.status().Components, func(c agentComponent) bool { return strings.HasPrefix(c.ID, "shipper-") }) {
		t.Fatalf("the agent runs no shipper: %v", a.status())
	}
	r.eventually("all documents stored", func() bool { return es.Count(dataStream) >= r.want() })
	a.touch(5)
	r.eventually("news are stored", func() bool { return es.Count(dataStream) >= r.want() })
	a.expectStop()
	t.Logf("offered %d, stored %d through the shipper", r.want(), es.Count(dataStream))
	if n := es.Count(dataStream); n != r.want() {
		t.Errorf("%d documents, want %d", n, r.want())
	}
}

// layHome makes an agent's home with the component in it. The agent finds its
// own folder by its executable, so that one must be a real file there.
func layHome(t *testing.T, executable, policy string, extra ...string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "agent") // short: it holds the control socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	version, commit := agentVersion(t, executable)
	data := filepath.Join("data", fmt.Sprintf("elastic-agent-%s-%s", version, commit))
	components := filepath.Join(home, data, "components")
	if err := os.MkdirAll(components, 0o755); err != nil {
		t.Fatal(err)
	}
	copyFile(t, executable, filepath.Join(home, data, "elastic-agent"), 0o755)
	copyFile(t, binary, filepath.Join(components, "defender-endpoint"), 0o755)
	writeFile(t, filepath.Join(components, "defender-endpoint.spec.yml"), spec.Component)
	writeFile(t, filepath.Join(home, data, "package.version"), []byte(version))
	if err := os.Symlink(filepath.Join(data, "elastic-agent"), filepath.Join(home, "elastic-agent")); err != nil {
		t.Fatal(err)
	}
	for _, file := range extra {
		copyFile(t, file, filepath.Join(components, filepath.Base(file)), 0o755)
	}
	writeFile(t, filepath.Join(home, "elastic-agent.yml"), []byte(agentSettings+policy))
	return home
}

// agentSettings keep the agent quick and to itself.
const agentSettings = `
agent:
  reload: {enabled: true, period: 1s}
  monitoring: {enabled: false, logs: false, metrics: false, traces: false, http: {enabled: false}}
  grpc: {address: localhost, port: 0}
  logging: {level: info, to_files: false, to_stderr: true}
`

// agentVersion asks the executable, which names its commit in full.
func agentVersion(t *testing.T, executable string) (version, commit string) {
	t.Helper()
	out, err := exec.Command(executable, "version", "--binary-only").Output()
	if err != nil {
		t.Fatalf("%s version: %v", executable, err)
	}
	text := string(out)
	if _, after, ok := strings.Cut(text, "Binary: "); ok {
		version, _, _ = strings.Cut(after, " ")
	}
	if _, after, ok := strings.Cut(text, "build: "); ok && len(after) >= 6 {
		commit = after[:6]
	}
	if version == "" || commit == "" {
		t.Fatalf("no version and commit in %q", text)
	}
	return version, commit
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
