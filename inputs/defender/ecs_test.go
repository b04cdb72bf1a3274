package defender

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ecsFacts is what the Elastic Common Schema says; see its README.md.
const ecsFacts = "../../testdata/ecs"

// notECS are the fields that ECS leaves to others: the vendor's, those that the
// agent's data streams carry (AGENT.md 4.3), and Kibana's own.
var notECS = []string{
	"microsoft.", "microsoft_defender_endpoint.", "data_stream.", "elastic_agent.", "input.type",
	// What Kibana's pages of findings read (MAPPING.md 11).
	"resource.", "result.evaluation", "rule.section", "rule.benchmark.", "vulnerability.cve", "vulnerability.status", "vulnerability.title",
}

// ecsExceptions are the fields whose value is deliberately not what ECS says,
// each with the reason. One that no document needs fails the test.
var ecsExceptions = map[string]string{
	"error.message":    "a list, as every pipeline of Elastic's package appends to it: one text for each fault",
	"host.os.platform": "a list where configuration names several platforms, as in Elastic's package",
}

// categorizationExceptions are the pairs of event.category and event.type that
// ECS does not expect together, each with the reason. None is needed today.
var categorizationExceptions = map[string]string{}

// TestFieldList compares all fields that the captures make, with the kinds of
// their JSON values, with the golden list.
func TestFieldList(t *testing.T) {
	seen := map[string]bool{}
	everyDocument(t, func(_ string, source map[string]any) {
		walkFields("", source, func(name string, v any) { seen[name+" "+jsonKind(v)] = true })
	})
	got := strings.Join(slices.Sorted(maps.Keys(seen)), "\n") + "\n"
	path := filepath.Join(captures, "fields.golden.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("fields changed (-want +got):\n%s", diff)
	}
}

// TestFieldsAreECS holds every field outside the vendor's against ECS: the name
// is known and the value fits its type.
func TestFieldsAreECS(t *testing.T) {
	table := readECSFields(t)
	deviations, excepted := map[string]string{}, map[string]bool{}
	everyDocument(t, func(document string, source map[string]any) {
		walkFields("", source, func(name string, v any) {
			if slices.ContainsFunc(notECS, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				return
			}
			err := table.check(name, v)
			switch {
			case err == nil:
			case ecsExceptions[name] != "":
				excepted[name] = true
			default:
				deviations[name+": "+err.Error()] = document
			}
		})
	})
	for _, deviation := range slices.Sorted(maps.Keys(deviations)) {
		t.Errorf("%s (in %s)", deviation, deviations[deviation])
	}
	for name := range ecsExceptions {
		if !excepted[name] {
			t.Errorf("%s: no document needs this exception", name)
		}
	}
}

// TestEventCategorization holds the four categorization fields against their
// allowed values, and every event.type against the types that ECS expects with
// the document's categories.
func TestEventCategorization(t *testing.T) {
	allowed := readCategorization(t)
	excepted := map[string]bool{}
	everyDocument(t, func(document string, source map[string]any) {
		event, _ := source["event"].(map[string]any)
		if event["kind"] == nil {
			t.Errorf("%s: no event.kind", document)
		}
		for _, name := range []string{"kind", "category", "type", "outcome"} {
			for _, v := range texts(event[name]) {
				if _, ok := allowed["event."+name][v]; !ok {
					t.Errorf("%s: event.%s: %q is not an allowed value", document, name, v)
				}
			}
		}
		categories := texts(event["category"])
		for _, kind := range texts(event["type"]) {
			expected := func(category string) bool {
				pair := category + " + " + kind
				if categorizationExceptions[pair] != "" {
					excepted[pair] = true
					return true
				}
				return slices.Contains(allowed["event.category"][category], kind)
			}
			if len(categories) > 0 && !slices.ContainsFunc(categories, expected) {
				t.Errorf("%s: event.type %q is expected with none of the categories %q", document, kind, categories)
			}
		}
	})
	for pair := range categorizationExceptions {
		if !excepted[pair] {
			t.Errorf("%s: no document needs this exception", pair)
		}
	}
}

// everyDocument visits every document that any capture makes under any setting
// that decides on fields.
func everyDocument(t *testing.T, visit func(document string, source map[string]any)) {
	t.Helper()
	for _, r := range resources {
		files, err := filepath.Glob(filepath.Join(captures, r.name, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, ".golden.json") {
				continue
			}
			record, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range configurations(r) {
				for i, document := range mapRecord(t, r, c, record) {
					var parsed struct {
						Source map[string]any `json:"_source"`
					}
					dec := json.NewDecoder(strings.NewReader(document))
					dec.UseNumber()
					if err := dec.Decode(&parsed); err != nil {
						t.Fatal(err)
					}
					visit(fmt.Sprintf("%s/%s, evidence %s, document %d", r.name, filepath.Base(f), c.Evidence, i), parsed.Source)
				}
			}
		}
	}
}

