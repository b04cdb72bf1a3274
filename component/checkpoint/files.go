package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/elastic/elastic-agent-libs/file"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// ErrLocked means that another process owns the directory.
var ErrLocked = errors.New("state directory is in use by another process")

var (
	errTooLarge = errors.New("it is too large for a checkpoint")
	errNoFile   = errors.New("there is a directory, a pipe or a device in its place")
)

// Files keeps each checkpoint in a file of its own.
type Files struct {
	dir string

	mu   sync.Mutex
	lock *os.File // nil until the directory could be made and locked

	now     func() time.Time
	used    map[string]bool // files that a stream of this process asked for
	expired time.Time       // when old files were last looked for, or the start
}

// The ends of the names of checkpoints, and of those put aside.
const (
	suffix   = ".json"
	unusable = ".unusable"
)

// Open makes or opens the directory of checkpoints under the component's data path
// and locks it. The error is ErrLocked where another process has it. A
// directory that cannot be made is no error here but of every Save, which
// tries again: collecting continues meanwhile.
func Open(dataPath string) (*Files, error) {
	return openAt(dataPath, time.Now)
}

func openAt(dataPath string, now func() time.Time) (*Files, error) {
	f := &Files{dir: filepath.Join(dataPath, "cursors"), now: now, used: map[string]bool{}, expired: now()}
	if err := f.own(); errors.Is(err, ErrLocked) {
		return nil, err
	}
	return f, nil
}

// own makes and locks the directory unless it is ours already. One that vanished
// is made again: the lock of what is no longer there keeps nobody out.
func (f *Files) own() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock != nil {
		if f.holds() {
			return nil
		}
		_ = f.lock.Close()
		f.lock = nil
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	lock, err := openIn(f.dir, "lock", os.O_CREATE|os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open state lock: %w", err)
	}
	if err := tryLock(lock); err != nil {
		defer lock.Close()
		if errors.Is(err, ErrLocked) {
			return fmt.Errorf("%s: %w%s; stop it, or give this one another directory in path.data", f.dir, err, ownerOf(lock))
		}
		return fmt.Errorf("lock state directory %s: %w", f.dir, err)
	}
	noteOwner(lock)
	f.lock = lock
	return nil
}

// holds reports whether the lock is still the one in the directory.
func (f *Files) holds() bool {
	ours, err := f.lock.Stat()
	there, thereErr := os.Lstat(filepath.Join(f.dir, "lock"))
	return err == nil && thereErr == nil && os.SameFile(ours, there)
}

// Close gives the directory free.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}

// Load implements inputs.Cursors. A file that cannot be used is put aside.
func (f *Files) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	return loadOrMove(ctx, f, key)
}

func (f *Files) remove(_ context.Context, key inputs.Key) { _ = os.Remove(f.path(key)) }

func (f *Files) load(_ context.Context, key inputs.Key) ([]byte, error) {
	path := f.path(key)
	f.use(path)
	b, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, inputs.ErrNoCursor
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errTooLarge), errors.Is(err, errNoFile):
	case err != nil: // the disk, or too many open files: it may be readable later
		return nil, fmt.Errorf("read checkpoint: %w", err)
	default:
		var value []byte
		if value, err = decode(key, b); err == nil {
			_ = os.Chtimes(path, f.now(), f.now()) // as old as when it was last asked for
			return value, nil
		}
	}
	// Kept for anyone who wants to know; the next save makes a new one.
	_ = os.Rename(path, path+unusable)
	return nil, &inputs.UnusableCursor{Cause: err}
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // reading a pipe would wait for ever
		return nil, errNoFile
	}
	if info.Size() > maxSize {
		return nil, errTooLarge
	}
	return os.ReadFile(path)
}

// Save implements inputs.Cursors.
func (f *Files) Save(_ context.Context, key inputs.Key, value []byte) error {
	if err := f.own(); err != nil {
		return err
	}
	b, err := encode(key, value)
	if err != nil {
		return err
	}
	f.expire(f.now())
	path := f.path(key)
	f.use(path)
	temp := path + ".new"
	if info, err := os.Lstat(temp); err == nil && !info.Mode().IsRegular() {
		_ = os.RemoveAll(temp) // opening a pipe would wait for ever
	}
	if err := f.write(filepath.Base(temp), b); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := file.SafeFileRotate(path, temp); err != nil {
		return fmt.Errorf("replace checkpoint: %w", err)
	}
	return nil
}

// write makes a new file: an existing one, a link to elsewhere included, is removed
// and not written to.
func (f *Files) write(name string, b []byte) error {
	if err := os.Remove(filepath.Join(f.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := openIn(f.dir, name, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	return errors.Join(err, out.Sync(), out.Close())
}

// openIn opens a file of the directory, and no link that leads out of it.
func openIn(dir, name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(name, flag, 0o600)
}

// Delete implements inputs.Cursors.
func (f *Files) Delete(_ context.Context, input string) error {
	paths, err := filepath.Glob(filepath.Join(f.dir, "*"+suffix))
	if err != nil {
		return fmt.Errorf("delete checkpoints: %w", err)
	}
	var faults []error
	for _, path := range paths {
		var c content
		b, err := read(path)
		if err != nil || json.Unmarshal(b, &c) != nil || c.Key.Input != input || c.Key.Source != "" {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, fmt.Errorf("delete checkpoint: %w", err))
		}
	}
	return errors.Join(faults...)
}

func (f *Files) path(key inputs.Key) string {
	name := key.Source
	if name == "" {
		name = key.Input + "\x00" + key.Stream + "\x00" + key.Dataset
	}
	h := sha256.Sum256([]byte(name))
	return filepath.Join(f.dir, hex.EncodeToString(h[:16])+suffix)
}

var _ inputs.Cursors = (*Files)(nil)
