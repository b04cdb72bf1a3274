package defender

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// smallCase is a line of testdata/defender/cases: a record, what is right in the
// first of its documents, and why.
type smallCase struct {
	Case   string
	Record jsontext.Value
	Right  map[string]any
	Why    string
}

// TestCases holds the first document of each small record against what is right:
// a value (a list of one is its element; a text that ends in ~ is compared as far
// as it goes, a null is absence), or an object: has and hasnot name elements, not a value that is
// wrong, present that there is one.
func TestCases(t *testing.T) {
	for _, r := range resources {
		for _, c := range readCases(t, r.name) {
			t.Run(r.name+"/"+c.Case, func(t *testing.T) {
				document := mapRecord(t, r, configOf(r), c.Record)[0]
				for path, want := range c.Right {
					if fault := compareCase(field(t, document, path), want); fault != "" {
						t.Errorf("%s: %s (%s)", path, fault, c.Why)
					}
				}
			})
		}
	}
}

func readCases(t *testing.T, resource string) (cases []smallCase) {
	t.Helper()
	f, err := os.Open(filepath.Join(captures, "cases", resource+".ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var c smallCase
		if err := json.Unmarshal(lines.Bytes(), &c, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if len(c.Right) == 0 || c.Why == "" {
			t.Errorf("%s says nothing", c.Case)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases of %s: %v", len(cases), resource, err)
	}
	return cases
}

// compareCase says what is wrong with a value, "" where it is right.
func compareCase(got, want any) string {
	rule, ok := want.(map[string]any)
	if !ok {
		if isSame(got, want) {
			return ""
		}
		return fmt.Sprintf("got %v, want %v", got, want)
	}
	list := texts(got)
	for _, v := range texts(rule["has"]) {
		if !slices.Contains(list, v) {
			return fmt.Sprintf("%v lacks %s", got, v)
		}
	}
	for _, v := range texts(rule["hasnot"]) {
		if slices.Contains(list, v) {
			return fmt.Sprintf("%v has %s", got, v)
		}
	}
	if wrong, ok := rule["not"]; ok && isSame(got, wrong) || rule["present"] == true && got == nil {
		return fmt.Sprintf("got %v, want %v", got, rule)
	}
	return ""
}

func isSame(got, want any) bool {
	if list, ok := want.([]any); ok && len(list) == 1 {
		want = list[0]
	}
	if list, ok := got.([]any); ok && len(list) == 1 {
		got = list[0]
	}
	g, isText := got.(string)
	if w, ok := want.(string); ok && isText && strings.HasSuffix(w, "~") {
		return strings.HasPrefix(g, strings.TrimSuffix(w, "~")[:23])
	}
	return equal(got, want)
}
