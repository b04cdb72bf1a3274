package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

// States as `elastic-agent status --output json` numbers them.
const statusHealthy = 2

// agentStatus is what this test reads of `elastic-agent status`.
type agentStatus struct {
	Components []struct {
		ID    string `json:"id"`
		Units []struct {
			ID      string `json:"unit_id"`
			State   int    `json:"state"`
			Message string `json:"message"`
		} `json:"units"`
	} `json:"components"`
}

// TestRealAgent runs the component under the Elastic Agent that
// ELASTIC_AGENT_BINARY names: the executable itself, in a home or alone.
func TestRealAgent(t *testing.T) {
	executable := os.Getenv("ELASTIC_AGENT_BINARY")
	if executable == "" {
		t.Skip("ELASTIC_AGENT_BINARY is not set; see CONTRIBUTING.md")
	}
	r := newRig(t, defendertest.Options{Seed: 11, Alerts: 100})
	home := layHome(t, executable, policy(r.api, r.esURL))
	agent := filepath.Join(home, "elastic-agent")

	started := time.Now()
	var log bytes.Buffer
	cmd := exec.CommandContext(r.ctx, agent, "run", "-e", "-c", filepath.Join(home, "elastic-agent.yml"))
	cmd.Stdout, cmd.Stderr, cmd.Dir = &log, &log, home
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() { running <- cmd.Wait() }()
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = cmd.Process.Kill()
			<-running
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", tail(log.String(), 60))
		}
	})

	r.eventually("all units HEALTHY", func() bool { return unitsHealthy(r.ctx, agent) })
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
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-running; err != nil {
		t.Errorf("the agent stopped with %v", err)
	}
	stopped = true
}

func unitsHealthy(ctx context.Context, agent string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, agent, "status", "--output", "json").Output() // the exit code speaks of the whole agent
	var status agentStatus
	if json.Unmarshal(out, &status) != nil || len(status.Components) != 1 || len(status.Components[0].Units) != 2 {
		return false
	}
	for _, u := range status.Components[0].Units {
		if u.State != statusHealthy {
			return false
		}
	}
	return true
}

// layHome makes an agent's home with the component in it. The agent finds its
// own folder by its executable, so that one must be a real file there.
func layHome(t *testing.T, executable, policy string) string {
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
	writeFile(t, filepath.Join(home, "elastic-agent.yml"), []byte(`
agent:
  monitoring: {enabled: false, logs: false, metrics: false, traces: false, http: {enabled: false}}
  grpc: {address: localhost, port: 0}
  logging: {level: info, to_files: false, to_stderr: true}
`+policy))
	return home
}

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
