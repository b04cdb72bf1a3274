package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// document is one as it was sent to the engine.
type document map[string]any

// at are the values of a field; none where it is absent.
func (d document) at(path string) []any {
	node := any(map[string]any(d))
	for name := range strings.SplitSeq(path, ".") {
		object, _ := node.(map[string]any)
		if node = object[name]; node == nil {
			return nil
		}
	}
	if list, ok := node.([]any); ok {
		return list
	}
	return []any{node}
}

// has tells whether one of the values of a field is this one.
func (d document) has(path string, value any) bool { return slices.Contains(d.at(path), value) }

// search is what the page "Reading the documents" promises of one of its
// searches, in Go, over the documents of its indices.
type search struct {
	found func(document) bool // by KQL
	// What ES|QL counts: the columns that name a row, and one with a number.
	key, number string
	counted     func([]document) map[string]float64
}

// searches are the page's, in its order.
var searches = []search{
	{
		found: func(d document) bool { return !d.has("microsoft.defender_endpoint.status", "Resolved") },
		key:   "event.id", number: "event.severity",
		counted: func(all []document) map[string]float64 {
			rows := map[string]float64{}
			for _, d := range all {
				if severity := d.at("event.severity"); d.has("microsoft.defender_endpoint.status", "Resolved") {
					continue
				} else if severity == nil {
					rows[d.at("event.id")[0].(string)] = 0
				} else {
					rows[d.at("event.id")[0].(string)] = severity[0].(float64)
				}
			}
			return rows
		},
	},
	{
		found: func(d document) bool { return d.has("host.name", "ws-21.corp.contoso.example") },
		key:   "event.id", number: "documents",
		counted: func(all []document) map[string]float64 {
			rows := map[string]float64{}
			for _, d := range all {
				if d.has("host.name", "ws-21.corp.contoso.example") {
					rows[d.at("event.id")[0].(string)]++
				}
			}
			return rows
		},
	},
	{
		found: func(d document) bool {
			return d.has("related.ip", "198.51.100.23") || d.has("related.hosts", "bad.example")
		},
		key: "host.name", number: "alerts",
		counted: different("host.name", func(d document) bool {
			return d.has("related.ip", "198.51.100.23") || d.has("related.hosts", "bad.example")
		}),
	},
	{
		found: func(d document) bool { return d.has("threat.tactic.name", "Credential Access") },
		key:   "threat.technique.id", number: "alerts",
		counted: different("threat.technique.id", func(d document) bool { return d.has("threat.tactic.name", "Credential Access") }),
	},
	{
		found: func(d document) bool { return d.has("event.outcome", "failure") },
		key:   "event.action", number: "failed",
		counted: func(all []document) map[string]float64 {
			rows := different("event.action", func(d document) bool { return d.has("event.outcome", "failure") })(all)
			for _, d := range all { // those that did not fail have a row as well
				if d.at("event.outcome") != nil {
					rows[d.at("event.action")[0].(string)] += 0
				}
			}
			return rows
		},
	},
}

// different counts the alerts or actions of each value of a field.
func different(field string, of func(document) bool) func([]document) map[string]float64 {
	return func(all []document) map[string]float64 {
		ids, rows := map[string]bool{}, map[string]float64{}
		for _, d := range all {
			values := d.at(field)
			if values == nil {
				values = []any{"null"}
			}
			for _, v := range values {
				if key := fmt.Sprint(v, d.at("event.id")); of(d) && !ids[key] {
					ids[key] = true
					rows[fmt.Sprint(v)]++
				}
			}
		}
		return rows
	}
}

// pageSearch is a search as the page has it.
type pageSearch struct{ heading, esql, view, kql string }

var searchOnPage = regexp.MustCompile("(?s)### (\\d\\. [^\n]+)\n.*?```esql\n(.*?)```.*?Data view `([^`]+)`:\n\n```kql\n(.*?)```")

var esqlBlock = regexp.MustCompile("(?s)```esql\n(.*?)```")

