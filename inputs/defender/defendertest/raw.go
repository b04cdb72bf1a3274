package defendertest

import (
	"bytes"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// raw is a hand-written record.
type raw struct {
	data                      []byte
	id                        string // empty when it has none that is text
	parts                     int    // evidence items
	evidenceStart, evidenceTo int    // where the value of "evidence" is, if anywhere
}

// readRaw looks for what the index needs. What it cannot find or
// understand stays zero: a malformed record is still a record.
func readRaw(data []byte, version string) (raw, ticks) {
	r := raw{data: data}
	var at ticks
	eachMember(data, func(name string, value jsontext.Value, start int) bool {
		switch name {
		case "id":
			r.id = text(value)
		case version:
			if t, err := time.Parse(time.RFC3339Nano, text(value)); err == nil {
				at = toTicks(t)
			}
		case "evidence":
			r.evidenceStart, r.evidenceTo = start, start+len(value)
			r.parts = countElements(value)
		}
		return true
	})
	return r, at
}

// append writes the record, without its evidence unless that was asked for.
func (r *raw) append(b []byte, expand bool) []byte {
	if expand || r.evidenceTo == 0 {
		return append(b, r.data...)
	}
	b = append(b, r.data[:r.evidenceStart]...)
	b = append(b, "[]"...)
	return append(b, r.data[r.evidenceTo:]...)
}

// eachMember calls f for the members of a JSON object with the offset at which
// the value starts, until f returns false or the JSON ends or goes wrong.
func eachMember(data []byte, f func(name string, value jsontext.Value, start int) bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(data),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return
	}
	if _, err := d.ReadToken(); err != nil {
		return
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil || !f(key, value, int(d.InputOffset())-len(value)) {
			return
		}
	}
}

func countElements(list jsontext.Value) int {
	if list.Kind() != '[' {
		return 0
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(list),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return 0
	}
	n := 0
	for d.PeekKind() != ']' && d.SkipValue() == nil {
		n++
	}
	return n
}

// text is the value of a JSON string, and empty for anything else.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	b, _ := jsontext.AppendUnquote(nil, v)
	return string(b)
}

// property is a member as a filter compares it. A value of another kind than
// the property should have counts as null.
func property(data []byte, name string, want valueKind) value {
	var found value
	eachMember(data, func(key string, v jsontext.Value, _ int) bool {
		if key != name {
			return true
		}
		switch {
		case want == kindText && v.Kind() == '"':
			found = value{kind: kindText, text: text(v)}
		case want == kindDate && v.Kind() == '"':
			if t, err := time.Parse(time.RFC3339Nano, text(v)); err == nil {
				found = value{kind: kindDate, time: toTicks(t)}
			}
		case want == kindNumber && v.Kind() == '0':
			if n, err := strconv.ParseFloat(string(v), 64); err == nil {
				found = value{kind: kindNumber, number: n}
			}
		}
		return false
	})
	return found
}

func quote(s string) string {
	b, _ := jsontext.AppendQuote(nil, s) // an error means repaired UTF-8
	return string(b)
}

func quoteOrNull(s string) string {
	if s == "" {
		return "null"
	}
	return quote(s)
}
