package records

import (
	"bufio"
	"bytes"
	"fmt"
)

// MaxRecord bounds a record, bytes: some more than the collector reads from the API.
const MaxRecord = 16 << 20

// errTooLarge is what a decoder gets in place of more of a record.
var errTooLarge = fmt.Errorf("a record is larger than %d MiB", MaxRecord>>20)

// lines reads to the end of a line at most, so that it is known what a decoder has
// had. It bounds what is read between two records.
type lines struct {
	in     *bufio.Reader
	buffer []byte
	left   []byte // what was taken from in and not read yet
	number int    // of the line that is being read, from 1
	ended  bool   // it was read to its end
	size   int    // of what was read since the last record
	had    []byte // what was read of the value's first line
	first  int    // its number
}

// begin is called before each value of the stream.
func (l *lines) begin() { l.size, l.had, l.first = 0, l.had[:0], 0 }

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		chunk, err := l.in.ReadSlice('\n') // a part of the line where it is long
		if len(chunk) == 0 {
			return 0, err
		}
		l.buffer = append(l.buffer[:0], chunk...)
		l.left = l.buffer
	}
	if l.ended || l.number == 0 {
		l.number, l.ended = l.number+1, false
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	l.ended = p[n-1] == '\n'
	switch {
	case len(bytes.TrimSpace(l.had)) == 0: // nothing of the value yet
		l.first, l.had = l.number, append(l.had[:0], p[:n]...)
	case l.first == l.number:
		l.had = append(l.had, p[:n]...)
	}
	if l.size += n; l.size > MaxRecord {
		return 0, errTooLarge
	}
	return n, nil
}

// line reads the rest of the line and returns all of it.
func (l *lines) line() ([]byte, error) {
	p := make([]byte, 1<<12)
	for !l.ended {
		if n, err := l.Read(p); n == 0 && err != nil {
			return bytes.TrimSpace(l.had), err
		}
	}
	return bytes.TrimSpace(l.had), nil
}
