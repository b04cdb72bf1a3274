package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// FileName is the status file's in the state directory.
	FileName = "status.json"
	// writeEvery is how often it is written, and Stale the age from which its
	// process hangs or is gone.
	writeEvery = 10 * time.Second
	Stale      = 3 * writeEvery
	// fileLimit bounds what is read of one.
	fileLimit = 16 << 20
)

// Write keeps the status file in a directory until ctx ends, and writes then that
// the process has ended. A state that changes is in the file two seconds later.
func Write(ctx context.Context, dir string, source func() Overview, log *slog.Logger) {
	path := filepath.Join(dir, FileName)
	logged := false
	write := func(o Overview) {
		if err := replace(path, o); err != nil && !logged {
			logged = true
			log.Warn("the status file cannot be written", "error", err.Error()+"; check the state directory's space and permissions")
		}
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var former Overview
	for {
		select {
		case <-ctx.Done():
			o := source()
			o.Ended, o.Units = true, nil
			write(o)
			return
		case <-look.C:
			if o := source(); o.At.Sub(former.At) >= writeEvery || !slices.Equal(o.states(), former.states()) {
				write(o)
				former = o
			}
		}
	}
}

// lookEvery is how often the file is looked after.
const lookEvery = 2 * time.Second

// replace writes a file that only its owner reads, whole or not at all. A crash
// of the machine may take it: the next one is seconds away.
func replace(path string, o Overview) error {
	b, err := o.encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), FileName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// ErrNone means that a directory has no status file.
var ErrNone = errors.New("no status file")

// Read reads the status file of a state directory.
func Read(dir string) (Overview, error) {
	var o Overview
	path := filepath.Join(dir, FileName)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, fmt.Errorf("%s: %w; name the path.data of a process that runs, or ran", dir, ErrNone)
	case err != nil:
		return o, err
	case !info.Mode().IsRegular() || info.Size() > fileLimit:
		return o, fmt.Errorf("%s: not a status file", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return o, err
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&o); err != nil {
		return o, fmt.Errorf("%s: not a status file: %w; name the path.data of a process that runs, or ran", path, err)
	}
	return o, nil
}
