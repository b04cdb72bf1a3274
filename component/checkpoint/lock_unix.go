//go:build !windows

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks until the file is closed or the process ends.
func tryLock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
