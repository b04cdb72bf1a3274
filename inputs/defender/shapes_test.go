package defender

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// shapes are one value or more of each JSON type, sizes that no field takes
// included.
var shapes = map[string]string{
	"null": `null`, "true": `true`, "false": `false`, "zero": `0`, "number": `-17`, "fraction": `1.5`, "exponent": `1e3`,
	"number beyond long": `9223372036854775808`, "number beyond double": `1e400`, "40,000 digits": strings.Repeat("7", 40_000),
	"empty text": `""`, "text": `"text"`, "number as text": `"17"`, "dash": `"-"`, "40,000 bytes": `"` + strings.Repeat("é", 20_000) + `"`,
	"escapes":                     `"\u0000\ud800\"\\\ud83d\ude00"`,
	"half a surrogate at the cut": `"` + strings.Repeat("x", mapping.MaxText-1) + `\ud83d\ude00"`,
	"date":                        `"2026-03-02T08:00:00.1234567Z"`, "year 1": `"0001-01-01T00:00:00Z"`, "year 0": `"0000-01-01T00:00:00Z"`,
	"year 9999": `"9999-12-31T23:59:59.9999999Z"`, "year 10000": `"10000-01-01T00:00:00Z"`, "year 10000 in UTC": `"9999-12-31T23:59:59-10:00"`,
	"year 0 in UTC": `"0001-01-01T00:00:00+10:00"`, "date with one digit an hour": `"2026-03-02T8:00:00Z"`, "date with a comma": `"2026-03-02T08:00:00,5Z"`,
	"date with 20 digits": `"2026-03-02T08:00:00.12345678901234567890Z"`, "date with a far zone": `"2026-03-02T08:00:00+23:59"`,
	"date without zone": `"2026-03-02T08:00:00"`, "date in escapes": `"\u0032026-03-02T08:00:00Z"`,
	"address": `"10.0.0.1"`, "address with zone": `"fe80::1%12"`, "address with zeros": `"010.001.1.1"`, "mapped address": `"::ffff:10.0.0.1"`,
	"empty list": `[]`, "list of text": `["a","b"]`, "list of mixed": `[1,1.5,true,"x",null,{},{"a":1},["y"]]`, "nested list": `[[["x"]]]`,
	"list of numbers": `[1,2.5,9223372036854775808]`, "empty object": `{}`, "object": `{"a":{"b":null}}`,
	"object with odd names": `{".":1," ":2,"":3,"a.b":4,"a":5}`, "list of objects": `[{"host":"h.example","id":"T1"},{"host":["x"],"id":{"x":1}}]`,
	"deep": strings.Repeat(`{"a":[`, 40) + strings.Repeat(`]}`, 40), "list of long": `["` + strings.Repeat("z", 10_000) + `",{"a":"` + strings.Repeat("z", 10_000) + `"}]`,
	"URL of long parts": `"http://` + strings.Repeat("u", 4000) + `:p@` + strings.Repeat("h", 4000) + `/` + strings.Repeat("p", 4000) + `"`,
}

// places are the objects of the API with a record around a member of each.
var places = []struct {
	resource *resource
	api      any
	wrap     string
}{
	{alertResource, &alert{}, `{"id":"a",%}`},
	{alertResource, &alert{}, `{"id":"a","evidence":[{"sha1":"x"}],%}`},
	{alertResource, &evidence{}, `{"id":"a","evidence":[{%}]}`},
	{alertResource, &evidence{}, `{"id":"a","evidence":[{"entityType":"Process","fileName":"f","filePath":"p","registryHive":"h","registryKey":"k"},{%},{"sha1":"x"}]}`},
	{alertResource, &relatedUser{}, `{"id":"a","relatedUser":{%}}`},
	{alertResource, &loggedOnUser{}, `{"id":"a","loggedOnUsers":[{%}]}`},
	{alertResource, &comment{}, `{"id":"a","comments":[{%}]}`},
	{alertResource, &domain{}, `{"id":"a","domains":[{%}]}`},
	{alertResource, &technique{}, `{"id":"a","mitreTechniques":[{%}]}`},
	{machineResource, &machine{}, `{"id":"a",%}`},
	{machineResource, &machine{}, `{"id":"a","osPlatform":"p","version":"v",%}`},
	{machineResource, &machineAddress{}, `{"id":"a","ipAddresses":[{%}]}`},
	{machineResource, &machineVM{}, `{"id":"a","vmMetadata":{%}}`},
	{machineActionResource, &machineAction{}, `{"id":"a",%}`},
	{machineActionResource, &actionFile{}, `{"id":"a","relatedFileInfo":{%}}`},
	{vulnerabilityResource, &vulnerability{}, `{"id":"a",%}`},
	{configurationResource, &configuration{}, `{"deviceId":"a",%}`},
	{baselineResource, &baseline{}, `{"id":"a",%}`},
	{informationGatheringResource, &informationGathering{}, `{"DeviceId":"a",%}`},
	{informationGatheringResource, &gatheredInfo{}, `{"DeviceId":"a","DeviceGatheredInfo":{%}}`},
	{vulnerabilityResource, &vulnerability{}, `{"Id":"a","CveId":"CVE-2024-1","SoftwareName":"n","OSVersion":"v",%}`},
}

