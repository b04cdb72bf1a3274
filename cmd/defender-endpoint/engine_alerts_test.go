package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// ingestions is when the data stream under test began to fill.
var ingestions = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// updates are the versions of one alert, each with three evidence items: when it
// is ingested, in minutes, and the alert's state.
var updates = []struct {
	minute int
	status string
}{{0, "New"}, {3, "New"}, {20, "InProgress"}, {45, "Resolved"}}

// TestEngineOneAlert: three evidence items and four updates of an alert are one
// alert of the package's rule and one line of its transform latest_alert. The
// engine has neither rules nor transforms: their searches are made as Kibana and
// Elasticsearch make them.
func TestEngineOneAlert(t *testing.T) {
	e, p := engine.Start(t, engine.Options{}), engine.ReadPackage(t, repository)
	for namespace, tt := range map[string]struct {
		way
		documents int // of the alert
	}{
		"split":  {way{"split", map[string]any{"evidence": "split"}}, 12},
		"update": {way{"update", map[string]any{"evidence": "split", "timestamp_source": "update"}}, 12},
		"whole":  {way{"whole", map[string]any{"evidence": "whole"}}, 4},
	} {
		t.Run(namespace, func(t *testing.T) {
			f := &feed{TB: t, namespace: namespace}
			f.alerts(tt.way)
			in := e.Install(t, p, engine.Installation{Namespace: namespace, Settings: map[string]any{
				// It would set event.ingested, which the test does.
				"index.final_pipeline": "_none",
			}})
			if r := in.Feed(t, f.documents); r.Stored != r.Offered {
				t.Fatalf("of %d documents %d were stored", r.Offered, r.Stored)
			}
			a := alertAssets{TB: t, engine: e, namespace: namespace}
			a.read()
			if n := a.count(); n != tt.documents {
				t.Errorf("the alert has %d documents, want %d", n, tt.documents)
			}
			raised := a.raised()
			for _, key := range []string{"alert-1/tenant-1", "alert-1/tenant-2", "alert-2/tenant-1"} {
				if len(raised[key]) != 1 {
					t.Errorf("rule: %s raises %d alerts, want 1: %v", key, len(raised[key]), raised[key])
				}
				delete(raised, key)
			}
			if len(raised) > 0 {
				t.Errorf("rule: also raised %v", raised)
			}
			latest := a.latest("latest_alert")
			for key, want := range map[string]string{"alert-1/tenant-1": "Resolved", "alert-1/tenant-2": "New", "alert-2/tenant-1": "InProgress"} {
				if got := latest[key]; len(got) != 1 || got[0] != want {
					t.Errorf("transform: %s is %v, want %s once", key, got, want)
				}
				delete(latest, key)
			}
			if len(latest) > 0 {
				t.Errorf("transform: also %v", latest)
			}
		})
	}
}

// TestEngineOneAction: the states of a machine action are one line of the
// transform latest_action, the last one also where it has a fault.
func TestEngineOneAction(t *testing.T) {
	e, p := engine.Start(t, engine.Options{}), engine.ReadPackage(t, repository)
	f := &feed{TB: t, namespace: "action"}
	f.actions()
	in := e.Install(t, p, engine.Installation{Namespace: "action", Settings: map[string]any{"index.final_pipeline": "_none"}})
	if r := in.Feed(t, f.documents); r.Stored != r.Offered || r.Offered != 4 {
		t.Fatalf("of %d documents %d were stored", r.Offered, r.Stored)
	}
	a := alertAssets{TB: t, engine: e, namespace: "action"}
	got := a.latest("latest_action")
	for key, want := range map[string]string{"action-1/<nil>": "Succeeded", "action-2/<nil>": "Pending"} {
		if len(got[key]) != 1 || got[key][0] != want {
			t.Errorf("%s is %v, want %s once", key, got[key], want)
		}
	}
	if len(got) != 2 {
		t.Errorf("want two lines: %v", got)
	}
}

// alerts adds the updates of an alert; the same id in another tenant; an alert
// with broken members; and, last, a lesser form of the alert's first version,
// without its update time.
func (f *feed) alerts(w way) {
	record := func(capture string, change func(map[string]any)) []byte {
		b, err := os.ReadFile(filepath.Join(captured, "alert", capture+".json"))
		if err != nil {
			f.Fatal(err)
		}
		var o map[string]any
		if err := json.Unmarshal(b, &o); err != nil {
			f.Fatal(err)
		}
		change(o)
		b, err = json.Marshal(o)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	version := func(tenant string, i int) func(map[string]any) {
		return func(o map[string]any) {
			o["id"], o["aadTenantId"], o["status"] = "alert-1", tenant, updates[i].status
			o["lastUpdateTime"] = ingestions.Add(time.Duration(updates[i].minute) * time.Minute)
			o["evidence"] = o["evidence"].([]any)[:3]
		}
	}
	for i, u := range updates {
		f.ingest(u.minute, func() { f.add("alert", w, "update", record("every-evidence-type", version("tenant-1", i))) })
	}
	f.ingest(4, func() { f.add("alert", w, "other tenant", record("every-evidence-type", version("tenant-2", 0))) })
	f.ingest(2, func() {
		f.add("alert", w, "broken", record("wrong-types", func(o map[string]any) { o["id"], o["aadTenantId"] = "alert-2", "tenant-1" }))
	})
	f.ingest(46, func() {
		dataset := datasetOf["alert"]
		f.documents = append(f.documents, engine.Document{Target: "logs-" + dataset + "-" + f.namespace, ID: "lesser", Source: "lesser form", JSON: fmt.Appendf(nil,
			`{"@timestamp":"2026-03-02T11:00:00Z","data_stream":{"type":"logs","dataset":%q,"namespace":%q},"event":{"kind":"pipeline_error","id":"alert-1"},"cloud":{"account":{"id":"tenant-1"}}}`,
			dataset, f.namespace)})
	})
}

// ingest gives the documents that add adds the time of their ingestion, which
// Fleet's pipeline cuts to seconds.
func (f *feed) ingest(minute int, add func()) {
	f.Helper()
	from := len(f.documents)
	add()
	for i := range f.documents[from:] {
		d := &f.documents[from+i]
		var o map[string]any
		if err := json.Unmarshal(d.JSON, &o); err != nil {
			f.Fatal(err)
		}
		o["event"].(map[string]any)["ingested"] = ingestions.Add(time.Duration(minute)*time.Minute + 7*time.Second)
		var err error
		if d.JSON, err = json.Marshal(o); err != nil {
			f.Fatal(err)
		}
	}
}

// alertAssets are the package's rule and transform over one namespace.
type alertAssets struct {
	testing.TB
	engine    *engine.Engine
	namespace string
	rule      struct {
		Index         []string
		Query         string
		Fields        []string `json:"new_terms_fields"`
		History       string   `json:"history_window_start"`
		From          string
		Interval      string
		TimestampName string `json:"timestamp_override"`
	}
}

func (a *alertAssets) read() {
	a.Helper()
	rules, err := filepath.Glob(filepath.Join(repository, "spec/package/kibana/security_rule/*.json"))
	if err != nil || len(rules) != 1 {
		a.Fatalf("want one rule: %v (%v)", rules, err)
	}
	b, err := os.ReadFile(rules[0])
	if err != nil {
		a.Fatal(err)
	}
	if err := json.Unmarshal(b, &struct{ Attributes any }{&a.rule}); err != nil {
		a.Fatal(err)
	}
}

// in is an index pattern's part of the namespace.
func (a *alertAssets) in(patterns []string) string {
	return strings.ReplaceAll(strings.Join(patterns, ","), "*", a.namespace)
}

// count is the number of documents of the alert that any rule on the data stream
// would read.
func (a *alertAssets) count() int {
	a.Helper()
	var answer struct{ Count int }
	a.engine.Call(a, http.MethodPost, "/"+a.in(a.rule.Index)+"/_count", map[string]any{"query": map[string]any{"query_string": map[string]any{
		"query": `event.id: "alert-1" AND cloud.account.id: "tenant-1" AND event.kind: alert`,
	}}}, &answer)
	return answer.Count
}

// found is a combination of values, with the document that represents it.
type found struct {
	Key map[string]any
	Hit struct {
		Hits struct {
			Hits []struct {
				ID     string         `json:"_id"`
				Source map[string]any `json:"_source"`
			}
		}
	}
}

func (f *found) name() string { return fmt.Sprint(f.Key["event.id"], "/", f.Key["cloud.account.id"]) }

// combinations groups what a query finds by fields, and sorts within.
func (a *alertAssets) combinations(indices []string, query any, fields []string, sort map[string]any, missing bool) []found {
	a.Helper()
	var sources []any
	for _, name := range fields {
		sources = append(sources, map[string]any{name: map[string]any{"terms": map[string]any{"field": name, "missing_bucket": missing}}})
	}
	var answer struct {
		Aggregations struct{ All struct{ Buckets []found } }
	}
	a.engine.Call(a, http.MethodPost, "/"+a.in(indices)+"/_search", map[string]any{"size": 0, "query": query, "aggs": map[string]any{
		"All": map[string]any{
			"composite": map[string]any{"size": 1000, "sources": sources},
			"aggs":      map[string]any{"Hit": map[string]any{"top_hits": map[string]any{"size": 1, "sort": []any{sort}}}},
		},
	}}, &answer)
	return answer.Aggregations.All.Buckets
}

// raised runs the rule at each of its intervals for an hour and returns the
// documents that its alerts are made of, by alert. As in Kibana, a combination of
// terms is new that the time from history_window_start to from does not have; its
// alert is made of its first document, and is dropped where that document has one.
func (a *alertAssets) raised() map[string]map[string]bool {
	a.Helper()
	interval, err := time.ParseDuration(a.rule.Interval)
	if err != nil {
		a.Fatal(err)
	}
	// KQL's operators in the engine's language.
	query := strings.NewReplacer(" or ", " OR ", " and ", " AND ").Replace(a.rule.Query)
	all := map[string]map[string]bool{}
	for now := ingestions; now.Before(ingestions.Add(time.Hour)); now = now.Add(interval) {
		at := func(expression string) string {
			return strings.Replace(expression, "now", now.Format(time.RFC3339)+"||", 1)
		}
		within := func(from, to string) []found {
			return a.combinations(a.rule.Index, map[string]any{"bool": map[string]any{"filter": []any{
				map[string]any{"query_string": map[string]any{"query": query}},
				map[string]any{"range": map[string]any{a.rule.TimestampName: map[string]any{"gte": from, "lt": to}}},
			}}}, a.rule.Fields, map[string]any{a.rule.TimestampName: "asc"}, false)
		}
		known := map[string]bool{}
		for _, f := range within(at(a.rule.History), at(a.rule.From)) {
			known[f.name()] = true
		}
		for _, f := range within(at(a.rule.From), at("now")) {
			if known[f.name()] {
				continue
			}
			if all[f.name()] == nil {
				all[f.name()] = map[string]bool{}
			}
			all[f.name()][f.Hit.Hits.Hits[0].ID] = true
		}
	}
	return all
}

// latest are the states that a transform would keep, by its key's first fields.
func (a *alertAssets) latest(name string) map[string][]string {
	a.Helper()
	all := map[string][]string{}
	for _, f := range a.kept(name, nil) {
		all[f.name()] = append(all[f.name()], f.status())
	}
	return all
}

// kept are the documents that a transform would keep, one for each key. now, if
// set, takes the place of the clock in its query.
func (a *alertAssets) kept(name string, now func(expression string) string) []found {
	a.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "spec/package/elasticsearch/transform", name, "transform.yml"))
	if err != nil {
		a.Fatal(err)
	}
	var transform struct {
		Source struct {
			Index []string
			Query map[string]any
		}
		Latest struct {
			UniqueKey []string `yaml:"unique_key"`
			Sort      string
		}
	}
	if err := yaml.Unmarshal(b, &transform); err != nil {
		a.Fatal(err)
	}
	var query any = transform.Source.Query
	if now != nil {
		query = replaced(query, now)
	}
	l := transform.Latest
	return a.combinations(transform.Source.Index, query, l.UniqueKey, map[string]any{l.Sort: "desc"}, true)
}

