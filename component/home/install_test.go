//go:build !windows

package home

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// do runs an installation on the tree and returns what it said.
func (tr tree) do(f func(context.Context, Component, Options) error, c Component, change ...func(*Options)) (string, error) {
	tr.Helper()
	var out bytes.Buffer
	o := Options{Top: tr.top, Wait: 5 * time.Second, Out: &out, places: places{links: []string{filepath.Join(tr.top, "elastic-agent")}}}
	for _, ch := range change {
		ch(&o)
	}
	err := f(tr.Context(), c, o)
	return out.String(), err
}

func noRestart(o *Options) { o.NoRestart = true }

// TestInstall: both files, a restart, and the wait for HEALTHY in another process.
func TestInstall(t *testing.T) {
	tr := newTree(t)
	tr.write(filepath.Join(tr.top, ".flavor"), "basic\n", 0o644)
	tr.status("status.json", 0, "", "")
	tr.status("after.json", stateHealthy, "7", "Healthy")
	said, err := tr.do(Install, tr.component("1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	tr.expect(oldHome, "1.2.3")
	for _, want := range []string{"agent 8.15.6 in " + tr.top, "flavour basic", "new: ", "restarted the agent", "HEALTHY", "to undo: defender-endpoint uninstall --top " + tr.top} {
		if !strings.Contains(said, want) {
			t.Errorf("it did not say %q:\n%s", want, said)
		}
	}
	if asked := tr.asked(); asked != "status restart status" {
		t.Errorf("the agent was asked %q", asked)
	}
	if said, err := tr.do(Install, Component{Name: name, Version: "1.2.3", Binary: tr.binary(oldHome), Spec: []byte("version: 2 # 1.2.3\n")}); err != nil || !strings.Contains(said, "already there") {
		t.Errorf("again: %v:\n%s", err, said)
	}
}

// TestInstallReplaces: the former process does not count as HEALTHY.
func TestInstallReplaces(t *testing.T) {
	tr := newTree(t)
	tr.put(oldHome, "1.2.2")
	tr.status("status.json", stateHealthy, "6", "Healthy")
	said, err := tr.do(Install, tr.component("1.2.3"), func(o *Options) { o.Wait = time.Second })
	if err == nil || !strings.Contains(err.Error(), "the component is placed, but not HEALTHY within 1s: the agent did not start it again") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(said, "replace 1.2.2 by 1.2.3") {
		t.Errorf("it said:\n%s", said)
	}
	tr.expect(oldHome, "1.2.3")
}

// TestInstallTellsTrouble: what the component says is what the operator reads.
func TestInstallTellsTrouble(t *testing.T) {
	tr := newTree(t)
	tr.status("after.json", 4, "7", "the client secret is wrong")
	_, err := tr.do(Install, tr.component("1.2.3"), func(o *Options) { o.Wait = time.Second })
	if err == nil || !strings.Contains(err.Error(), "the client secret is wrong") {
		t.Errorf("error %v", err)
	}
}

// TestDryRun: nothing is touched and nobody asked.
func TestDryRun(t *testing.T) {
	for what, c := range map[string]struct {
		do    func(context.Context, Component, Options) error
		there string
	}{"install": {Install, ""}, "install over another": {Install, "1.2.2"}, "uninstall": {Uninstall, "1.2.2"}} {
		t.Run(what, func(t *testing.T) {
			tr := newTree(t)
			if c.there != "" {
				tr.put(oldHome, c.there)
			}
			said, err := tr.do(c.do, tr.component("1.2.3"), func(o *Options) { o.DryRun = true })
			if err != nil || !strings.Contains(said, "nothing was changed") || !strings.Contains(said, tr.spec(oldHome)) {
				t.Errorf("%v:\n%s", err, said)
			}
			tr.expect(oldHome, c.there)
			if asked := tr.asked(); asked != "" {
				t.Errorf("the agent was asked %q", asked)
			}
		})
	}
}

// TestInstallLeavesNoHalf: where one file cannot be written, the other does not stay.
func TestInstallLeavesNoHalf(t *testing.T) {
	for what, path := range map[string]func(tree, string) string{"binary": tree.binary, "spec": tree.spec} {
		t.Run(what, func(t *testing.T) {
			tr := newTree(t)
			if err := os.MkdirAll(filepath.Join(path(tr, oldHome), "in the way"), 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := tr.do(Install, tr.component("1.2.3")); err == nil {
				t.Fatal("no error")
			}
			entries, err := os.ReadDir(tr.components(oldHome))
			if err != nil || len(entries) != 2 { // filebeat, and what is in the way
				t.Errorf("%v, %v", entries, err)
			}
			if asked := tr.asked(); strings.Contains(asked, "restart") {
				t.Errorf("the agent was asked %q", asked)
			}
		})
	}
}

// TestUninstallTakesTheSpecFirst: a binary that cannot be removed keeps no agent from
// starting.
func TestUninstallTakesTheSpecFirst(t *testing.T) {
	tr := newTree(t)
	tr.put(oldHome, "1.2.3")
	os.Remove(tr.binary(oldHome))
	if err := os.MkdirAll(filepath.Join(tr.binary(oldHome), "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.do(Uninstall, tr.component("1.2.3"), noRestart); err == nil || !strings.Contains(err.Error(), tr.binary(oldHome)) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(tr.spec(oldHome)); err == nil {
		t.Error("the spec is still there")
	}
}

// TestInstallErrors: cause and remedy in one line, and the home as it was.
func TestInstallErrors(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(tree)
		change func(*Options)
		want   string
	}{
		"no agent":       {func(tree) {}, func(o *Options) { o.Top, o.places = "", places{links: []string{"/nowhere"}} }, "no Elastic Agent found by its service, its command or its usual folder: name its folder with --top"},
		"wrong folder":   {func(tree) {}, func(o *Options) { o.Top = filepath.Dir(o.Top) }, "no home of an Elastic Agent"},
		"missing folder": {func(tree) {}, func(o *Options) { o.Top += "-2" }, "no such file or directory"},
		"old agent": {func(tr tree) {
			tr.home("elastic-agent-8.12.2-dddddd")
			tr.use("elastic-agent-8.12.2-dddddd")
		}, noRestart, "is 8.12.2, and the component needs 8.13.0: upgrade the agent first"},
		"two homes and no link": {func(tr tree) { tr.home(newHome); os.Remove(filepath.Join(tr.top, "elastic-agent")) }, noRestart, "several homes, and no link"},
		"refused restart":       {func(tr tree) { tr.write(filepath.Join(tr.top, "refuse"), "", 0o644) }, func(*Options) {}, "the component is placed, but the agent was not restarted"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			c.spoil(tr)
			_, err := tr.do(Install, tr.component("1.2.3"), c.change)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q in one line", err, c.want)
			}
			if name != "refused restart" {
				tr.expect(oldHome, "")
			}
		})
	}
}

// TestRights: who may not write learns the remedy, and the agent is left alone.
func TestRights(t *testing.T) {
	if os.Geteuid() == 0 {
		asUser(t)
		return
	}
	tr := newTree(t)
	dir := tr.components(oldHome)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if _, err := tr.do(Install, tr.component("1.2.3")); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "run it as root") {
		t.Errorf("install: %v", err)
	}
	tr.expect(oldHome, "")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tr.put(oldHome, "1.2.3")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.do(Uninstall, tr.component("1.2.3")); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "run it as root") {
		t.Errorf("uninstall: %v", err)
	}
	tr.expect(oldHome, "1.2.3")
	if asked := tr.asked(); strings.Contains(asked, "restart") {
		t.Errorf("the agent was asked %q", asked)
	}
}

