package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/home"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// watcherSettings make the watcher decide within seconds instead of ten minutes.
const watcherSettings = `
  upgrade: {watcher: {grace_period: 20s, error_check: {interval: 5s}, crash_check: {interval: 5s}}}
`

// TestRealAgentUpgrade: an upgrade stays, and cursors come along. Without the copy
// in the new home the watcher rolls it back.
func TestRealAgentUpgrade(t *testing.T) {
	folder := os.Getenv("ELASTIC_AGENT_UPGRADE")
	if folder == "" {
		t.Skip("ELASTIC_AGENT_UPGRADE is not set; see CONTRIBUTING.md")
	}
	packages, err := filepath.Glob(filepath.Join(folder, "elastic-agent-*-linux-*.tar.gz"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("%s has %d packages, want 1", folder, len(packages))
	}
	version := strings.Split(filepath.Base(packages[0]), "-")[2]
	for name, follow := range map[string]bool{"followed": true, "not followed": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, defendertest.Options{Seed: 24, Alerts: 50})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			r.ctx = ctx
			a := newUpgradeableAgent(t, r, home.Switch+"="+strconv.FormatBool(follow))
			a.eventually("all units HEALTHY", a.healthy)
			r.waitStored()

			a.upgrade(version, folder)
			target, err := os.Readlink(a.executable)
			if err != nil || strings.Contains(target, version) != follow {
				t.Errorf("the home in use is %s, %v; want that of %s: %t", target, err, version, follow)
			}
			if !follow {
				return
			}
			a.eventually("all units HEALTHY after the upgrade", a.healthy)
			a.touch(5)
			r.waitStored()
			r.expectStored()
		})
	}
}

// newUpgradeableAgent starts an agent as its service does: an agent upgrades only
// when it was installed and its parent is process 1.
func newUpgradeableAgent(t *testing.T, r *rig, variable string) *realAgent {
	t.Helper()
	executable := os.Getenv("ELASTIC_AGENT_BINARY")
	if executable == "" {
		t.Fatal("ELASTIC_AGENT_UPGRADE needs ELASTIC_AGENT_BINARY")
	}
	top := layHome(t, executable, "")
	settings := strings.TrimRight(agentSettings, "\n") + watcherSettings + policy(r.api, r.esURL) + "        interval: 1s\n"
	writeFile(t, filepath.Join(top, "elastic-agent.yml"), []byte(settings))
	writeFile(t, filepath.Join(top, ".installed"), nil)
	cmd := exec.Command("sh", "-c", `setsid ./elastic-agent run -e -c elastic-agent.yml >log 2>&1 & echo $!`)
	cmd.Dir, cmd.Env = top, append(os.Environ(), variable)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a restart keeps the pid
		_ = syscall.Kill(pid, syscall.SIGTERM)
		for range 300 {
			if syscall.Kill(pid, 0) != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("the agent did not end")
	})
	return &realAgent{rig: r, home: top, executable: filepath.Join(top, "elastic-agent")}
}

// upgrade returns when the watcher has decided: its marker is there until then.
func (a *realAgent) upgrade(version, folder string) {
	a.Helper()
	out, err := exec.CommandContext(a.ctx, a.executable, "upgrade", version, "--source-uri", "file://"+folder, "--skip-verify").CombinedOutput()
	a.Logf("upgrade: %s(%v)", out, err)
	began, marked := time.Now(), false
	a.eventually("the watcher decides", func() bool {
		_, err := os.Stat(filepath.Join(a.home, "data", ".update-marker"))
		marked = marked || err == nil
		return marked && err != nil
	})
	a.Logf("decided after %s", time.Since(began).Round(time.Second))
}