// TestEngineSearches runs each search of the page "Reading the documents" in its
// two forms, with Elastic's own ES|QL and KQL, on the documents of the demo.
func TestEngineSearches(t *testing.T) {
	e, p := engine.Start(t, engine.Options{Kind: engine.Queried}), engine.ReadPackage(t, repository)
	f := &feed{TB: t, namespace: "default"}
	f.demo()
	in := e.Install(t, p, engine.Installation{Namespace: f.namespace})
	if r := in.Feed(t, f.documents); r.Stored != r.Offered || r.Offered < 500 {
		t.Fatalf("of %d documents %d were stored", r.Offered, r.Stored)
	}
	all := map[string][]document{}
	for _, d := range f.documents {
		all[d.Target] = append(all[d.Target], decoded(t, d.JSON))
	}
	all["defender_endpoint.latest_alert"] = latestAlerts(t, e)
	text, err := os.ReadFile(filepath.Join(repository, "spec/package/docs/reading.md"))
	if err != nil {
		t.Fatal(err)
	}
	onPage := searchOnPage.FindAllStringSubmatch(string(text), -1)
	if n := strings.Count(string(text), "\n### "); len(onPage) != len(searches) || n != len(searches) {
		t.Fatalf("the page has %d searches below %d headings, the test %d", len(onPage), n, len(searches))
	}
	for i, m := range onPage {
		s := pageSearch{m[1], m[2], m[3], m[4]}
		t.Run(s.heading, func(t *testing.T) {
			var of []document
			for _, pattern := range strings.Split(s.view, ",") {
				of = append(of, all[strings.Replace(pattern, "*", f.namespace, 1)]...)
			}
			s.tryESQL(t, e, searches[i], of)
			s.tryKQL(t, e, searches[i], of)
		})
	}
	t.Run("other pages", func(t *testing.T) { otherPages(t, e) })
	t.Run("saved objects", func(t *testing.T) { savedQueries(t, e) })
}

// otherPages runs the ES|QL of all pages, which must find something.
func otherPages(t *testing.T, e *engine.Engine) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(repository, "spec/package/docs/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages (%v)", err)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range esqlBlock.FindAllStringSubmatch(string(text), -1) {
			var answer struct{ Values [][]any }
			e.Call(t, http.MethodPost, "/_query", map[string]any{"query": m[1]}, &answer)
			if len(answer.Values) == 0 {
				t.Errorf("%s: nothing is found by %s", path, m[1])
			}
		}
	}
}

// savedQueries runs every KQL query of the package's saved objects, the detection
// rule's too. Each finds something, but for what the demo has none of: faults and
// critical alerts.
func savedQueries(t *testing.T, e *engine.Engine) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "spec/package/kibana/*/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]bool{}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range kqlOf(map[string]any(decoded(t, b))) {
			queries[query] = true
		}
	}
	for query := range queries {
		// Kibana's KQL has lists of values, that of Elasticsearch 8.19 has none.
		query = valuesOfField.ReplaceAllString(query, "($1: $2 or $1: $3)")
		var answer struct{ Count int }
		e.Call(t, http.MethodPost, "/logs-*,metrics-*,defender_endpoint.*/_count", map[string]any{"query": map[string]any{"kql": map[string]any{"query": query}}}, &answer)
		if answer.Count == 0 && query != `event.kind: "pipeline_error"` && query != `event.severity: "99"` {
			t.Errorf("nothing is found by %s", query)
		}
	}
	if len(queries) < 15 {
		t.Errorf("only %d queries", len(queries))
	}
}

var severity = regexp.MustCompile(`("vulnerabilitySeverityLevel":)"[^"]*"`)

var valuesOfField = regexp.MustCompile(`([\w.]+): \((\w+) or (\w+)\)`)

// kqlOf are the KQL queries in a saved object that are not empty.
func kqlOf(node any) (all []string) {
	switch node := node.(type) {
	case map[string]any:
		if query, ok := node["query"].(string); ok && query != "" && node["language"] == "kuery" {
			all = append(all, query)
		}
		for _, v := range node {
			all = append(all, kqlOf(v)...)
		}
	case []any:
		for _, v := range node {
			all = append(all, kqlOf(v)...)
		}
	}
	return all
}