// TestUninstall leaves nothing in any home, and Elastic's components alone.
func TestUninstall(t *testing.T) {
	tr := newTree(t)
	tr.put(oldHome, "1.2.2")
	tr.home(newHome)
	tr.put(newHome, "1.2.3")
	tr.use(newHome)
	tr.write(filepath.Join(tr.components(newHome), ".defender-endpoint-123.new"), "half a copy", 0o600)
	said, err := tr.do(Uninstall, tr.component("1.2.3"))
	if err != nil || !strings.Contains(said, "removed") {
		t.Errorf("%v:\n%s", err, said)
	}
	for _, base := range []string{oldHome, newHome} {
		tr.expect(base, "")
		if entries, err := os.ReadDir(tr.components(base)); err != nil || len(entries) != 1 {
			t.Errorf("%s: %v, %v", base, entries, err)
		}
	}
	if asked := tr.asked(); asked != "restart" {
		t.Errorf("the agent was asked %q", asked)
	}
	if said, err := tr.do(Uninstall, tr.component("1.2.3")); err != nil || !strings.Contains(said, "nothing to remove") {
		t.Errorf("again: %v:\n%s", err, said)
	}
}

// TestStatus: every home, what is wrong, and what to do.
func TestStatus(t *testing.T) {
	tr := newTree(t)
	tr.home(newHome)
	tr.status("status.json", stateHealthy, "6", "Healthy")
	said, err := tr.do(Status, tr.component("1.2.3"))
	if err == nil || !strings.Contains(err.Error(), "not installed in "+filepath.Join(tr.top, "data", oldHome)) {
		t.Errorf("not installed: %v:\n%s", err, said)
	}
	tr.put(oldHome, "1.2.2")
	said, err = tr.do(Status, tr.component("1.2.3"))
	for _, want := range []string{oldHome + " (in use): 1.2.2, this program is another build, 1.2.3", newHome + ": not there", "the agent says: HEALTHY"} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%v, want %q:\n%s", err, want, said)
		}
	}
	os.Remove(tr.binary(oldHome))
	if _, err = tr.do(Status, tr.component("1.2.3")); err == nil || !strings.Contains(err.Error(), "keeps the agent from starting: run defender-endpoint install --top "+tr.top) {
		t.Errorf("a spec without its binary: %v", err)
	}
}
