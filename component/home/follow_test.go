//go:build !windows

package home

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// newFollower follows as the component in the tree's first home does.
func newFollower(tr tree, version string) (*follower, *bytes.Buffer) {
	tr.put(oldHome, version)
	log := new(bytes.Buffer)
	dir := tr.components(oldHome)
	return &follower{
		component: Component{Name: name, Version: version, Binary: filepath.Join(dir, name)},
		own:       home(filepath.Dir(dir)), log: slog.New(slog.NewTextHandler(log, nil)),
		settled: map[home]string{}, failed: map[home]failure{},
	}, log
}

// TestFollowCarries: what each new home holds decides.
func TestFollowCarries(t *testing.T) {
	for name, c := range map[string]struct {
		put   func(tree)
		want  string
		lines int
	}{
		"nothing there":    {func(tree) {}, "1.2.3", 1},
		"the binary only":  {func(tr tree) { tr.put(newHome, "1.2.3"); os.Remove(tr.spec(newHome)) }, "1.2.3", 1},
		"the spec only":    {func(tr tree) { tr.put(newHome, "1.2.3"); os.Remove(tr.binary(newHome)) }, "1.2.3", 1},
		"the same":         {func(tr tree) { tr.put(newHome, "1.2.3") }, "1.2.3", 0},
		"an older one":     {func(tr tree) { tr.put(newHome, "1.2.2") }, "1.2.3", 1},
		"a pre-release":    {func(tr tree) { tr.put(newHome, "1.2.3-rc1") }, "1.2.3", 1},
		"a newer one":      {func(tr tree) { tr.put(newHome, "1.3.0") }, "1.3.0", 0},
		"no known version": {func(tr tree) { tr.put(newHome, "unknown") }, "unknown", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			f, log := newFollower(tr, "1.2.3")
			f.look(t.Context())
			tr.home(newHome)
			c.put(tr)
			f.look(t.Context())
			f.look(t.Context())
			tr.expect(newHome, c.want)
			tr.expect(oldHome, "1.2.3")
			if n := strings.Count(log.String(), "\n"); n != c.lines {
				t.Errorf("%d log lines, want %d:\n%s", n, c.lines, log)
			}
			if b, err := os.ReadFile(filepath.Join(tr.components(newHome), "filebeat")); err != nil || string(b) != "elastic's" {
				t.Errorf("Elastic's component: %q, %v", b, err)
			}
		})
	}
}

func (tr tree) binary(base string) string { return filepath.Join(tr.components(base), name) }
func (tr tree) spec(base string) string   { return tr.binary(base) + ".spec.yml" }

// TestFollowAgain: a home that an upgrade removes and makes again gets it again.
func TestFollowAgain(t *testing.T) {
	tr := newTree(t)
	f, _ := newFollower(tr, "1.2.3")
	for range 2 {
		tr.home(newHome)
		f.look(t.Context())
		tr.expect(newHome, "1.2.3")
		if err := os.RemoveAll(filepath.Join(tr.top, "data", newHome)); err != nil {
			t.Fatal(err)
		}
		f.look(t.Context())
	}
}

// TestFollowStopsWhereItWasTakenOut: who uninstalls does not see it come back.
func TestFollowStopsWhereItWasTakenOut(t *testing.T) {
	tr := newTree(t)
	f, log := newFollower(tr, "1.2.3")
	os.Remove(tr.spec(oldHome))
	tr.home(newHome)
	f.look(t.Context())
	tr.expect(newHome, "")
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// TestFollowTellsTroubleOnce: a home that takes no file costs one line, and its
// neighbour gets the component.
func TestFollowTellsTroubleOnce(t *testing.T) {
	tr := newTree(t)
	f, log := newFollower(tr, "1.2.3")
	tr.home(newHome)
	if err := os.MkdirAll(filepath.Join(tr.spec(newHome), "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr.home("elastic-agent-9.6.0-cccccc")
	for range 3 {
		f.look(t.Context())
		f.hurry()
	}
	tr.expect("elastic-agent-9.6.0-cccccc", "1.2.3")
	if _, err := os.Stat(tr.binary(newHome)); err == nil {
		t.Error("the binary stayed alone where its spec could not be written")
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log)
	}
}

// TestFollowLeavesReadOnlyAlone: one line, and no further try.
func TestFollowLeavesReadOnlyAlone(t *testing.T) {
	if os.Geteuid() == 0 {
		asUser(t) // root writes everywhere
		return
	}
	tr := newTree(t)
	f, log := newFollower(tr, "1.2.3")
	dir := tr.home(newHome)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	for range 3 {
		f.look(t.Context())
		f.hurry()
	}
	tr.expect(newHome, "")
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "permission denied") {
		t.Errorf("%d log lines, want 1 that says permission denied:\n%s", n, log)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.look(t.Context())
	tr.expect(newHome, "1.2.3")
}

// TestFollowTogether: an agent with several outputs runs several processes of the
// component, and all see the new home.
func TestFollowTogether(t *testing.T) {
	tr := newTree(t)
	var all []*follower
	for range 4 {
		f, _ := newFollower(tr, "1.2.3")
		all = append(all, f)
	}
	for range 10 {
		tr.home(newHome)
		var looking sync.WaitGroup
		for _, f := range all {
			looking.Go(func() { f.look(t.Context()) })
		}
		looking.Wait()
		tr.expect(newHome, "1.2.3")
		if err := os.RemoveAll(filepath.Join(tr.top, "data", newHome)); err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			f.look(t.Context())
		}
	}
}

// hurry makes the next look try again what failed.
func (f *follower) hurry() {
	for h, was := range f.failed {
		f.failed[h] = failure{reason: was.reason}
	}
}
