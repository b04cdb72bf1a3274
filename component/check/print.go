package check

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Width is how wide a report is for a person, in characters. A word that is longer
// than a line is not broken.
const Width = 80

// labelled is the column where the values of a report begin.
const labelled = 17

// Print writes what was found out of streams and output, for a person. Faults and
// warnings are not written: they are a line each, however long.
func (r Report) Print(w io.Writer) error {
	var b bytes.Buffer
	noted := map[string]bool{}
	for _, s := range r.Streams {
		var notes []string
		for _, note := range s.Notes { // streams of one application say the same
			if !noted[note] {
				notes = append(notes, note)
			}
			noted[note] = true
		}
		s.print(&b, notes)
	}
	if o := r.Output; o != nil {
		text := o.Result
		if o.Version != "" {
			text += ", version " + o.Version
		}
		wrap(&b, fmt.Sprintf("output %s: %s", o.Type, text), 2)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (s Stream) print(b *bytes.Buffer, notes []string) {
	wrap(b, fmt.Sprintf("stream %s: %s", s.ID, s.result()), 2)
	line := func(label, text string) {
		if text != "" {
			wrap(b, fmt.Sprintf("  %-*s%s", labelled-2, label, text), labelled)
		}
	}
	line("dataset", s.Dataset)
	if s.Token {
		line("token", "with "+listed(s.Roles, "no roles"))
	} else if s.Needs != "" {
		line("token", "none")
	}
	line("needs", s.Needs)
	if s.HTTPStatus != 0 {
		line("answer", fmt.Sprintf("HTTP %d", s.HTTPStatus))
	}
	if s.Newest != nil {
		line("newest record", s.Newest.Format(time.RFC3339))
	}
	if s.Token {
		line("calls left", strings.TrimSpace(fmt.Sprintf("%d/h %s", s.CallsLeft, s.Limits)))
	}
	for _, note := range notes {
		line("note", note)
	}
	b.WriteByte('\n')
}

func (s Stream) result() string {
	switch {
	case !s.CanCollect:
		return "cannot collect, see below"
	case !s.Tried:
		return "settings are right"
	case len(s.LeftOut) > 0:
		return "can collect, without " + strings.Join(s.LeftOut, ", ")
	}
	return "can collect"
}

func listed(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, " ")
}

// wrap writes a text in lines of Width at most, the second and later ones indented.
func wrap(b *bytes.Buffer, text string, indent int) {
	column, begun := 0, false // of the line
	for word := range strings.SplitAfterSeq(text, " ") {
		if begun && column+utf8.RuneCountInString(strings.TrimRight(word, " ")) > Width {
			b.Truncate(len(bytes.TrimRight(b.Bytes(), " ")))
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column, begun = indent, false
		}
		b.WriteString(word)
		column += utf8.RuneCountInString(word)
		begun = begun || strings.TrimSpace(word) != ""
	}
	b.WriteByte('\n')
}