func configurations(r *resource) []Config {
	var all []Config
	for _, evidence := range []string{"split", "whole"} { // and software without a CVE left out, or not
		for _, duplicates := range []bool{false, true} {
			for _, original := range []bool{false, true} {
				c := configOf(r)
				c.Evidence, c.PreserveDuplicateCustomFields, c.PreserveOriginalEvent = evidence, duplicates, original
				c.SoftwareWithoutCVE = evidence == "whole"
				all = append(all, c)
			}
		}
	}
	return all
}

// walkFields visits every leaf with its dotted name. The members of objects in
// lists are visited under the list's name.
func walkFields(name string, v any, visit func(name string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for member, value := range v {
			walkFields(strings.TrimPrefix(name+"."+member, "."), value, visit)
		}
	case []any:
		var leaves []any
		for _, element := range v {
			if object, ok := element.(map[string]any); ok {
				walkFields(name, object, visit)
			} else {
				leaves = append(leaves, element)
			}
		}
		if len(leaves) > 0 {
			visit(name, leaves)
		}
	default:
		visit(name, v)
	}
}

// jsonKind is string, integer, number, boolean or null; of a list the kinds of
// its elements after [].
func jsonKind(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return "integer"
		}
		return "number"
	case []any:
		kinds := map[string]bool{}
		for _, element := range v {
			kinds[jsonKind(element)] = true
		}
		return "[]" + strings.Join(slices.Sorted(maps.Keys(kinds)), "|")
	default:
		return "null"
	}
}

// texts is a text or a list of texts.
func texts(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, element := range v {
			all = append(all, texts(element)...)
		}
		return all
	default:
		return []string{fmt.Sprint(v)}
	}
}

// ecsField is a line of fields.csv.
type ecsField struct {
	kind     string // Elasticsearch's type
	list     bool
	expected []string       // none: any value
	pattern  *regexp.Regexp // nil: any value
}

type ecsTable map[string]ecsField

func readECSFields(t *testing.T) ecsTable {
	t.Helper()
	table := ecsTable{}
	for _, line := range readCSV(t, filepath.Join(ecsFacts, "fields.csv")) {
		f := ecsField{kind: line[1], list: line[2] == "array"}
		if line[3] != "" {
			f.expected = strings.Split(line[3], "|")
		}
		if line[4] != "" {
			f.pattern = regexp.MustCompile(line[4])
		}
		table[line[0]] = f
	}
	return table
}

// readCategorization returns the allowed values of each field, a category's
// with the types expected with it.
func readCategorization(t *testing.T) map[string]map[string][]string {
	t.Helper()
	allowed := map[string]map[string][]string{}
	for _, line := range readCSV(t, filepath.Join(ecsFacts, "event.csv")) {
		if allowed[line[0]] == nil {
			allowed[line[0]] = map[string][]string{}
		}
		allowed[line[0]][line[1]] = strings.Fields(line[2])
	}
	return allowed
}

func readCSV(t *testing.T, name string) [][]string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return lines[1:]
}

// check says what is wrong with a field's name or value.
func (table ecsTable) check(name string, v any) error {
	f, ok := table[name]
	if !ok {
		for parent := name; strings.Contains(parent, "."); {
			parent = parent[:strings.LastIndexByte(parent, '.')]
			if k := table[parent].kind; k == "object" || k == "flattened" {
				return nil // its members are free
			}
		}
		return fmt.Errorf("not a field of ECS")
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, element := range list {
		if err := f.fits(element); err != nil {
			return err
		}
	}
	switch {
	case f.list && !isList:
		return fmt.Errorf("one value, ECS wants a list")
	case isList && !f.list:
		return fmt.Errorf("a list, ECS wants one value")
	}
	return nil
}

func (f ecsField) fits(v any) error {
	if !hasType(v, f.kind) {
		return fmt.Errorf("%#v is no %s", v, f.kind)
	}
	s := fmt.Sprint(v)
	if f.expected != nil && !slices.Contains(f.expected, s) {
		return fmt.Errorf("%q is none of %q", s, f.expected)
	}
	if f.pattern != nil && !f.pattern.MatchString(s) {
		return fmt.Errorf("%q does not match %s", s, f.pattern)
	}
	return nil
}

// hasType tells whether a leaf is of an Elasticsearch type. No leaf is an
// object, nor of a type that is not named here.
func hasType(v any, kind string) bool {
	text, isText := v.(string)
	switch kind {
	case "keyword", "constant_keyword", "wildcard", "text", "match_only_text":
		return isText
	case "date":
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	case "ip":
		_, err := netip.ParseAddr(text)
		return err == nil
	case "long":
		return jsonKind(v) == "integer"
	case "float", "scaled_float":
		return jsonKind(v) == "integer" || jsonKind(v) == "number"
	case "boolean":
		return jsonKind(v) == "boolean"
	default:
		return false
	}
}
