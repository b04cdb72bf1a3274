package ecs

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// TimeLayout is how times are written: RFC 3339 in UTC with milliseconds, the
// precision of Elasticsearch's date type.
const TimeLayout = "2006-01-02T15:04:05.000Z"

type kind uint8

const (
	kindNone   kind = iota // absent: setting it changes nothing
	kindText               // text
	kindInt                // num
	kindBool               // num is 0 or 1
	kindTime               // num is Unix time in milliseconds
	kindRaw                // text: a JSON string, number or boolean, as it was read
	kindList               // list
	kindObject             // object
)

// Text is a string. The empty string is absent.
func Text(s string) Value {
	if s == "" {
		return Value{}
	}
	return textValue(kindText, s)
}

// Int is a whole number.
func Int(n int64) Value { return Value{kind: kindInt, num: n} }

// Bool is a boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: kindBool, num: 1}
	}
	return Value{kind: kindBool}
}

// Time is a date, cut to milliseconds. The zero time is absent.
func Time(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return Value{kind: kindTime, num: t.UnixMilli()}
}

// Scalar is a JSON string, number or boolean taken over as it was read, without
// decoding it; a number too large for a double becomes text. Null, the empty
// string and containers are absent; for a container use Document.JSON. The value
// aliases raw.
func Scalar(raw jsontext.Value) Value {
	if len(raw) == 0 {
		return Value{}
	}
	switch raw.Kind() {
	case '"':
		if len(raw) == 2 {
			return Value{}
		}
	case '0':
		// Beyond any type of number Elasticsearch has; a few digits never are.
		if len(raw) > 15 || bytes.ContainsAny(raw, "eE") {
			if _, err := strconv.ParseFloat(Alias(raw), 64); err != nil {
				return Text(Alias(raw))
			}
		}
	case 't', 'f':
	default:
		return Value{}
	}
	return textValue(kindRaw, Alias(raw))
}

// List is a list of the values that are present. It leaves values as they are,
// and keeps a reference to them where all are present.
func List(values ...Value) Value {
	if slices.ContainsFunc(values, Value.absent) {
		values = slices.DeleteFunc(slices.Clone(values), Value.absent)
	}
	if len(values) == 0 {
		return Value{}
	}
	return listValue(values)
}

// Texts is a list of strings.
func Texts(values ...string) Value {
	list := make([]Value, 0, len(values))
	for _, s := range values {
		list = append(list, Text(s))
	}
	return List(list...)
}

// Present reports whether the value would be written.
func (v Value) Present() bool { return v.present() }

func (v Value) absent() bool { return !v.present() }

// present and append go without a copy of the value.
func (v *Value) present() bool {
	switch v.kind {
	case kindNone:
		return false
	case kindObject:
		return !v.object().empty()
	default: // a list is never empty
		return true
	}
}

// String is the value as text: a string without quotes, anything else as its
// JSON.
func (v Value) String() string {
	switch v.kind {
	case kindText:
		return v.text()
	case kindRaw:
		return unquote(v.text())
	default:
		return string(v.AppendJSON(nil))
	}
}

// Values are the elements of a list, or the value itself as the only one.
func (v Value) Values() []Value {
	switch {
	case v.kind == kindList:
		return v.list()
	case v.Present():
		return []Value{v}
	default:
		return nil
	}
}

// Object is the object the value holds, or nil. It is for being looked at; the
// Object of the document or object around it is for being changed.
func (v Value) Object() *Object {
	if v.kind != kindObject {
		return nil
	}
	return v.object()
}

// AppendJSON appends the value as JSON. An absent value is null.
func (v Value) AppendJSON(dst []byte) []byte { return v.append(dst) }

func (v *Value) append(dst []byte) []byte {
	switch v.kind {
	case kindText:
		return appendText(dst, v.text())
	case kindInt:
		return strconv.AppendInt(dst, v.num, 10)
	case kindBool:
		return strconv.AppendBool(dst, v.num != 0)
	case kindTime:
		return appendTime(dst, time.UnixMilli(v.num).UTC())
	case kindRaw:
		return append(dst, v.text()...)
	case kindList:
		return appendList(dst, v.list())
	case kindObject:
		return v.object().AppendJSON(dst)
	default:
		return append(dst, "null"...)
	}
}

func appendList(dst []byte, list []Value) []byte {
	dst = append(dst, '[')
	first := true
	for i := range list {
		if !list[i].present() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = list[i].append(dst)
	}
	return append(dst, ']')
}

// appendTime is AppendFormat with TimeLayout in quotes, in a quarter of the time.
func appendTime(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		dst = append(dst, '"')
		dst = t.AppendFormat(dst, TimeLayout)
		return append(dst, '"')
	}
	hour, minute, second := t.Clock()
	const layout = `"0000-00-00T00:00:00.000Z"`
	dst = append(dst, layout...)
	b := dst[len(dst)-len(layout):]
	for _, part := range [...]struct{ at, value int }{
		{1, year / 100}, {3, year % 100}, {6, int(month)}, {9, day},
		{12, hour}, {15, minute}, {18, second}, {21, t.Nanosecond() / 1e7},
	} {
		b[part.at] = '0' + byte(part.value/10)
		b[part.at+1] = '0' + byte(part.value%10)
	}
	b[23] = '0' + byte(t.Nanosecond()/1e6%10)
	return dst
}

// longText is the length from which it pays to look for the room that a text
// will need, in bytes.
const longText = 1 << 16

// appendText quotes s. Nearly always nothing needs an escape; jsontext does the
// rest, invalid UTF-8 included.
func appendText(dst []byte, s string) []byte {
	if !IsPlain(s) {
		if len(s) > longText { // growing step by step touches five times the memory
			dst = slices.Grow(dst, len(s)+strings.Count(s, `"`)+strings.Count(s, `\`)+len(`""`))
		}
		out, _ := jsontext.AppendQuote(dst, s) // an error only says that UTF-8 was repaired
		return out
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// Unquote is the text of a JSON string, and any other JSON value as it is.
// It aliases raw where nothing is escaped: clone what is to outlive raw.
func Unquote(raw jsontext.Value) string { return unquote(Alias(raw)) }

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	out, _ := jsontext.AppendUnquote(nil, s) // an error only says that UTF-8 was repaired
	return Alias(out)
}
