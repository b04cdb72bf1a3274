package defender

import (
	"reflect"
	"strings"
	"testing"
)

// badValues are what no field of the API should hold and any may.
var badValues = map[string]string{
	"null": `null`, "empty": `""`, "text": `"text"`, "number": `-17`, "fraction": `1.5`, "beyond float": `1e400`,
	"boolean": `true`, "object": `{"a":{"b":null}}`, "list": `[1,"x",null,{}]`, "empty object": `{}`, "empty list": `[]`,
	"huge": `"` + strings.Repeat("x", 100_000) + `"`, "invalid UTF-8": "\"\xff\xfe\"", "escapes": `"\u0000\ud800\"\\"`,
	"address": `"999.1.1.1"`, "address with zone": `"fe80::1%eth0"`, "MAC": `"00:zz"`, "URL": `"http://[::bad"`,
	"time": `"2026-13-45T99:00:00Z"`, "year": `"99999-01-01T00:00:00Z"`,
}

// membersOf are the members that an API struct names.
func membersOf(api any) []string {
	var names []string
	for t, i := reflect.TypeOf(api).Elem(), 0; i < t.NumField(); i++ {
		names = append(names, t.Field(i).Tag.Get("json"))
	}
	return names
}

// TestBadValues puts every bad value into every field of every resource: there
// is always a document, it is valid JSON (see mapRecord), and where something
// could not be mapped it is named and the original is kept.
func TestBadValues(t *testing.T) {
	structs := map[string]struct {
		api  any
		wrap string
	}{
		"alert":                 {&alert{}, `{"id":"a",%}`},
		"alert evidence":        {&evidence{}, `{"id":"a","evidence":[{%}]}`},
		"alert relatedUser":     {&relatedUser{}, `{"id":"a","relatedUser":{%}}`},
		"machine":               {&machine{}, `{"id":"a",%}`},
		"machine_action":        {&machineAction{}, `{"id":"a",%}`},
		"vulnerability":         {&vulnerability{}, `{"id":"a","cveId":"CVE-2024-1",%}`},
		"configuration":         {&configuration{}, `{"deviceId":"a",%}`},
		"baseline":              {&baseline{}, `{"id":"a",%}`},
		"information_gathering": {&informationGathering{}, `{"DeviceId":"a",%}`},
		"information_gathering deviceGatheredInfo": {&gatheredInfo{}, `{"DeviceId":"a","DeviceGatheredInfo":{%}}`},
		"machine unknown member":                   {nil, `{"id":"a",%}`},
	}
	for place, s := range structs {
		name, _, _ := strings.Cut(place, " ")
		var r *resource
		for _, candidate := range resources {
			if candidate.name == name {
				r = candidate
			}
		}
		fields := []string{"notKnownYet"}
		if s.api != nil {
			fields = append(fields, membersOf(s.api)...)
		}
		for _, name := range fields {
			for kind, value := range badValues {
				record := strings.Replace(s.wrap, "%", `"`+name+`":`+value, 1)
				for _, document := range expectSome(t, r, record) {
					if field(t, document, "error.message") == nil {
						continue
					}
					if field(t, document, "event.kind") != "pipeline_error" || field(t, document, "event.original") == nil {
						t.Errorf("%s %s of %s: fault without kind or original", kind, name, place)
					}
				}
			}
		}
	}
}

func expectSome(t *testing.T, r *resource, record string) []string {
	t.Helper()
	documents := mapRecord(t, r, configOf(r), []byte(record))
	if len(documents) == 0 {
		t.Errorf("%s: no document for %.200s", r.name, record)
	}
	return documents
}
