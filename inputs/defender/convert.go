package defender

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

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

// str is the value as text; "" for what is blank or a container.
func str(v raw) string {
	if blank(v) || v.Kind() == '{' || v.Kind() == '[' {
		return ""
	}
	return unquote(v)
}

// is compares text without regard to case.
func is(v raw, word string) bool { return strings.EqualFold(str(v), word) }

// text takes any scalar as text.
func (f *faults) text(field string, v raw) ecs.Value {
	switch {
	case blank(v):
		return ecs.Value{}
	case v.Kind() == '"':
		return ecs.Scalar(v)
	case v.Kind() == '{' || v.Kind() == '[':
		f.add(field, "text", v)
		return ecs.Value{}
	default:
		return ecs.Text(unquote(v))
	}
}

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

// date takes a timestamp and keeps its digits as they came.
func (f *faults) date(field string, v raw) ecs.Value {
	if blank(v) {
		return ecs.Value{}
	}
	if _, ok := parseTime(v); !ok {
		f.add(field, "a date", v)
		return ecs.Value{}
	}
	return ecs.Scalar(v)
}

// milliseconds takes a timestamp and cuts it (ecs-mapping.md 4.0 rule 7).
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
// digits (defender-api.md 3.3). A timestamp without a zone is taken as UTC.
func parseTime(v raw) (time.Time, bool) {
	if v.Kind() != '"' {
		return time.Time{}, false
	}
	s := unquote(v)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && plausible(t) {
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

// snakeCase turns a member's name into a field's: defenderAvStatus to
// defender_av_status, isAADJoined to is_aad_joined. Anything but letters and
// digits becomes one underscore.
func snakeCase(name string) string {
	var b strings.Builder
	runes := []rune(name)
	word := false // b is not empty and ends in a letter or digit
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			word = false
			continue
		}
		upper := unicode.IsUpper(r)
		begins := upper && word && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if b.Len() > 0 && (begins || !word) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
		word = true
	}
	return b.String()
}
