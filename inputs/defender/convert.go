package defender

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// faults collects what could not be mapped in one record, by field. The record
// is published all the same, with the original beside it.
type faults []string

func (f *faults) add(field, want string, v raw) {
	f.note(field + ": want " + want + ", got " + kindName(v.Kind()))
}

// note keeps a fault once: a value can go to several fields.
func (f *faults) note(fault string) {
	if !slices.Contains(*f, fault) {
		*f = append(*f, fault)
	}
}

// blank reports whether a value counts as not set: absent, null, or one of the
// strings by which the API says "nothing".
func blank(v raw) bool {
	switch string(v) {
	case "", "null", `""`, `"-"`, `"N/A"`:
		return true
	}
	return false
}

// unquote aliases the record, as str does: clone what is kept.
func unquote(v raw) string { return ecs.Unquote(v) }

// str is the value as text, cut as envelope.text cuts it; "" for what is blank
// or a container.
func str(v raw) string {
	if blank(v) || v.Kind() == '{' || v.Kind() == '[' {
		return ""
	}
	s, _ := shorten(unquote(v))
	return s
}

// maxText is how long a text of a document may be, in characters as
// Elasticsearch counts them for ignore_above: UTF-16 units. Each takes up to
// three bytes of UTF-8, and Lucene refuses a document with a term of more than
// 32,766 bytes. Fields of the Fleet package for long texts have it as their
// ignore_above.
const maxText = 8191

// shorten cuts a text to maxText.
func shorten(s string) (short string, cut bool) {
	if len(s) <= maxText {
		return s, false
	}
	n := 0
	for i, r := range s {
		if n += utf16.RuneLen(r); n > maxText {
			return s[:i], true
		}
	}
	return s, false
}

// is compares text without regard to case.
func is(v raw, word string) bool { return strings.EqualFold(str(v), word) }

// long takes a whole number, also as text or with a fraction of zero.
func (f *faults) long(field string, v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	s := str(v)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ecs.Int(n)
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return ecs.Int(int64(x))
	}
	f.add(field, "a whole number", v)
	return ecs.Value{}
}

// date takes a timestamp and keeps its digits as they came, where Elasticsearch
// reads them as they are.
func (f *faults) date(field string, v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	t, ok := parseTime(v)
	if !ok {
		f.add(field, "a date", v)
		return ecs.Value{}
	}
	if !strictTime(unquote(v)) {
		return ecs.Time(t)
	}
	return ecs.Scalar(v)
}

// strictTime tells which of the texts that Go reads as a timestamp are as
// Elasticsearch's default format wants them: two digits an hour, a point before
// at most nine digits of a second, UTC. Go also takes one digit, a comma, any
// number of digits, and zones that Java does not know.
func strictTime(s string) bool {
	if len(s) < len("2006-01-02T15:04:05") || s[len("2006-01-02T15")] != ':' {
		return false
	}
	fraction := strings.TrimSuffix(s[len("2006-01-02T15:04:05"):], "Z")
	if fraction == "" {
		return true
	}
	digits := fraction[1:]
	return fraction[0] == '.' && len(digits) <= 9 && strings.Trim(digits, "0123456789") == ""
}

// milliseconds takes a timestamp and cuts it (MAPPING.md 4.0 rule 7).
func (f *faults) milliseconds(field string, v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	t, ok := parseTime(v)
	if !ok {
		f.add(field, "a date", v)
	}
	return ecs.Time(t)
}

// boolean takes true and false, also as text.
func (f *faults) boolean(field string, v raw) ecs.Value {
	switch s := str(v); {
	case strings.EqualFold(s, "true"):
		return ecs.Bool(true)
	case strings.EqualFold(s, "false"):
		return ecs.Bool(false)
	case !blank(v):
		f.add(field, "a boolean", v)
	}
	return ecs.Value{}
}

// ip takes an IP address.
func (f *faults) ip(field string, v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	if v.Kind() != '"' {
		f.add(field, "an IP address", v)
		return ecs.Value{}
	}
	if addr, err := netip.ParseAddr(unquote(v)); err != nil || addr.Zone() != "" {
		f.note(field + ": not an IP address")
		return ecs.Value{}
	}
	return ecs.Scalar(v)
}

// parseTime reads a timestamp of the API: RFC 3339, UTC, 0 to 7 fractional
// digits (API.md 3.3). A timestamp without a zone is taken as UTC.
func parseTime(v raw) (time.Time, bool) {
	if v.Kind() != '"' {
		return time.Time{}, false
	}
	s := unquote(v)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && plausible(t.UTC()) {
		return t.UTC(), true
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999999", s); err == nil && plausible(t) {
		return t, true
	}
	return time.Time{}, false
}

// plausible keeps out years that Elasticsearch's default date format refuses.
func plausible(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

// union is a list without repetitions in the order of first appearance.
type union []string

func (u *union) add(values ...string) {
	for _, s := range values {
		if s != "" && !slices.Contains(*u, s) {
			*u = append(*u, s)
		}
	}
}

// baseName is the last part of a Windows or Unix path.
func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }
