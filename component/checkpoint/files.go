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

	"github.com/elastic/elastic-agent-libs/file"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// version of the file format; other ones are not read.
const version = 1

// maxSize bounds what is read back, bytes.
const maxSize = 64 << 20

// ErrLocked means that another process owns the directory.
var ErrLocked = errors.New("state directory is in use by another process")

// Files keeps each cursor in a file of its own.
type Files struct {
	dir  string
	lock *os.File
}

// content is a file's JSON.
type content struct {
	Version int             `json:"version"`
	Key     inputs.Key      `json:"key"`
	Value   json.RawMessage `json:"value"`
	// Sum is the hex SHA-256 of Value: a half-written or edited file is not a cursor.
	Sum string `json:"sum"`
}

// Open makes or opens the cursors directory under the component's data path
// and locks it. The error is ErrLocked where another process has it.
func Open(dataPath string) (*Files, error) {
	dir := filepath.Join(dataPath, "cursors")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state lock: %w", err)
	}
	if err := tryLock(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return &Files{dir, lock}, nil
}

// Close gives the directory free.
func (f *Files) Close() error { return f.lock.Close() }

// Load implements inputs.Cursors.
func (f *Files) Load(_ context.Context, key inputs.Key) ([]byte, error) {
	path := f.path(key)
	value, err := read(path, key)
	if err == nil {
		return value, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inputs.ErrNoCursor
	}
	// Kept for whoever wants to know; the next save makes a new one.
	_ = os.Rename(path, path+".unusable")
	return nil, fmt.Errorf("%w: %w", inputs.ErrNoCursor, err)
}

func read(path string, key inputs.Key) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("file of %d bytes is too large", info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, errors.New("file is torn or no checkpoint")
	}
	switch {
	case c.Version != version:
		return nil, fmt.Errorf("file has format version %d, want %d", c.Version, version)
	case c.Key != key:
		return nil, errors.New("file belongs to another stream")
	case c.Sum != sum(c.Value):
		return nil, errors.New("file is damaged")
	}
	return c.Value, nil
}

// Save implements inputs.Cursors.
func (f *Files) Save(_ context.Context, key inputs.Key, value []byte) error {
	b, err := json.Marshal(content{version, key, value, sum(value)})
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	path := f.path(key)
	temp := path + ".new"
	if err := write(temp, b); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := file.SafeFileRotate(path, temp); err != nil {
		return fmt.Errorf("replace checkpoint: %w", err)
	}
	return nil
}

func write(path string, b []byte) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	return errors.Join(err, out.Sync(), out.Close())
}

// Delete implements inputs.Cursors.
func (f *Files) Delete(_ context.Context, key inputs.Key) error {
	if err := os.Remove(f.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete checkpoint: %w", err)
	}
	return nil
}

func (f *Files) path(key inputs.Key) string {
	h := sha256.Sum256([]byte(key.Input + "\x00" + key.Stream + "\x00" + key.Dataset))
	return filepath.Join(f.dir, hex.EncodeToString(h[:16])+".json")
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

var _ inputs.Cursors = (*Files)(nil)
