package records

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// lenient accepts what the mapping accepts: members twice and broken UTF-8.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Each calls do with each record of a stream, which is valid until do returns. The
// error is do's, or names the line from which nothing can be read.
func Each(in io.Reader, do func(record []byte) error) error {
	plain, err := unpacked(in)
	if err != nil {
		return err
	}
	r := &reader{lines: &lines{in: plain}, d: jsontext.NewDecoder(strings.NewReader("")), do: do}
	for {
		if err := r.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// unpacked is the text of a stream: without gzip, and in UTF-8 without a mark.
func unpacked(in io.Reader) (*bufio.Reader, error) {
	const size = 1 << 16
	plain := bufio.NewReaderSize(in, size)
	if begin, _ := plain.Peek(2); bytes.Equal(begin, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(plain)
		if err != nil {
			return nil, fmt.Errorf("it begins as gzip and is none: %w; fetch it again, or unpack it", err)
		}
		plain = bufio.NewReaderSize(z, size)
	}
	mark, _ := plain.Peek(3)
	for _, m := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(string(mark), m) {
			return bufio.NewReaderSize(transform.NewReader(plain, unicode.BOMOverride(transform.Nop)), size), nil
		}
	}
	return plain, nil
}

// reader reads the values of a stream that follow each other.
type reader struct {
	*lines
	d      *jsontext.Decoder
	do     func([]byte) error
	record jsontext.Value
	failed error // of do
	begun  bool  // a list or page of which records were looked for
}

// next reads one value: a record, or a list or page of them. The error is io.EOF at
// the end.
func (r *reader) next() error {
	unread := bytes.Clone(r.d.UnreadBuffer())
	r.left = append(unread, r.left...)
	r.begin()
	r.d.Reset(r.lines, lenient...)
	r.begun = false
	var err error
	switch r.d.PeekKind() {
	case '[':
		err = r.list()
	case '{':
		err = r.object()
	default:
		err = r.value()
	}
	if r.failed != nil || err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if r.begun || r.number > r.first || errors.Is(err, errTooLarge) {
		return fmt.Errorf("line %d: %w; nothing was read from there on", max(r.number, 1), err)
	}
	line, err := r.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: %w", r.number, err)
	}
	r.d.Reset(r.lines, lenient...)
	return r.give(line)
}

// list reads the elements of a list.
func (r *reader) list() error {
	r.begun = true
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := r.value(); err != nil {
			return within(err)
		}
	}
	_, err := r.d.ReadToken()
	return within(err)
}

// object reads a record, or a page: its list is behind members of OData.
func (r *reader) object() error {
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	r.record = append(r.record[:0], '{')
	isPage := true
	for r.d.PeekKind() != '}' {
		name, err := r.d.ReadValue()
		if err != nil {
			return within(err)
		}
		mayBePage := isPage && string(name) == `"value"`
		isPage = isPage && bytes.HasPrefix(name, []byte(`"@odata.`))
		if len(r.record) > 1 {
			r.record = append(r.record, ',')
		}
		r.record = append(append(r.record, name...), ':')
		if mayBePage && r.d.PeekKind() == '[' {
			return r.page()
		}
		value, err := r.d.ReadValue()
		if err != nil {
			return within(err)
		}
		r.record = append(r.record, value...)
	}
	if _, err := r.d.ReadToken(); err != nil {
		return within(err)
	}
	return r.give(append(r.record, '}'))
}

// page reads a page from its list on; what is behind the list is not looked at.
func (r *reader) page() error {
	if err := r.list(); err != nil {
		return err
	}
	for r.d.PeekKind() != '}' {
		if err := r.d.SkipValue(); err != nil {
			return within(err)
		}
	}
	_, err := r.d.ReadToken()
	return within(err)
}

// value reads a value as a record.
func (r *reader) value() error {
	v, err := r.d.ReadValue()
	if err != nil {
		return err
	}
	return r.give(v)
}

// give hands out a record without the white space between its values.
func (r *reader) give(record jsontext.Value) error {
	compact := bytes.Clone(record)
	if v := jsontext.Value(compact); v.IsValid(lenient...) {
		_ = v.Compact(lenient...) // cannot fail: it is valid
		compact = v
	}
	r.size = 0
	r.failed = r.do(compact)
	return r.failed
}

// within is an error inside a value, where the end of the stream is none.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
