//go:build !windows

package checkpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestWhatIsNoFile: a directory or a pipe in the place of a checkpoint, or of the
// one that is being written, is put aside and blocks nothing.
func TestWhatIsNoFile(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"directory": func(path string) error { return os.MkdirAll(filepath.Join(path, "more"), 0o700) },
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		for _, suffix := range []string{"", ".new"} {
			t.Run(name+suffix, func(t *testing.T) {
				dir := t.TempDir()
				files, err := checkpoint.Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer files.Close()
				if err := files.Save(t.Context(), key, []byte(`{"n":1}`)); err != nil {
					t.Fatal(err)
				}
				saved, _ := filepath.Glob(filepath.Join(dir, "cursors", "*.json"))
				if err := errors.Join(os.Remove(saved[0]), put(saved[0]+suffix)); err != nil {
					t.Fatal(err)
				}
				_, err = files.Load(t.Context(), key)
				if !errors.Is(err, inputs.ErrNoCursor) || suffix == "" && !strings.Contains(err.Error(), "in its place") {
					t.Errorf("load: %v", err)
				}
				if err := files.Save(t.Context(), key, []byte(`{"n":2}`)); err != nil {
					t.Errorf("save: %v", err)
				}
				if value, err := files.Load(t.Context(), key); err != nil || string(value) != `{"n":2}` {
					t.Errorf("loaded %s, %v", value, err)
				}
			})
		}
	}
}

// TestDirectoryThatVanishes is made again, and owned by one process.
func TestDirectoryThatVanishes(t *testing.T) {
	dir := t.TempDir()
	files, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	for i := range 2 {
		if err := os.RemoveAll(filepath.Join(dir, "cursors")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := files.Save(t.Context(), key, []byte(`{}`)); err != nil {
				t.Errorf("save: %v", err)
			}
			if _, err := checkpoint.Open(dir); !errors.Is(err, checkpoint.ErrLocked) {
				t.Errorf("a second process: %v", err)
			}
			continue
		}
		other, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := files.Save(t.Context(), key, []byte(`{}`)); !errors.Is(err, checkpoint.ErrLocked) {
			t.Errorf("save where another process was first: %v", err)
		}
	}
}
