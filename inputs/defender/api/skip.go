package api

import (
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// passOverRecord goes behind the record that comes next without holding it. A
// decoder would hold the longest string in it whole, so the record's end is
// looked for byte by byte, and a new decoder continues there.
func (p *Page) passOverRecord() error {
	unread := p.decoder.UnreadBuffer()
	p.in.left = int64(p.maxRecord) * passOver
	var s skipper
	rest, done := s.skip(unread)
	for chunk := make([]byte, 32<<10); !done; {
		n, err := p.in.Read(chunk)
		if rest, done = s.skip(chunk[:n]); !done && err != nil {
			return p.broken(err)
		}
	}
	// What was read of the answer before: an open list, if any.
	before, opened := `{"value":[null`, 4
	switch {
	case p.bracketed:
		before, opened = `[null`, 2
	case p.file:
		before, opened = "", 0
	}
	p.decoder = newDecoder(io.MultiReader(strings.NewReader(before+string(rest)), p.in))
	for range opened { // of before
		if _, err := p.decoder.ReadToken(); err != nil {
			return p.broken(err)
		}
	}
	return nil
}

func newDecoder(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// skipper finds the end of a JSON value that comes in pieces.
type skipper struct {
	text, escaped, literal bool
	depth                  int
}

// skip returns what is behind the value, if it ends in this piece.
func (s *skipper) skip(piece []byte) (rest []byte, done bool) {
	for i, c := range piece {
		switch {
		case s.text:
			s.inText(c)
			if !s.text && s.depth == 0 {
				return piece[i+1:], true
			}
		case c == ' ', c == '\t', c == '\n', c == '\r', c == ',', c == ':':
			if s.literal {
				return piece[i:], true
			}
		case c == '"':
			s.text = true
		case c == '{', c == '[':
			s.depth++
		case c == '}', c == ']':
			if s.depth == 0 {
				return piece[i:], true // behind a literal
			}
			if s.depth--; s.depth == 0 {
				return piece[i+1:], true
			}
		default:
			s.literal = s.depth == 0
		}
	}
	return nil, false
}

func (s *skipper) inText(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.text = false
	}
}
