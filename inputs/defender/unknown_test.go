package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// TestUnknownMembersGoIntoOneField: no matter what their name and shape, they are
// texts one level deep, under names that a flattened field takes.
func TestUnknownMembersGoIntoOneField(t *testing.T) {
	long := strings.Repeat("n", mapping.MaxName-1)
	for name, c := range map[string]struct {
		members string
		want    map[string]any
	}{
		"text":              {`"a":"x"`, map[string]any{"a": "x"}},
		"number":            {`"a":1.50`, map[string]any{"a": "1.50"}},
		"huge number":       {`"a":1e400`, map[string]any{"a": "1e400"}},
		"boolean":           {`"a":false`, map[string]any{"a": "false"}},
		"object":            {`"a":{ "b": {"c":[1,null]} }`, map[string]any{"a": `{"b":{"c":[1,null]}}`}},
		"list of mixed":     {`"a":[1,1.5,"x",null,{}]`, map[string]any{"a": `[1,1.5,"x",null,{}]`}},
		"nothing":           {`"a":null,"b":"","c":{ },"d":[]`, nil},
		"name of a dot":     {`".":1," ":2,"a..b":3`, map[string]any{".": "1", " ": "2", "a..b": "3"}},
		"dotted and plain":  {`"a":1,"a.b":2`, map[string]any{"a": "1", "a.b": "2"}},
		"empty name":        {`"":1`, map[string]any{"(empty)": "1"}},
		"NUL":               {`"a\u0000b":1,"\u0000":2`, map[string]any{"ab": "1", "(empty)": "2"}},
		"name twice":        {`"a":1,"a":2`, map[string]any{"a": []any{"1", "2"}}},
		"long name":         {`"` + strings.Repeat("n", 40_000) + `":1`, map[string]any{long + "n": "1"}},
		"cut between runes": {`"` + long + `éé":1`, map[string]any{long: "1"}},
		"equal when cut":    {`"` + long + `xa":1,"` + long + `xb":[2],"` + long + `xa":3`, map[string]any{long + "x": []any{"1", "[2]", "3"}}},
		"known name":        {`"unknown":7`, map[string]any{"unknown": "7"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range resources {
				for _, document := range mapRecord(t, r, configOf(r), []byte(`{`+c.members+`}`)) {
					got := field(t, document, vendorOf(r)+".unknown")
					if c.want == nil && got != nil || c.want != nil && !equal(got, c.want) {
						t.Errorf("%s: got %v, want %v", r.name, got, c.want)
					}
					if kind := field(t, document, "event.kind"); kind == "pipeline_error" {
						t.Errorf("%s: what is unknown is no fault: %s", r.name, document)
					}
				}
			}
		})
	}
}

// vendorOf is the path of a resource's vendor object.
func vendorOf(r *resource) string { return strings.Join(r.vendor.Path[:], ".") }

// TestUnknownMembersOfParts: those of objects inside a record stand in the same
// field, behind the way to the object, and several of one name in a list.
func TestUnknownMembersOfParts(t *testing.T) {
	whole := configOf(alertResource)
	whole.Evidence = "whole"
	for _, c := range []struct {
		r      *resource
		config Config
		record string
		want   map[string]any
	}{
		{alertResource, configOf(alertResource), `{"evidence":[{"sha1":"a","x":{"y":1}}]}`, map[string]any{"evidence.x": `{"y":1}`}},
		{alertResource, whole, `{"evidence":[{"x":1},{"x":"b","z":2},{"sha1":"a"}]}`, map[string]any{"evidence.x": []any{"1", "b"}, "evidence.z": "2"}},
		{alertResource, configOf(alertResource), `{"relatedUser":{"x":1},"loggedOnUsers":[{"x":1}],"comments":[{"x":1}],"domains":[{"x":1}],"mitreTechniques":[{"x":1}]}`,
			map[string]any{"relatedUser.x": "1", "loggedOnUsers.x": "1", "comments.x": "1", "domains.x": "1", "mitreTechniques.x": "1"}},
		{machineResource, configOf(machineResource), `{"ipAddresses":[{"x":1},{"x":2}],"vmMetadata":{"x":1}}`,
			map[string]any{"ipAddresses.x": []any{"1", "2"}, "vmMetadata.x": "1"}},
		{machineActionResource, configOf(machineActionResource), `{"relatedFileInfo":{"x":1}}`, map[string]any{"relatedFileInfo.x": "1"}},
	} {
		document := mapRecord(t, c.r, c.config, []byte(c.record))[0]
		if got := field(t, document, vendorOf(c.r)+".unknown"); !equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.record, got, c.want)
		}
	}
}

// TestUnknownMembersAreBounded: what has no place is in the original, which is
// kept then, and the document is no error.
func TestUnknownMembersAreBounded(t *testing.T) {
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `,"m%d":%d`, i, i)
	}
	text := strings.Repeat("\U0001F600é", 10_000) // three characters for Elasticsearch
	for name, members := range map[string]string{
		"many members": many.String(),
		"a long text":  `,"a":"` + text + `"`,
		"a long list":  `,"a":["` + text + `"]`,
	} {
		for _, r := range resources {
			record := `{"id":"a"` + members + `,"evidence":[{"sha1":"x"},{"sha1":"y"}]}`
			for _, document := range mapRecord(t, r, configOf(r), []byte(record)) {
				unknown, _ := field(t, document, vendorOf(r)+".unknown").(map[string]any)
				if len(unknown) == 0 || len(unknown) > mapping.MaxUnknown || name == "many members" && len(unknown) < mapping.MaxUnknown {
					t.Errorf("%s, %s: %d members", r.name, name, len(unknown))
				}
				if a, ok := unknown["a"].(string); ok && (utf16Len(a) > mapping.MaxText || utf16Len(a) < mapping.MaxText-1) {
					t.Errorf("%s, %s: a text of %d characters", r.name, name, utf16Len(a))
				}
				if got := field(t, document, "event.original"); got != record {
					t.Errorf("%s, %s: the original is %.100v", r.name, name, got)
				}
				if !strings.Contains(fmt.Sprint(field(t, document, "tags")), mapping.TagOriginal) || field(t, document, "error") != nil {
					t.Errorf("%s, %s: tags %v, error %v", r.name, name, field(t, document, "tags"), field(t, document, "error"))
				}
			}
		}
	}
}

// TestOriginalIsKeptOnlyWhereSomethingIsMissing: one evidence item with a long
// text says nothing about the next.
func TestOriginalIsKeptOnlyWhereSomethingIsMissing(t *testing.T) {
	documents := mapRecord(t, alertResource, configOf(alertResource),
		[]byte(`{"id":"a","evidence":[{"sha1":"x"},{"new":"`+strings.Repeat("x", 9000)+`"},{"sha1":"y","new":1}]}`))
	for i, document := range documents {
		if kept := field(t, document, "event.original") != nil; kept != (i == 1) {
			t.Errorf("document %d: original kept: %v", i, kept)
		}
	}
	if len(documents) != 3 {
		t.Errorf("%d documents", len(documents))
	}
}

func utf16Len(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
