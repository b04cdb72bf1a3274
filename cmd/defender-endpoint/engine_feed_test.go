package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

const (
	repository = "../.."
	captured   = repository + "/testdata/defender"
)

// datasetOf has the data streams of the resources by name.
var datasetOf = func() map[string]string {
	all := map[string]string{}
	for _, name := range defender.ResourceNames() {
		all[name] = defender.Type + "." + name
	}
	all["alert"] = defender.Type + ".log"
	return all
}()

// engineAgent is the agent of documents that an engine gets.
var engineAgent = inputs.Agent{ID: "agent-id", Name: "collector.example", Type: "defender-endpoint", Version: "9.5.2", EphemeralID: "ephemeral-id"}

// TestEngineOpenSearch and TestEngineElasticsearch feed one search engine each with
// all that a record may be.
func TestEngineOpenSearch(t *testing.T) { testEngine(t, engine.OpenSearch) }

func TestEngineElasticsearch(t *testing.T) { testEngine(t, engine.Elasticsearch) }

func testEngine(t *testing.T, kind engine.Kind) {
	t.Helper()
	e, p := engine.Start(t, engine.Options{Kind: kind}), engine.ReadPackage(t, repository)
	tests := []struct {
		namespace string
		strict    bool // beyond how the stack sets an index
		fill      func(*feed)
		may       func(engine.Fault) bool
	}{
		{"captures", false, (*feed).captures, nil},
		{"captures_strict", true, (*feed).captures, nil},
		{"tenant", true, (*feed).tenant, nil},
		{"types", true, func(f *feed) { f.types(split) }, nil},
		{"types_whole", true, func(f *feed) { f.types(whole) }, nil},
		{"unknown", true, (*feed).unknown, nil},
		{"long", true, (*feed).long, func(f engine.Fault) bool {
			return f.Kind == engine.TooLong && f.Limit == 1024 || kind == engine.Elasticsearch && f.Kind == engine.Ignored && f.Limit == 1024
		}},
	}
	for _, tt := range tests {
		t.Run(tt.namespace, func(t *testing.T) {
			f := &feed{TB: t, namespace: tt.namespace}
			tt.fill(f)
			in := e.Install(t, p, engine.Installation{Namespace: tt.namespace, Strict: tt.strict})
			r := in.Feed(t, f.documents)
			t.Logf("offered %d, stored %d, refused %d, faults %d", r.Offered, r.Stored, r.Refused, len(r.Faults))
			if r.Stored != r.Offered || r.Offered == 0 {
				t.Errorf("of %d documents %d were stored and %d refused", r.Offered, r.Stored, r.Refused)
			}
			if tt.may != nil {
				r.Faults = slices.DeleteFunc(r.Faults, tt.may)
			}
			for _, fault := range engine.Distinct(r.Faults) {
				t.Error(fault)
			}
		})
	}
}

// feed is documents on their way into an engine.
type feed struct {
	testing.TB
	namespace string
	documents []engine.Document
}

// way is a set of settings that changes documents.
type way struct {
	name     string
	settings map[string]any
}

// ways are all of them.
func ways() []way {
	var all []way
	for _, evidence := range []string{"split", "whole"} {
		for _, timestamp := range []string{"creation", "update"} {
			for _, original := range []bool{false, true} {
				for _, duplicates := range []bool{false, true} {
					all = append(all, way{
						fmt.Sprintf("evidence=%s timestamp_source=%s preserve_original_event=%v preserve_duplicate_custom_fields=%v", evidence, timestamp, original, duplicates),
						map[string]any{
							"evidence": evidence, "timestamp_source": timestamp,
							"preserve_original_event": original, "preserve_duplicate_custom_fields": duplicates,
							"software_without_cve": evidence == "whole",
						},
					})
				}
			}
		}
	}
	return all
}

// usual is the settings' defaults.
var usual = way{name: "defaults"}

// add maps a record and adds its documents. An id is unique in a feed, since one
// record comes in several ways.
func (f *feed) add(resource string, w way, source string, record []byte) {
	f.Helper()
	dataset, ok := datasetOf[resource]
	if !ok {
		f.Fatalf("resource %s has no data stream here", resource)
	}
	settings := map[string]any{"data_stream": map[string]any{"type": "logs", "dataset": dataset, "namespace": f.namespace}}
	for name, v := range w.settings {
		settings[name] = v
	}
	m, err := defender.NewMapper(resource, settings, engineAgent)
	if err != nil {
		f.Fatal(err)
	}
	_, err = m.Map(record, func(d *ecs.Document) error {
		f.documents = append(f.documents, engine.Document{
			Target: "logs-" + dataset + "-" + f.namespace, ID: fmt.Sprintf("%d-%s", len(f.documents), d.ID),
			Source: source + " " + w.name, JSON: d.AppendJSON(nil),
		})
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

// captures calls each for every capture, in one line as the API sends it.
func captures(t testing.TB, each func(resource, name string, record []byte)) {
	t.Helper()
	for _, resource := range defender.ResourceNames() {
		files, err := filepath.Glob(filepath.Join(captured, resource, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, ".golden.json") {
				continue
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var record bytes.Buffer
			if err := json.Compact(&record, b); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			each(resource, resource+"/"+filepath.Base(file), record.Bytes())
		}
	}
}