// demo adds what the demo's tenant has, and vulnerabilities, of which some are fixed.
func (f *feed) demo() {
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 200, Machines: 50, Actions: 30, Vulnerabilities: 10, Configurations: 3, Baselines: 3})
	for name, resource := range map[string]defendertest.Resource{
		"alert": defendertest.Alerts, "machine": defendertest.Machines, "machine_action": defendertest.MachineActions,
	} {
		for _, record := range list(f, tenant, resource.String()) {
			f.add(name, usual, "demo/"+name, record)
		}
	}
	f.assessments(tenant)
	for body := range tenant.RowBodies(defendertest.Vulnerabilities, false) { // the demo has none of this severity
		f.add("vulnerability", usual, "low", []byte(severity.ReplaceAllString(body, `$1"Low"`)))
		break
	}
	f.reports()
	if err := tenant.FixFindings(1, 20); err != nil {
		f.Fatal(err)
	}
	for body := range tenant.ChangeBodies(defendertest.Vulnerabilities) {
		f.add("vulnerability", usual, "demo/changes", []byte(body))
	}
}

func decoded(t *testing.T, b []byte) (d document) {
	t.Helper()
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// latestAlerts makes the index of the transform latest_alert, which the engine has
// not, and returns what is in it.
func latestAlerts(t *testing.T, e *engine.Engine) (all []document) {
	t.Helper()
	const source, index = "logs-microsoft_defender_endpoint.log-default", "defender_endpoint.latest_alert-v1"
	var mapped map[string]struct{ Mappings map[string]any }
	e.Call(t, http.MethodGet, "/"+source+"/_mapping", nil, &mapped)
	for _, m := range mapped {
		e.Call(t, http.MethodPut, "/"+index, map[string]any{
			"aliases": map[string]any{"defender_endpoint.latest_alert": map[string]any{}}, "mappings": m.Mappings,
		}, nil)
	}
	a := alertAssets{TB: t, engine: e, namespace: "default"}
	for _, f := range a.kept("latest_alert", nil) {
		d := document(f.Hit.Hits.Hits[0].Source)
		e.Call(t, http.MethodPost, "/"+index+"/_doc", map[string]any(d), nil)
		all = append(all, d)
	}
	e.Call(t, http.MethodPost, "/"+index+"/_refresh", nil, nil)
	return all
}

// tryESQL runs the ES|QL form and compares its rows with those of the documents.
func (s pageSearch) tryESQL(t *testing.T, e *engine.Engine, want search, of []document) {
	t.Helper()
	var answer struct {
		Columns []struct{ Name string }
		Values  [][]any
	}
	e.Call(t, http.MethodPost, "/_query", map[string]any{"query": s.esql}, &answer)
	got := map[string]float64{}
	for _, row := range answer.Values {
		var key string
		var number float64
		for i, c := range answer.Columns {
			switch c.Name {
			case want.key:
				key = strings.ReplaceAll(fmt.Sprint(row[i]), "<nil>", "null")
			case want.number:
				number, _ = row[i].(float64) // null is 0
			}
		}
		got[key] = number
	}
	if rows := want.counted(of); !maps.Equal(got, rows) || len(got) != len(answer.Values) || len(rows) < 2 {
		t.Errorf("ES|QL: %d rows %v, want %v", len(answer.Values), got, rows)
	}
}

// tryKQL runs the KQL form and compares what it finds with the documents.
func (s pageSearch) tryKQL(t *testing.T, e *engine.Engine, want search, of []document) {
	t.Helper()
	var answer struct {
		Hits struct {
			Hits []struct {
				Source document `json:"_source"`
			}
		}
	}
	e.Call(t, http.MethodPost, "/"+s.view+"/_search?size=5000", map[string]any{
		"query": map[string]any{"kql": map[string]any{"query": strings.TrimSpace(s.kql)}},
	}, &answer)
	for _, h := range answer.Hits.Hits {
		if !want.found(h.Source) {
			t.Errorf("KQL finds %v", h.Source)
		}
	}
	n := 0
	for _, d := range of {
		if want.found(d) {
			n++
		}
	}
	if n < 2 || n == len(of) || len(answer.Hits.Hits) != n {
		t.Errorf("KQL finds %d documents, want %d of %d", len(answer.Hits.Hits), n, len(of))
	}
}
