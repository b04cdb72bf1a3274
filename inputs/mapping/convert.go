package mapping

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// What these make of a blank value is absent. A value that is not what a field
// should be is absent too, and a fault of the record.

// Text takes any scalar as text, cut to MaxText.
func (e *Envelope) Text(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	if f.Value.Kind() == '"' && len(f.Value) <= MaxText {
		return ecs.Scalar(f.Value)
	}
	return e.TextAs(f.Name, f.Value)
}

// TextAs is Text of a value that is not a member, such as an element of a list;
// name is what a fault calls it.
func (e *Envelope) TextAs(name string, v Raw) ecs.Value {
	switch {
	case Blank(v):
		return ecs.Value{}
	case v.Kind() == '"' && len(v) <= MaxText:
		return ecs.Scalar(v)
	case v.Kind() == '{' || v.Kind() == '[':
		e.faults.add(name, "text", v)
		return ecs.Value{}
	default:
		return e.Short(ecs.Unquote(v))
	}
}

// Short is a text cut to MaxText; a document with one that was cut keeps the
// original.
func (e *Envelope) Short(s string) ecs.Value {
	s, cut := shorten(s)
	e.lossy = e.lossy || cut
	return ecs.Text(s)
}

// maxCompact is how large a buffer is kept from one record to the next, in bytes.
const maxCompact = 1 << 16

// JSONText is a container as the text of its JSON, and a scalar as text: one
// type in Elasticsearch, regardless of what the API sends.
func (e *Envelope) JSONText(v Raw) ecs.Value {
	if Blank(v) {
		return ecs.Value{}
	}
	if k := v.Kind(); k != '{' && k != '[' {
		return e.Short(ecs.Unquote(v))
	}
	if o := e.apart(v); o != nil && o.compact {
		return e.Short(ecs.Alias(v))
	}
	if cap(e.compact) > maxCompact {
		e.compact = nil
	}
	e.compact = append(e.compact[:0], v...)
	_ = e.compact.Compact(lenient...) // cannot fail: it was read as one well-formed value
	s, cut := shorten(ecs.Alias(e.compact))
	e.lossy = e.lossy || cut
	return ecs.Text(strings.Clone(s)) // the buffer is for the next one
}

// JSON is JSONText of a field.
func (e *Envelope) JSON(f *Field) ecs.Value { return e.JSONText(f.Value) }

// Map maps the elements of a list, of which those without a value are left out.
func (e *Envelope) Map(l *List, value func(element Raw) ecs.Value) ecs.Value {
	e.values = e.values[:0]
	for _, element := range l.Elements {
		e.values = append(e.values, value(element))
	}
	e.NoteBeyond(l)
	return e.Doc.List(e.values...)
}

// Texts is a list of texts.
func (e *Envelope) Texts(l *List) ecs.Value {
	return e.Map(l, func(element Raw) ecs.Value { return e.TextAs(l.Name, element) })
}

// Object decodes the value of a member that is an object, or an element of a
// list of objects. It reports whether there is one, and notes what cannot be.
func (e *Envelope) Object(d *Decoder, v Raw) bool { return !Blank(v) && e.Element(d, v) }

// Element is Object where null is no object either.
func (e *Envelope) Element(d *Decoder, v Raw) bool {
	if err := e.Decode(d, v); err != nil {
		e.faults.add(d.place, "an object", v)
		return false
	}
	return true
}

// Long takes a whole number, also as text or with a fraction of zero.
func (e *Envelope) Long(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	s := f.Text()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ecs.Int(n)
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return ecs.Int(int64(x))
	}
	e.faults.add(f.Name, "a whole number", f.Value)
	return ecs.Value{}
}

// Float takes a number that the type float of Elasticsearch holds, also as text.
func (e *Envelope) Float(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	number := f.Value
	if number.Kind() == '"' {
		number = Raw(ecs.Unquote(number))
	}
	if number.Kind() == '0' && number.IsValid() {
		x, err := strconv.ParseFloat(ecs.Alias(number), 64)
		switch {
		case err != nil || math.Abs(x) > math.MaxFloat32:
		case len(number) > 15: // OpenSearch refuses whole numbers beyond long
			return ecs.Scalar(strconv.AppendFloat(nil, x, 'e', -1, 64))
		default:
			return ecs.Scalar(number)
		}
	}
	e.faults.add(f.Name, "a number", f.Value)
	return ecs.Value{}
}

// Date takes a timestamp and keeps its digits as they came, where Elasticsearch
// reads them as they are.
func (e *Envelope) Date(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	t, ok := parseTime(f.Value)
	if !ok {
		e.faults.add(f.Name, "a date", f.Value)
		return ecs.Value{}
	}
	if t.IsZero() {
		return ecs.Value{}
	}
	if !strictTime(ecs.Unquote(f.Value)) {
		return ecs.Time(t)
	}
	return ecs.Scalar(f.Value)
}

// strictTime reports whether a text that Go reads as a timestamp is as
// Elasticsearch's default format wants it: two digits an hour, a point before
// at most nine digits of a second, UTC. Go also takes one digit, a comma, any
// number of digits, and zones that Java does not know.
func strictTime(s string) bool {
	if len(s) < len("2006-01-02T15:04:05") || s[len("2006-01-02")] != 'T' || s[len("2006-01-02T15")] != ':' {
		return false
	}
	fraction := strings.TrimSuffix(s[len("2006-01-02T15:04:05"):], "Z")
	if fraction == "" {
		return true
	}
	digits := fraction[1:]
	return fraction[0] == '.' && len(digits) <= 9 && strings.Trim(digits, "0123456789") == ""
}

// Milliseconds takes a timestamp and cuts it.
func (e *Envelope) Milliseconds(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	t, ok := parseTime(f.Value)
	if !ok {
		e.faults.add(f.Name, "a date", f.Value)
	}
	return ecs.Time(t) // nothing where the time is zero
}

// Boolean takes true and false, also as text.
func (e *Envelope) Boolean(f *Field) ecs.Value {
	switch s := f.Text(); {
	case strings.EqualFold(s, "true"):
		return ecs.Bool(true)
	case strings.EqualFold(s, "false"):
		return ecs.Bool(false)
	case !Blank(f.Value):
		e.faults.add(f.Name, "a boolean", f.Value)
	}
	return ecs.Value{}
}

// FirstTime is the first time that there is, or now.
func (e *Envelope) FirstTime(fields ...*Field) time.Time {
	for _, f := range fields {
		if t, ok := f.Time(); ok {
			return t
		}
	}
	return e.settings.Now()
}

// parseTime reads a timestamp: RFC 3339, with any digits of a second. One without
// a zone is taken as UTC; Microsoft's assessment lists have such with a blank. The
// zero time is one of the year 1, which represents a time that is not set.
func parseTime(v Raw) (time.Time, bool) {
	if v.Kind() != '"' {
		return time.Time{}, false
	}
	s := ecs.Unquote(v)
	layout := time.RFC3339Nano
	if len(s) > len("2006-01-02") && s[len("2006-01-02")] == ' ' {
		layout = "2006-01-02 15:04:05.999999999"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		if t, err = time.Parse("2006-01-02T15:04:05.999999999", s); err != nil {
			return time.Time{}, false
		}
	}
	if t.Year() == 1 {
		return time.Time{}, true
	}
	if t = t.UTC(); !plausible(t) {
		return time.Time{}, false
	}
	return t, true
}

// plausible keeps out years that Elasticsearch's default date format refuses.
func plausible(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }
