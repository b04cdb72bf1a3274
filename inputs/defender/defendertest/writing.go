package defendertest

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Writing is how else a server may write the same content, or several ways
// joined with |. JSON leaves all of it open; a service that is deployed again may
// change any of it from one answer to the next (guess).
type Writing uint8

// The ways of writing a record. One that is not well-formed is left as it is.
const (
	Reordered   Writing = 1 << iota // members in the reverse order, ids included
	Spaced                          // a space behind colons and commas
	ExtraNull                       // one more member that is null, as before a new property is filled
	Numbers                         // 17 as 17.0
	Addresses                       // a machine's ipAddresses in the reverse order
	WithoutZone                     // times without the Z, as export files of this API have them
)

// Damage is how a record may be such that no reader of JSON takes it, or none
// that expects the declared types.
type Damage uint8

// The kinds of damage. All are guesses; each was seen in some JSON service.
const (
	CutInside        Damage = iota + 1 // the body ends in the middle of it: the server fails while it streams
	ControlCharacter                   // a raw control character in text
	NaN                                // NaN for a number
	DeepNesting                        // more levels than readers allow
	MixedNumbers                       // well-formed: its first number is a list of integer, fraction and text
)

// member is one member of an object, its value as written.
type member struct {
	name  string
	value []byte
}

func members(object []byte) []member {
	var all []member
	eachMember(object, func(name string, value jsontext.Value, _ int) bool {
		all = append(all, member{name, bytes.Clone(value)})
		return true
	})
	return all
}

var zoned = regexp.MustCompile(`("\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?)Z"`)

// rewrite writes a record otherwise.
func rewrite(record []byte, w Writing) []byte {
	if w == 0 || !jsontext.Value(record).IsValid() {
		return record
	}
	out := object(record, w, "")
	if w&Spaced != 0 {
		v := jsontext.Value(out)
		_ = v.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)) // it is valid
		out = v
	}
	if w&WithoutZone != 0 {
		out = zoned.ReplaceAll(out, []byte(`$1"`))
	}
	return out
}

// object rewrites a value that is the member name of another one.
func object(value []byte, w Writing, name string) []byte {
	switch jsontext.Value(value).Kind() {
	case '{':
		all := members(value)
		if name == "" && w&ExtraNull != 0 {
			all = append(all, member{"futureProperty", []byte("null")})
		}
		if w&Reordered != 0 {
			slices.Reverse(all)
		}
		out := []byte{'{'}
		for i, m := range all {
			out = append(separate(out, i), quote(m.name)+":"...)
			out = append(out, object(m.value, w, m.name)...)
		}
		return append(out, '}')
	case '[':
		all := elements(value)
		if name == "ipAddresses" && w&Addresses != 0 {
			slices.Reverse(all)
		}
		out := []byte{'['}
		for i, v := range all {
			out = append(separate(out, i), object(v, w, "element")...)
		}
		return append(out, ']')
	case '0':
		if w&Numbers != 0 && !bytes.ContainsAny(value, ".eE") {
			return append(value, ".0"...)
		}
	}
	return value
}

func elements(list []byte) [][]byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(list), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, _ = d.ReadToken()
	var all [][]byte
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			break
		}
		all = append(all, bytes.Clone(v))
	}
	return all
}

// beyondReason is how deep DeepNesting goes: deeper than the 10,000 levels at
// which common decoders stop.
const beyondReason = 11_000

// damage makes a record such. CutInside is the page's business.
func damage(record []byte, d Damage) []byte {
	end := bytes.LastIndexByte(record, '}')
	if end < 0 {
		return record
	}
	switch d {
	case ControlCharacter:
		return append(record[:end:end], ",\"note\":\"bell \x07\"}"...)
	case NaN:
		return append(record[:end:end], `,"score":NaN}`...)
	case DeepNesting:
		return append(record[:end:end], `,"deep":`+strings.Repeat("[", beyondReason)+strings.Repeat("]", beyondReason)+"}"...)
	case MixedNumbers:
		return mixNumbers(record)
	}
	return record
}

func mixNumbers(record []byte) []byte {
	out := record
	eachMember(record, func(_ string, value jsontext.Value, start int) bool {
		if value.Kind() != '0' {
			return true
		}
		out = slices.Concat(record[:start], []byte(`[1,2.5,"three"]`), record[start+len(value):])
		return false
	})
	return out
}
