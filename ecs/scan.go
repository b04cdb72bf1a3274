package ecs

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Scanner goes through JSON that a strict reader has found well-formed: every
// record is read by jsontext before anything is mapped, so it need not be proven
// a second time. It takes commas and colons for white space, which is why it is
// four times as fast. What is not well-formed ends early; nothing panics.
type Scanner struct {
	src []byte
	at  int
}

// NewScanner begins at the start of a JSON value. Values alias it.
func NewScanner(value jsontext.Value) Scanner { return Scanner{src: value} }

// Peek is the first byte of what comes next, 0 at the end.
func (s *Scanner) Peek() byte {
	const space = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r' | 1<<',' | 1<<':'
	for ; s.at < len(s.src); s.at++ {
		if c := s.src[s.at]; c > ':' || space>>c&1 == 0 {
			return c
		}
	}
	return 0
}

// At is how many bytes of the value are behind the scanner.
func (s *Scanner) At() int { return s.at }

// Skip goes behind a string that is written like that, quotes included, if it
// comes next; More has gone to where it begins.
func (s *Scanner) Skip(quoted string) bool {
	if !strings.HasPrefix(Alias(s.src[s.at:]), quoted) {
		return false
	}
	s.at += len(quoted)
	return true
}

// Enter goes into the object or list that comes next.
func (s *Scanner) Enter() {
	s.Peek()
	s.at++
}

// More reports whether the object or list has more in it; if not, it is left.
func (s *Scanner) More() bool {
	switch s.Peek() {
	case 0:
		return false
	case '}', ']':
		s.at++
		return false
	default:
		return true
	}
}

// Value is the value or name that comes next, nil at the end.
func (s *Scanner) Value() jsontext.Value {
	c := s.Peek()
	start := s.at
	switch c {
	case 0:
		return nil
	case '"':
		s.text()
	case '{', '[':
		s.container()
	default:
		s.literal()
	}
	s.at = min(s.at, len(s.src))
	return s.src[start:s.at:s.at]
}

// List is the list that comes next; its elements take the place of those in
// elements, up to limit of them. beyond is how many more there are.
func (s *Scanner) List(elements *[]jsontext.Value, limit int) (list jsontext.Value, beyond int) {
	s.Peek()
	start := s.at
	*elements = (*elements)[:0]
	for s.Enter(); s.More(); {
		element := s.Value()
		if len(*elements) == limit {
			beyond++
			continue
		}
		*elements = append(*elements, element)
	}
	s.at = min(s.at, len(s.src))
	return s.src[start:s.at:s.at], beyond
}

// text goes behind a string: to the first quote with an even number of
// backslashes before it.
func (s *Scanner) text() {
	start := s.at
	for {
		n := bytes.IndexByte(s.src[s.at+1:], '"')
		if n < 0 {
			s.at = len(s.src)
			return
		}
		s.at += n + 1
		i := s.at
		for i > start+1 && s.src[i-1] == '\\' {
			i--
		}
		if (s.at-i)%2 == 0 {
			s.at++
			return
		}
	}
}

// container goes behind an object or list.
func (s *Scanner) container() {
	for depth := 0; s.at < len(s.src); {
		switch s.src[s.at] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

// literal goes behind a number, true, false or null. Most are null.
func (s *Scanner) literal() {
	if s.src[s.at] == 'n' {
		s.at += len("null")
		return
	}
	for s.at++; s.at < len(s.src); s.at++ {
		switch s.src[s.at] {
		case ' ', '\t', '\n', '\r', ',', ':', '}', ']':
			return
		}
	}
}
