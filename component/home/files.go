package home

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/version"
)

const (
	binaryMode = 0o755 // agents refuse what group or others may write
	specMode   = 0o644

	aside = ".old"

	leftoverAge = time.Minute // a copy takes seconds
	askVersion  = 5 * time.Second
)

// place puts both files into a folder of components, the binary first. When it
// returns an error, no spec is without its binary.
func (c Component) place(dir string) error {
	c.clean(dir, leftoverAge)
	from, err := os.Open(c.Binary)
	if err != nil {
		return err
	}
	defer from.Close()
	binary, err := c.stage(dir, from, binaryMode)
	if err != nil {
		return err
	}
	defer os.RemoveAll(binary) // nothing, once it was renamed
	spec, err := c.stage(dir, bytes.NewReader(c.Spec), specMode)
	if err != nil {
		return err
	}
	defer os.RemoveAll(spec)
	first := c.in(dir).binary == nil
	if err := replace(binary, c.binaryIn(dir)); err != nil {
		return err
	}
	syncFolder(dir)
	if err := replace(spec, c.specIn(dir)); err != nil {
		if first { // no half stays
			err = errors.Join(err, os.Remove(c.binaryIn(dir)))
		}
		return err
	}
	syncFolder(dir)
	return nil
}

// stage writes a file of the folder's owner under a temporary name.
func (c Component) stage(dir string, content io.Reader, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(dir, c.temporary())
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.RemoveAll(f.Name())
		}
	}()
	if _, err := io.Copy(f, content); err != nil {
		return "", err
	}
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	if err := ownAs(f, dir); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// temporary is a pattern that no agent takes for a spec.
func (c Component) temporary() string { return "." + c.Name + "-*.new" }

// clean removes what a copy left that was killed, and on Windows a program that
// was put aside.
func (c Component) clean(dir string, age time.Duration) {
	os.RemoveAll(c.binaryIn(dir) + aside)
	entries, _ := os.ReadDir(dir) // who cannot read it cannot write it either
	for _, e := range entries {
		if ok, _ := filepath.Match(c.temporary(), e.Name()); !ok {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) >= age {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// remove takes both files out of a folder, the spec first.
func (c Component) remove(dir string) error {
	for _, path := range []string{c.specIn(dir), c.binaryIn(dir)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		syncFolder(dir)
	}
	c.clean(dir, 0)
	return nil
}

// placed is what a folder of components holds of the component.
type placed struct {
	binary, spec fs.FileInfo // nil where there is none
}

func (p placed) none() bool { return p.binary == nil && p.spec == nil }

// mark differs when one of the files was replaced.
func (p placed) mark() string {
	text := ""
	for _, info := range []fs.FileInfo{p.binary, p.spec} {
		if info == nil {
			text += "none;"
			continue
		}
		text += fmt.Sprintf("%d,%d;", info.Size(), info.ModTime().UnixNano())
	}
	return text
}

func (c Component) in(dir string) placed {
	var p placed
	if info, err := os.Stat(c.binaryIn(dir)); err == nil {
		p.binary = info
	}
	if info, err := os.Stat(c.specIn(dir)); err == nil {
		p.spec = info
	}
	return p
}

// same reports whether a folder holds these very files.
func (c Component) same(dir string) bool {
	spec, err := os.ReadFile(c.specIn(dir))
	return err == nil && bytes.Equal(spec, c.Spec) && sameContent(c.Binary, c.binaryIn(dir))
}

func sameContent(a, b string) bool {
	x, errX := digest(a)
	y, errY := digest(b)
	return errX == nil && errY == nil && x == y
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// versionIn asks the binary in a folder for its version; "" where it does not
// say, or belongs to somebody whose programs the caller should not start.
func (c Component) versionIn(ctx context.Context, dir string) string {
	path := c.binaryIn(dir)
	if !trusted(path) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, askVersion)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "version").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || fields[0] != c.Name {
		return ""
	}
	return fields[1]
}

// newer reports whether version a is above b. What is no version is not.
func newer(a, b string) bool {
	x, errX := version.New(a)
	y, errY := version.New(b)
	return errX == nil && errY == nil && !x.LessThanOrEqual(true, y)
}
