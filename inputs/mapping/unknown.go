package mapping

import (
	"strings"
	"unicode/utf8"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Members that the API structs do not name go into one field of each stream,
// <vendor>.unknown, of the type flattened: member name to text, one level deep.
// With fields of their own, what Microsoft adds would be mapped by the first
// document that has it, and every later one of another shape be refused.

const (
	// MaxUnknown is how many values the field has in a document; the rest is in
	// the original alone, which is kept then.
	MaxUnknown = 1000
	// MaxName is how long a name may be, in bytes. Lucene refuses a term, which is
	// name and value, of more than 32,766.
	MaxName = 255
	// noName represents a name without a character: JSON has such.
	noName = "(empty)"
)

// Keep takes over the members of the decoder's last object that its struct does
// not name, under the way to the object: the name of an evidence item's member
// begins with "evidence.". What comes under a name that is taken (the next
// element's, or one that is cut to the same) is behind what is there, in a
// list. All are counted: they show that the API has moved on from what is known
// here.
func (e *Envelope) Keep(d *Decoder) {
	if len(d.unknown) == 0 {
		return
	}
	e.CountUnknown(d)
	e.settings.Drift.note(d.unknown)
	e.lossy = e.lossy || d.beyond > 0
	var unknown *ecs.Object
	for _, u := range d.unknown {
		if Blank(u.value) || isEmpty(u.value) {
			continue
		}
		if e.kept == MaxUnknown {
			e.lossy = true
			return
		}
		e.kept++
		if unknown == nil {
			unknown = e.Vendor().Object("unknown")
		}
		name, text := unknownName(d.place, u.name), e.JSONText(u.value)
		if there := unknown.Get(name); there.Present() {
			e.several = append(append(e.several[:0], there.Values()...), text)
			text = e.Doc.List(e.several...)
		}
		unknown.Set(name, text)
	}
}

// CountUnknown counts the members that Keep would take over: for a document that
// has them from its Layer.
func (e *Envelope) CountUnknown(d *Decoder) { e.unknown += len(d.unknown) + d.beyond }

// isEmpty reports whether a container has nothing in it.
func isEmpty(v Raw) bool {
	s := ecs.NewScanner(v)
	if k := v.Kind(); k != '{' && k != '[' {
		return false
	}
	s.Enter()
	return !s.More()
}

// unknownName is a name without what Elasticsearch refuses in a flattened field:
// NUL, which ends the name in its terms, and more than MaxName bytes.
func unknownName(place, name string) string {
	if strings.IndexByte(name, 0) >= 0 {
		name = strings.ReplaceAll(name, "\x00", "")
	}
	if name == "" {
		name = noName
	}
	if place != "" {
		name = place + "." + name
	}
	if len(name) <= MaxName {
		return name
	}
	end := MaxName
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
