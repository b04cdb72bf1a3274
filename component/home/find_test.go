//go:build !windows

package home

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFind: by link, service, plist, wrapper, and by what --top may name.
func TestFind(t *testing.T) {
	tr := newTree(t)
	tr.home(newHome)
	tr.use(newHome)
	link := filepath.Join(tr.top, "elastic-agent")
	text := func(content string) places {
		path := filepath.Join(t.TempDir(), "file")
		tr.write(path, content, 0o644)
		return places{texts: []string{path}}
	}
	want := home(filepath.Join(tr.top, "data", newHome))
	for name, c := range map[string]struct {
		named  string
		places places
	}{
		"link":       {"", places{links: []string{link}}},
		"unit":       {"", text("[Service]\nExecStart=" + link + "\nWorkingDirectory=" + tr.top + "\n")},
		"plist":      {"", text("<array><string>" + link + "</string></array>")},
		"wrapper":    {"", text("#!/bin/sh\nexec " + link + " $@\n")},
		"registry":   {"", places{paths: []string{link}}},
		"both":       {"", places{links: []string{link}, paths: []string{link}}},
		"top":        {tr.top, places{}},
		"executable": {link, places{}},
		"home":       {string(want), places{}},
		"macOS":      {filepath.Join(string(want), "elastic-agent.app", "Contents", "MacOS"), places{}},
	} {
		if name == "macOS" {
			if err := os.MkdirAll(c.named, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		a, err := find(c.named, c.places)
		if err != nil || a.home != want || a.executable != link || a.packaged || len(a.homes) != 2 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// TestFindSeveral names them.
func TestFindSeveral(t *testing.T) {
	a, b := newTree(t), newTree(t)
	_, err := find("", places{links: []string{filepath.Join(a.top, "elastic-agent"), filepath.Join(b.top, "elastic-agent")}})
	if err == nil || !strings.Contains(err.Error(), a.top) || !strings.Contains(err.Error(), b.top) {
		t.Errorf("error %v", err)
	}
}

// TestFindPackaged: DEB and RPM keep the link apart from the homes, and the operator
// learns that their upgrades remove the component.
func TestFindPackaged(t *testing.T) {
	tr := newTree(t)
	tr.home(newHome)
	os.Remove(filepath.Join(tr.top, "elastic-agent"))
	link := filepath.Join(t.TempDir(), "elastic-agent")
	if err := os.Symlink(filepath.Join(tr.top, "data", newHome, "elastic-agent"), link); err != nil {
		t.Fatal(err)
	}
	p := places{links: []string{link}}
	for _, named := range []string{"", tr.top, link} {
		a, err := find(named, p)
		if err != nil || !a.packaged || a.executable != link || filepath.Base(string(a.home)) != newHome {
			t.Errorf("--top %q: %+v, %v", named, a, err)
		}
	}
	said, err := tr.do(Install, tr.component("1.2.3"), noRestart, func(o *Options) { o.places = p })
	if err != nil || !strings.Contains(said, "comes from a DEB or RPM") {
		t.Errorf("%v:\n%s", err, said)
	}
	tr.expect(newHome, "1.2.3")
	// What apply-flavor does in an upgrade, and the drop-in of the docs before the start.
	os.Remove(tr.binary(newHome))
	os.Remove(tr.spec(newHome))
	if said, err := tr.do(Install, tr.component("1.2.3"), noRestart, func(o *Options) { o.Top, o.places = "", p }); err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
	tr.expect(newHome, "1.2.3")
	if asked := tr.asked(); asked != "" {
		t.Errorf("an agent that is about to start was asked %q", asked)
	}
}

// TestVersionOfAgent: from its file, else from the folder's name.
func TestVersionOfAgent(t *testing.T) {
	tr := newTree(t)
	for base, want := range map[string]string{
		oldHome: "8.15.6", "elastic-agent-9.5.2-SNAPSHOT-bbbbbb": "9.5.2-SNAPSHOT", "elastic-agent-aaaaaa": "",
	} {
		if got := home(filepath.Join(tr.top, "data", base)).version(); got != want {
			t.Errorf("%s: %q, want %q", base, got, want)
		}
	}
	tr.write(filepath.Join(tr.top, "data", oldHome, "package.version"), "8.15.6+build\n", 0o644)
	if got := home(filepath.Join(tr.top, "data", oldHome)).version(); got != "8.15.6+build" {
		t.Errorf("%q", got)
	}
}

// TestOwner: root's copy belongs to the owner of the folder, and root starts no
// program of somebody else to learn its version.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	tr := newTree(t)
	c := tr.component("1.2.3")
	dir := tr.components(oldHome)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := c.place(dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tr.binary(oldHome), tr.spec(oldHome)} {
		info, err := os.Stat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s: %+v, %v", path, info, err)
		}
	}
	if got := c.versionIn(t.Context(), dir); got != "" {
		t.Errorf("root asked another's program for its version: %q", got)
	}
}
