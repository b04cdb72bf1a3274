package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// expireAfter is how long a checkpoint is kept that no stream asks for: the
	// service keeps nothing for longer (API.md 3.3), so a stream that comes back
	// later than that finds no more than a new one with the largest look-back.
	expireAfter = 180 * 24 * time.Hour
	// expireEvery is how often old ones are looked for, and how long a process has
	// run before it looks: by then its streams have asked for theirs.
	expireEvery = 24 * time.Hour
)

// expire removes, once a day, files that no stream of this process has asked for
// and that were not written for expireAfter: those of inputs that are gone for
// good. What is in use stays, even where the clock is wrong.
func (f *Files) expire(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.expired) < expireEvery {
		return
	}
	f.expired = now
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return // the next save reports it, or tomorrow's
	}
	for _, entry := range entries {
		path := filepath.Join(f.dir, entry.Name())
		checkpoint, _ := strings.CutSuffix(path, unusable)
		if !strings.HasSuffix(checkpoint, suffix) || f.used[path] {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > expireAfter {
			_ = os.Remove(path) // or tomorrow
		}
	}
}

// use notes that a stream of this process has this file.
func (f *Files) use(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used[path] = true
}
