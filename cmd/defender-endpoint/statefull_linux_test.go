package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestStateDirectoryFull: run says so and collects all the same.
func TestStateDirectoryFull(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 3, Alerts: 2})
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=8k"); err != nil {
		t.Skip("no small disk can be made: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	filler, err := os.Create(filepath.Join(state, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 1024))
	}
	code, out := both(t, dir, "run", "-c", file, "--once", "-E", "path.data="+state)
	if code != 1 || es.Count(dataStream) == 0 {
		t.Errorf("exit code %d, %d documents", code, es.Count(dataStream))
	}
	expectLine(t, out, "defender-endpoint: ", "checkpoint cannot be kept: no space left on device", "check the state directory's space and permissions")
}
