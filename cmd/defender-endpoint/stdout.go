package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// standardOutput notices that it cannot be written, no matter who writes: what nobody gets
// need not be made.
type standardOutput struct {
	io.Writer
	failed func() // is called with the first error

	mu  sync.Mutex
	err error
}

func (s *standardOutput) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.Writer.Write(b)
	if err != nil {
		s.err = err
		s.failed()
	}
	return n, err
}

// isTerminal reports whether a person reads what is written.
func isTerminal(out io.Writer) bool {
	if s, ok := out.(*standardOutput); ok {
		out = s.Writer
	}
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// reason is what is wrong, with what to do.
func (s *standardOutput) reason() error {
	if errors.Is(s.err, syscall.EPIPE) {
		return errors.New("standard output was closed by its reader; let it read to the end, or write to a file")
	}
	err := s.err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("standard output cannot be written: %w; free space, or write to another place", err)
}
