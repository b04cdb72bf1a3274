package checkpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ownerAt is where the lock file has the owner's process id: behind the byte that
// is locked, which nobody else may read on Windows.
const ownerAt = 1

// noteOwner writes who has the lock, for the message to others alone: a full disk is
// no reason to stop.
func noteOwner(lock *os.File) {
	if err := lock.Truncate(0); err == nil {
		_, _ = lock.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), ownerAt)
	}
}

// ownerOf names who has the lock, where that is written there.
func ownerOf(lock *os.File) string {
	text := make([]byte, 20)
	n, _ := lock.ReadAt(text, ownerAt) // all of it is less than that
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
