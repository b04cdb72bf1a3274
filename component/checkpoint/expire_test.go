package checkpoint

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func source(name string) inputs.Key { return inputs.Key{Source: name} }

// saveOld saves checkpoints almost half a year before now, but for "recent", puts
// "aside" aside, and lays another file beside them.
func saveOld(t *testing.T, dir string, now time.Time) (other string) {
	t.Helper()
	first, err := openAt(dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gone", "loaded", "saved", "recent", "aside"} {
		if err := first.Save(t.Context(), source(name), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		at := now.Add(-179 * 24 * time.Hour)
		if name == "recent" {
			at = now
		}
		if err := os.Chtimes(first.path(source(name)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(first.path(source("aside")), first.path(source("aside"))+unusable); err != nil {
		t.Fatal(err)
	}
	other = filepath.Join(dir, "cursors", "of somebody else")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first.Close()
	return other
}

// TestOldCheckpointsEnd: one that nobody asked for in half a year is removed, put
// aside or not. One in use stays, however old it is, and even where the clock is wrong.
func TestOldCheckpointsEnd(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	other := saveOld(t, dir, now)
	second, err := openAt(dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	there := func(name string) bool {
		_, err := os.Stat(second.path(source(name)))
		return err == nil
	}
	save := func() {
		t.Helper()
		if err := second.Save(t.Context(), source("saved"), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.Load(t.Context(), source("loaded")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(second.path(source("loaded"))); err != nil || info.ModTime().Before(now.Add(-time.Hour)) {
		t.Errorf("one that was asked for is as old as before: %v", err)
	}
	now = now.Add(23 * time.Hour)
	save()
	if !there("gone") {
		t.Error("removed although its stream may not have asked yet")
	}
	now = now.Add(2 * 24 * time.Hour)
	save()
	if there("gone") || !there("loaded") || !there("saved") || !there("recent") {
		t.Errorf("gone %t, loaded %t, saved %t, recent %t", there("gone"), there("loaded"), there("saved"), there("recent"))
	}
	if _, err := os.Stat(second.path(source("aside")) + unusable); err == nil {
		t.Error("what was put aside stays for ever")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("a file that is no checkpoint was removed")
	}
	now = now.Add(100 * 365 * 24 * time.Hour) // the clock jumps
	save()
	if !there("loaded") || !there("saved") {
		t.Error("one in use was removed")
	}
}