// replaced is a query with other texts in the place of those that speak of now.
func replaced(query any, now func(string) string) any {
	switch q := query.(type) {
	case string:
		if strings.HasPrefix(q, "now") {
			return now(q)
		}
	case []any:
		for i := range q {
			q[i] = replaced(q[i], now)
		}
	case map[string]any:
		for name := range q {
			q[name] = replaced(q[name], now)
		}
	}
	return query
}

// status is the state of an alert or of a machine action.
func (f *found) status() string {
	for _, path := range [][]string{{"microsoft", "defender_endpoint"}, {"microsoft_defender_endpoint", "machine_action"}} {
		outer, _ := f.Hit.Hits.Hits[0].Source[path[0]].(map[string]any)
		inner, _ := outer[path[1]].(map[string]any)
		if status, ok := inner["status"].(string); ok {
			return status
		}
	}
	return ""
}

// actions adds the states of a machine action, of which the last one has a member
// that cannot be mapped, and an action of the same machine.
func (f *feed) actions() {
	for i, status := range []string{"Pending", "InProgress", "Succeeded"} {
		f.ingest(i, func() {
			f.add("machine_action", usual, status, fmt.Appendf(nil,
				`{"id":"action-1","type":"Isolate","status":%q,"machineId":"m","creationDateTimeUtc":"2026-03-02T09:59:00Z","lastUpdateDateTimeUtc":"2026-03-02T10:0%d:00Z","errorHResult":%s}`,
				status, i, []string{"0", "0", `"none"`}[i]))
		})
	}
	f.ingest(0, func() {
		f.add("machine_action", usual, "another", []byte(`{"id":"action-2","type":"Unisolate","status":"Pending","machineId":"m","lastUpdateDateTimeUtc":"2026-03-02T10:00:00Z"}`))
	})
}
