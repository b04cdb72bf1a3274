package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

const minimal = `{"@timestamp":"2026-03-02T08:15:07.000Z"}`

// testNet: what the check must find, it finds, with field and source; a
// good document passes.
func testNet(t *testing.T, e *engine.Engine, p *engine.Package) {
	tests := []struct {
		name, members string
		want          []string // kind and field
	}{
		{"good", `"message":"m","event":{"severity":21},"tags":["a"]`, nil},
		{"object in a keyword", `"observer":{"name":{"a":1}}`, []string{"wrong type observer.name"}}, // taken, and lost, by OpenSearch
		{"object in a text", `"message":{"a":1}`, []string{"wrong type message"}},                    // likewise
		{"text in an object", `"observer":"text"`, []string{"refused observer", "undeclared observer"}},
		{"malformed number", `"event":{"severity":"high"}`, []string{"ignored event.severity", "wrong type event.severity"}},
		{"number in a keyword", `"observer":{"name":1}`, []string{"wrong type observer.name"}},
		{"fraction in a long", `"event":{"severity":1.5}`, []string{"wrong type event.severity"}},
		{"long keyword", `"observer":{"name":"` + strings.Repeat("x", 1025) + `"}`, []string{"too long observer.name"}},
		{"new text", `"newly":"a"`, []string{"undeclared newly"}},
		{"new object", `"newer":{"b":{}}`, []string{"undeclared newer", "undeclared newer.b"}},
		{"other constant", `"event":{"module":"other"}`, []string{"wrong type event.module"}},
		{"name with an empty part", `"a..b":1`, []string{"refused ", "undeclared a..b"}},
		{"list of other types", `"newest":[1,1.5,"x"]`, []string{"refused newest", "undeclared newest", "undeclared newest", "undeclared newest"}},
	}
	elasticsearch := map[string]string{ // what it reports beyond that
		"object in a keyword": "refused observer.name", "object in a text": "refused message", "long keyword": "ignored observer.name",
	}
	in := e.Install(t, p, engine.Installation{Namespace: "net"})
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := in.Feed(t, []engine.Document{{
				Target: "logs-microsoft_defender_endpoint.log-net", ID: fmt.Sprint(i), Source: tt.name,
				JSON: []byte(strings.TrimSuffix(minimal, "}") + "," + tt.members + "}"),
			}})
			var got []string
			for _, f := range r.Faults {
				got = append(got, f.Kind+" "+f.Field)
				if f.Source != tt.name && f.Source != "mapping" || f.Type == "" && f.Kind == engine.Refused {
					t.Errorf("source or type is missing: %v", f)
				}
			}
			if more, ok := elasticsearch[tt.name]; ok && e.Kind == engine.Elasticsearch {
				tt.want = append([]string{more}, tt.want...)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q: %v", got, tt.want, r.Faults)
			}
		})
	}
}

// testStrict: without ignore_malformed an engine refuses what it takes with it, be
// it not indexed. Elasticsearch refuses objects either way.
func testStrict(t *testing.T, e *engine.Engine, p *engine.Package) {
	values := map[string]string{"text in a long": `"event":{"severity":"high"}`, "object in a keyword": `"observer":{"name":{"a":1}}`, "object in a text": `"message":{"a":1}`}
	for _, strict := range []bool{false, true} {
		namespace := fmt.Sprint("strict-", strict)
		in := e.Install(t, p, engine.Installation{Namespace: namespace, Strict: strict})
		for name, members := range values {
			r := in.Feed(t, []engine.Document{{
				Target: "logs-microsoft_defender_endpoint.log-" + namespace, ID: name,
				JSON: []byte(`{"@timestamp":"2026-03-02T08:15:07.000Z",` + members + `}`),
			}})
			refused := strict || e.Kind == engine.Elasticsearch && strings.HasPrefix(name, "object")
			if (r.Refused == 1) != refused || r.Stored+r.Refused != 1 {
				t.Errorf("%s, strict %v: %+v", name, strict, r)
			}
		}
	}
}
