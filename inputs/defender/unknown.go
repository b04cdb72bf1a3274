package defender

import (
	"strings"
	"unicode/utf8"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Members that the API structs do not name go into one field of each stream,
// <vendor>.unknown, of the type flattened: member name to text, one level deep.
// With fields of their own, whatever Microsoft adds would be mapped by the first
// document that has it, and every later one of another shape be refused.

const (
	// maxUnknown is how many values the field has in a document; the rest is in
	// the original alone, which is kept then.
	maxUnknown = 1000
	// maxName is how long a name may be, in bytes. Lucene refuses a term, which is
	// name and value, of more than 32,766.
	maxName = 255
	// noName stands for a name without a character: JSON has such.
	noName = "(empty)"
)

// keep takes over the members of an object that its API struct does not name.
// place is the way to the object with a dot at its end, empty for the record:
// the name of an evidence item's member begins with "evidence.". What comes under
// a name that is taken (the next element's, or one that is cut to the same)
// stands behind what is there, in a list. All are counted: they tell that the
// API has moved on from what is known here.
func (e *envelope) keep(place string, d *objectDecoder) {
	if len(d.unknown) == 0 {
		return
	}
	e.unknown += len(d.unknown) + d.beyond
	e.drift.note(d.unknown)
	e.lossy = e.lossy || d.beyond > 0
	var unknown *ecs.Object
	for _, u := range d.unknown {
		if blank(u.value) || isEmpty(u.value) {
			continue
		}
		if e.kept == maxUnknown {
			e.lossy = true
			return
		}
		e.kept++
		if unknown == nil {
			unknown = e.doc.Root().Object(e.vendor[0]).Object(e.vendor[1]).Object("unknown")
		}
		name, text := unknownName(place, u.name), e.jsonText(u.value)
		if there := unknown.Get(name); there.Present() {
			e.several = append(append(e.several[:0], there.Values()...), text)
			text = e.doc.List(e.several...)
		}
		unknown.Set(name, text)
	}
}

// isEmpty tells a container with nothing in it.
func isEmpty(v raw) bool {
	s := ecs.NewScanner(v)
	if k := v.Kind(); k != '{' && k != '[' {
		return false
	}
	s.Enter()
	return !s.More()
}

// unknownName is a name without what Elasticsearch refuses in a flattened field:
// NUL, which ends the name in its terms, and more than maxName bytes.
func unknownName(place, name string) string {
	if strings.IndexByte(name, 0) >= 0 {
		name = strings.ReplaceAll(name, "\x00", "")
	}
	if name == "" {
		name = noName
	}
	if place != "" {
		name = place + name
	}
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
