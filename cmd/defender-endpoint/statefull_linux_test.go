package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStateDirectoryFull: see expectCollected.
func TestStateDirectoryFull(t *testing.T) {
	t.Parallel()
	expectCollected(t, func(_ *exec.Cmd, _, state string) {
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
	}, "checkpoint cannot be kept: no space left on device")
}
