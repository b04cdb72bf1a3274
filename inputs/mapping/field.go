package mapping

import (
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Raw is one JSON value as the API sent it; nil where the member was absent.
// Records are decoded into structs of raw values, so that no value of an
// unexpected type can make a record undecodable: each conversion decides for
// itself (see Envelope.Text and its neighbours).
type Raw = jsontext.Value

// Field is a member of an API struct. A Decoder gives it its names, from the
// json tag, and its value.
type Field struct {
	Value Raw // aliases the record
	*names
}

// names are apart from the value: they are looked at for faults and when tables
// are made, and values beside each other stay in the cache.
type names struct {
	Name string // with the way to it, as in faults: evidence.sha1
	Own  string // in the vendor's object of a document: sha1
}

// Text is the value as text, cut as Envelope.Text cuts it; "" for what is blank
// or a container. It aliases the record: clone what is kept.
func (f *Field) Text() string { return TextOf(f.Value) }

// Is compares text without regard to case.
func (f *Field) Is(word string) bool { return strings.EqualFold(f.Text(), word) }

// Time is the value as a time, if it is one and set: one of the year 1 is not.
func (f *Field) Time() (time.Time, bool) {
	t, ok := parseTime(f.Value)
	return t, ok && !t.IsZero()
}

// Default takes the value of another member where this one is blank: an API has
// several spellings of one.
func (f *Field) Default(other *Field) {
	if Blank(f.Value) {
		f.Value = other.Value
	}
}

// List is a member that is a list. The Decoder gathers its elements on the way
// over it. A value that is no list is the only element: Elastic's fixtures show
// a list of one as a bare object.
type List struct {
	Field
	Elements []Raw
	Beyond   int // how many more there are
	Most     int // of those that are gathered; 0 is MaxElements
}

// MaxElements bounds the lists of a record: 11 MB can hold millions of elements,
// each of which takes ten times its bytes as a value of a document. What is
// beyond is noted as a fault, which keeps the original.
const MaxElements = 4096

// OneOrMany is what was mapped of a list, or its element where that came without
// a list around it.
func (l *List) OneOrMany(mapped ecs.Value) ecs.Value {
	if values := mapped.Values(); l.Value.Kind() != '[' && len(values) == 1 {
		return values[0]
	}
	return mapped
}

// TextOf is Field.Text of a value without a field.
func TextOf(v Raw) string {
	if Blank(v) || v.Kind() == '{' || v.Kind() == '[' {
		return ""
	}
	s, _ := shorten(ecs.Unquote(v))
	return s
}

// MaxText is how long a text of a document may be, in characters as
// Elasticsearch counts them for ignore_above: UTF-16 units. Each takes up to
// three bytes of UTF-8, and Lucene refuses a document with a term of more than
// 32,766 bytes. Fields of the Fleet package for long texts have it as their
// ignore_above.
const MaxText = 8191

// shorten cuts a text to MaxText.
func shorten(s string) (short string, cut bool) {
	if len(s) <= MaxText {
		return s, false
	}
	n := 0
	for i, r := range s {
		if n += utf16.RuneLen(r); n > MaxText {
			return s[:i], true
		}
	}
	return s, false
}

// snake is an API's name as Elastic's packages write it: osPlatform is
// os_platform.
func snake(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
