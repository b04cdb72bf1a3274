package explain

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// maxShown is how much of a value is printed, characters.
const maxShown = 40

// Print writes a row for each field.
func Print(out io.Writer, fields []Field) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FIELD\tVALUE\tFROM\tRULE")
	for _, f := range fields {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", visible(f.Name), short(visible(textOf(f.Value))), visible(sources(f.From)), f.Rule)
	}
	return w.Flush()
}

func short(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown-3]) + "..."
}

// maxSources is how many members are named one by one.
const maxSources = 3

var place = regexp.MustCompile(`\[\d+\]`)

// sources names members: many of them without their places in lists, and not all.
func sources(from []string) string {
	if len(from) == 0 {
		return "-"
	}
	if len(from) > maxSources {
		var apart []string
		for _, path := range from {
			if path = place.ReplaceAllString(path, "[]"); !slices.Contains(apart, path) {
				apart = append(apart, path)
			}
		}
		from = apart
	}
	if more := len(from) - maxSources; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(from[:maxSources], ", "), more)
	}
	return strings.Join(from, ", ")
}

// visible puts a space in place of what is no character to be seen: records are what
// somebody else wrote.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