// TestEveryShapeFitsTheMapping puts every JSON type into every known member and
// an unknown one: each field of each document is one that the Fleet package
// declares for the data stream, and has a value that Elasticsearch takes for its
// type. What is not mapped is in the original, which is kept then.
func TestEveryShapeFitsTheMapping(t *testing.T) {
	types := map[string]map[string]string{}
	for _, r := range resources {
		types[r.name] = packageFields(t, strings.TrimPrefix(r.dataset, module+"."))
	}
	for _, place := range places {
		plain, full := configOf(place.resource), configOf(place.resource)
		full.Evidence, full.PreserveDuplicateCustomFields, full.PreserveOriginalEvent, full.SoftwareWithoutCVE = "whole", true, true, true
		mappers := []*mapping.Mapper{newMapper(place.resource, plain, someAgent, someTime, nil), newMapper(place.resource, full, someAgent, someTime, nil)}
		if testing.Short() {
			mappers = mappers[1:] // the one with more fields
		}
		for _, name := range append(membersOf(place.api), "notKnownYet") {
			for shape, value := range shapes {
				record := strings.Replace(place.wrap, "%", `"`+name+`":`+value, 1)
				for _, m := range mappers {
					for _, document := range mapBy(t, m, []byte(record)) {
						for _, fault := range misfits(t, types[place.resource.name], document) {
							t.Errorf("%s: %s as %s: %s (%.200s)", place.resource.name, name, shape, fault, record)
						}
					}
				}
				if t.Failed() {
					return // one is enough to be read
				}
			}
		}
	}
}

var declaration = regexp.MustCompile(`(?m)^- name: '?([^'\n]+)'?$`)

// packageFields are the types of the fields that the Fleet package's field files
// declare for a data stream. fields.csv has the types of those of ECS too.
func packageFields(t *testing.T, stream string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, line := range readCSV(t, "../../spec/fleetpackage/fields.csv") {
		all[line[0]] = line[1]
	}
	types := map[string]string{}
	for _, file := range []string{"base-fields.yml", "ecs.yml", "fields.yml"} {
		content, err := os.ReadFile(filepath.Join("../../spec/package/data_stream", stream, "fields", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range declaration.FindAllStringSubmatch(string(content), -1) {
			if types[found[1]] = all[found[1]]; all[found[1]] == "" {
				t.Errorf("%s: %s is not in fields.csv", stream, found[1])
			}
		}
	}
	return types
}

// misfits are what Elasticsearch would refuse or map by itself.
func misfits(t *testing.T, types map[string]string, document string) (faults []string) {
	t.Helper()
	var hit struct {
		Source map[string]any `json:"_source"`
	}
	d := json.NewDecoder(strings.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&hit); err != nil {
		t.Fatal(err)
	}
	eachLeaf("", hit.Source, types, func(name string, v any) {
		kind, declared := types[name]
		if !declared {
			faults = append(faults, name+" is not declared")
		} else if !takes(kind, name, v) {
			faults = append(faults, fmt.Sprintf("%s is %s, got %.80v", name, kind, v))
		}
	})
	event, _ := hit.Source["event"].(map[string]any)
	if hit.Source["error"] != nil && (event["original"] == nil || event["kind"] != "pipeline_error") {
		faults = append(faults, "a fault without its kind or the original")
	}
	return faults
}

// eachLeaf visits all leaves, those in lists and the object of a flattened field
// included.
func eachLeaf(name string, v any, types map[string]string, visit func(name string, v any)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			eachLeaf(name, element, types, visit)
		}
	case map[string]any:
		if types[name] == "flattened" {
			visit(name, v)
			return
		}
		for member, value := range v {
			eachLeaf(strings.TrimPrefix(name+"."+member, "."), value, types, visit)
		}
	default:
		visit(name, v)
	}
}

// immense is the longest term that Lucene takes, in bytes.
const immense = 32766

// takes tells whether Elasticsearch takes a leaf for a field of a type.
func takes(kind, name string, v any) bool {
	text, isText := v.(string)
	switch kind {
	case "flattened":
		object, isObject := v.(map[string]any)
		for name, member := range object {
			for _, value := range append([]any{member}, listOf(member)...) {
				text, isText := value.(string)
				_, isList := value.([]any)
				isObject = isObject && (isText || isList) && len(name)+len(text) < immense && name != "" && !strings.Contains(name, "\x00")
			}
		}
		return isObject
	case "keyword", "wildcard", "constant_keyword":
		return isText && (len(text) <= immense || name == "event.original") // that one is not indexed
	case "match_only_text":
		return isText && len(text) <= immense
	case "date":
		return isText && esDate.MatchString(text) && inYears(text)
	case "float", "scaled_float":
		number, _ := v.(json.Number)
		_, err := strconv.ParseInt(number.String(), 10, 64) // OpenSearch refuses whole numbers beyond long
		return hasType(v, kind) && (err == nil || strings.ContainsAny(number.String(), ".eE"))
	default:
		return hasType(v, kind)
	}
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// esDate is strict_date_optional_time, with no more than the date's own zone.
var esDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z?$`)

func inYears(text string) bool {
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(text, "Z")+"Z")
	return err == nil && at.Year() >= 0 && at.Year() <= 9999
}
