package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

var key = inputs.Key{Input: "defender-1", Stream: "log", Dataset: "microsoft_defender_endpoint.log"}

func open(t *testing.T, dir string) *checkpoint.Files {
	t.Helper()
	f, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestContract(t *testing.T) {
	dir := t.TempDir()
	var former *checkpoint.Files
	inputstest.RunCursorsContract(t, func(t *testing.T) inputs.Cursors {
		if former != nil {
			former.Close()
		}
		former = open(t, dir)
		return former
	})
}

func TestContractOfFake(t *testing.T) {
	var c inputstest.Cursors
	inputstest.RunCursorsContract(t, func(*testing.T) inputs.Cursors { return &c })
}

func TestUnusableFilesAreNoCursor(t *testing.T) {
	cases := map[string]func(good string) string{
		"torn":         func(good string) string { return good[:len(good)/2] },
		"empty":        func(string) string { return "" },
		"no json":      func(string) string { return "hello" },
		"newer":        func(good string) string { return strings.Replace(good, `"version":1`, `"version":2`, 1) },
		"foreign":      func(good string) string { return strings.Replace(good, "defender-1", "defender-2", 1) },
		"value edited": func(good string) string { return strings.Replace(good, "2026", "2027", 1) },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir)
			if err := f.Save(context.Background(), key, []byte(`{"cursor":"2026-03-01T00:00:00Z"}`)); err != nil {
				t.Fatal(err)
			}
			path := only(t, dir)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(spoil(string(good))), 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := f.Load(context.Background(), key)
			var unusable *inputs.UnusableCursor
			if !errors.Is(err, inputs.ErrNoCursor) || !errors.As(err, &unusable) {
				t.Errorf("got %s, %v; want UnusableCursor", v, err)
			}
			if err := f.Save(context.Background(), key, []byte(`{}`)); err != nil {
				t.Errorf("save after an unusable file: %v", err)
			}
		})
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if err := f.Save(context.Background(), key, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(only(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := checkpoint.Open(dir); !errors.Is(err, checkpoint.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	} else if !strings.Contains(err.Error(), fmt.Sprintf("(pid %d); stop it", os.Getpid())) {
		t.Errorf("does not say who has it: %v", err)
	}
	first.Close()
	open(t, dir)
}

func TestSaveFailsWhereNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	cursors := filepath.Join(dir, "cursors")
	if err := errors.Join(os.RemoveAll(cursors), os.WriteFile(cursors, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(context.Background(), key, []byte(`{}`)); err == nil {
		t.Error("save into what is no directory returned nil")
	}
}

// TestDirectoryThatCannotBeMade: saves fail until it can, and succeed then.
func TestDirectoryThatCannotBeMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in its place
		t.Fatal(err)
	}
	f := open(t, dir)
	if err := f.Save(context.Background(), key, []byte(`{}`)); err == nil {
		t.Fatal("saved without a directory")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(context.Background(), key, []byte(`{}`)); err != nil {
		t.Errorf("save once there is room: %v", err)
	}
	if _, err := checkpoint.Open(dir); !errors.Is(err, checkpoint.ErrLocked) {
		t.Errorf("the directory is not locked: %v", err)
	}
}

// failing is a store whose saves fail while err is set.
type failing struct {
	inputstest.Cursors
	err error
}

func newFailing() *failing {
	f := &failing{}
	f.SaveError = func(inputs.Key) error { return f.err }
	return f
}

func TestUnsavedIsRemembered(t *testing.T) {
	ctx, inner := context.Background(), newFailing()
	u := checkpoint.KeepUnsaved(inner)
	if err := u.Save(ctx, key, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	inner.err = errors.New("disk full")
	if err := u.Save(ctx, key, []byte(`2`)); !errors.Is(err, inner.err) {
		t.Errorf("the failure is hidden: %v", err)
	}
	expect := func(want string) {
		t.Helper()
		if got, err := u.Load(ctx, key); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	expect("2")
	inner.err = nil
	if err := u.Save(ctx, key, []byte(`3`)); err != nil {
		t.Fatal(err)
	}
	expect("3")
	inner.err = errors.New("disk full")
	_ = u.Save(ctx, key, []byte(`4`))
	if err := u.Delete(ctx, key.Input); err != nil {
		t.Fatal(err)
	}
	if got, err := u.Load(ctx, key); !errors.Is(err, inputs.ErrNoCursor) {
		t.Errorf("after delete: %s, %v", got, err)
	}
}

func TestContractOfUnsaved(t *testing.T) {
	var inner inputstest.Cursors
	inputstest.RunCursorsContract(t, func(*testing.T) inputs.Cursors { return checkpoint.KeepUnsaved(&inner) })
}

func only(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "cursors", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v; want one", files, err)
	}
	return files[0]
}

// TestLinksAreNotFollowed: who can plant a link in the directory does not get
// another file overwritten or made.
func TestLinksAreNotFollowed(t *testing.T) {
	dir, precious := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	f := open(t, dir)
	if err := f.Save(context.Background(), key, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{precious, precious + "-missing"} {
		if err := os.Symlink(target, only(t, dir)+".new"); err != nil {
			t.Fatal(err)
		}
		if err := f.Save(context.Background(), key, []byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	lock := filepath.Join(dir, "cursors", "lock")
	if err := errors.Join(os.Remove(lock), os.Symlink(precious+"-missing", lock)); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir)
	if err := other.Save(context.Background(), key, []byte(`{"a":2}`)); err == nil {
		t.Error("saved with a lock that is elsewhere")
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("the file that the link leads to holds %s, %v", b, err)
	}
	if _, err := os.Stat(precious + "-missing"); err == nil {
		t.Error("a file was made through a link")
	}
}
