//go:build !windows

package home

import (
	"os"
	"syscall"
)

// ownAs gives a file to the owner of a folder. Only root can, and only root has to:
// every other writes for the agent of its own user.
func ownAs(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// trusted reports whether a file is root's or the caller's.
func trusted(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && (owner.Uid == 0 || int(owner.Uid) == os.Geteuid())
}

func replace(from, to string) error { return os.Rename(from, to) }

// syncFolder makes a rename last. Where a file system cannot, the order of its
// journal has to do.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		f.Close()
	}
}
