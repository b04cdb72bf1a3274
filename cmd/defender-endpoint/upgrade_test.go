package main_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/home"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

// carriedWithin is the promise: the agent's watcher looks after 30 s, and an upgrade
// ends this process some seconds after the new home appeared.
const carriedWithin = time.Second

// newHomes makes an agent's top folder whose one home has the component, and
// returns the binary in it and the folder of components of a home to come.
func newHomes(t *testing.T) (installed, next string) {
	t.Helper()
	top := t.TempDir()
	components := func(name string) string { return filepath.Join(top, "data", name, "components") }
	now := components("elastic-agent-9.5.2-aaaaaa")
	if err := os.MkdirAll(now, 0o755); err != nil {
		t.Fatal(err)
	}
	installed = filepath.Join(now, filepath.Base(binary))
	copyFile(t, binary, installed, 0o755)
	writeFile(t, filepath.Join(now, "defender-endpoint.spec.yml"), spec.Component)
	return installed, components("elastic-agent-9.6.0-bbbbbb")
}

// carried reports whether a folder of components has both files whole.
func carried(t *testing.T, dir string) bool {
	t.Helper()
	s, err := os.ReadFile(filepath.Join(dir, "defender-endpoint.spec.yml"))
	if err != nil {
		return false
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.Base(binary)))
	if err != nil {
		t.Fatalf("the spec stands without its binary: %v", err)
	}
	want, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(s, spec.Component) && bytes.Equal(b, want)
}

// makeHome does what an upgrade does, and measures how long the component takes to
// be there.
func (r *rig) makeHome(components string) time.Duration {
	r.Helper()
	if err := os.MkdirAll(components, 0o755); err != nil {
		r.Fatal(err)
	}
	began := time.Now()
	r.eventually("the component is in the new home", func() bool { return carried(r.T, components) })
	return time.Since(began)
}

// TestCarriedIntoANewHome: the program under an agent finds the home that an upgrade
// makes, while it collects.
func TestCarriedIntoANewHome(t *testing.T) {
	r := newRig(t, defendertest.Options{Seed: 21, Alerts: 50})
	installed, next := newHomes(t)
	r.set(elasticsearchUnit(r.esURL), r.input(nil))
	if err := r.agent.Start(r.ctx, exec.CommandContext(r.ctx, installed)); err != nil {
		t.Fatal(err)
	}
	r.waitHealthy()
	took := r.makeHome(next)
	t.Logf("carried after %s", took)
	if took > carriedWithin {
		t.Errorf("carried after %s, want %s", took, carriedWithin)
	}
	r.waitStored()
	r.stop()
	lines := 0
	for _, line := range r.agent.Log() {
		if strings.Contains(line, "carried the component into a new home of the agent") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d log lines about it, want 1", lines)
	}
	out, err := exec.Command(filepath.Join(next, filepath.Base(binary)), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "defender-endpoint ") {
		t.Errorf("what was carried does not run: %q, %v", out, err)
	}
}

// TestNotCarried: where it is switched off, and in a container.
func TestNotCarried(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"switched off": home.Switch + "=false", "container": "ELASTIC_CONTAINER=true"}
	sideBySide(t, maps.All(variables), func(t *testing.T, variable string) {
		r := newRig(t, defendertest.Options{Seed: 22, Alerts: 1})
		installed, next := newHomes(t)
		if err := os.MkdirAll(next, 0o755); err != nil { // found at the first look
			t.Fatal(err)
		}
		r.set(elasticsearchUnit(r.esURL), r.input(nil))
		cmd := exec.CommandContext(r.ctx, installed)
		cmd.Env = append(os.Environ(), variable)
		if err := r.agent.Start(r.ctx, cmd); err != nil {
			t.Fatal(err)
		}
		r.waitHealthy()
		r.stop() // the last look
		if entries, err := os.ReadDir(next); err != nil || len(entries) != 0 {
			t.Errorf("%v, %v: want an empty folder", entries, err)
		}
	})
}

// TestRealAgentInstall: into the home of an agent that runs, along with an upgrade,
// and out of it.
func TestRealAgentInstall(t *testing.T) {
	r := newRig(t, defendertest.Options{Seed: 23, Alerts: 50})
	a := newRealAgentWithout(t, r, policy(r.api, r.esURL)+"        interval: 1s\n")
	a.eventually("the agent answers", func() bool { return len(a.status().Components) > 0 })

	said := a.run("install", "--wait", "60s")
	if !strings.Contains(said, "HEALTHY") {
		t.Errorf("install said:\n%s", said)
	}
	a.waitStored()
	if said = a.run("install", "status"); !strings.Contains(said, "(in use): ") || !strings.Contains(said, "the agent says: HEALTHY") {
		t.Errorf("install status said:\n%s", said)
	}
	a.eventually("status tells of the stream below the agent's home", func() bool {
		out, err := exec.CommandContext(a.ctx, binary, "status", "--top", a.home).CombinedOutput()
		return err == nil && bytes.Contains(out, []byte("stream defender-1-log\n    HEALTHY collecting"))
	})
	took := r.makeHome(filepath.Join(a.home, "data", "elastic-agent-99.0.0-bbbbbb", "components"))
	t.Logf("carried after %s", took)
	if took > carriedWithin {
		t.Errorf("carried after %s, want %s", took, carriedWithin)
	}
	if said = a.run("uninstall"); !strings.Contains(said, "removed") {
		t.Errorf("uninstall said:\n%s", said)
	}
	a.eventually("the agent calls the input not supported", func() bool {
		for _, c := range a.status().Components {
			if strings.Contains(fmt.Sprint(c), "not supported") {
				return true
			}
		}
		return false
	})
	if left, _ := filepath.Glob(filepath.Join(a.home, "data", "*", "components", "*defender-endpoint*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	a.expectStop()
}

// run runs the program on the agent's folder.
func (a *realAgent) run(args ...string) string {
	a.Helper()
	out, err := exec.CommandContext(a.ctx, binary, append(args, "--top", a.home)...).CombinedOutput()
	a.Logf("%s:\n%s", strings.Join(args, " "), out)
	if err != nil {
		a.Errorf("%s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
