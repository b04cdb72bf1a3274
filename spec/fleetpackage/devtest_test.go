package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

var update = flag.Bool("update", false, "rewrite _dev/test of the package")

// These tests make what Elastic's own tool (elastic-package test) reads below
// _dev/test of each data stream, and hold what is there to it. The tool asks a
// Kibana and an Elasticsearch for the results; here they come from our rendering
// of templates, and TestEngineOpenSearch runs the pipelines.

// TestDevTests: a default and a full policy, the pipeline with a document of the
// collector and another one, and the sample event, for each data stream.
func TestDevTests(t *testing.T) {
	p := load(t)
	for _, s := range p.streams {
		dir := filepath.Join(packageDir, "data_stream", s.name, "_dev/test")
		files := map[string][]byte{
			"static/test-sample-config.yml":              []byte("# The sample event is held against the field files; nothing to set.\n{}\n"),
			"pipeline/test-documents.json":               eventsFile(t, s.name, "events", given),
			"pipeline/test-documents.json-expected.json": eventsFile(t, s.name, "expected", expected),
		}
		for name, values := range map[string]map[string]any{"default": required(), "all": everything(p, &s)} {
			files["policy/test-"+name+".yml"] = policyCase(t, p, values)
			files["policy/test-"+name+".expected"] = policyExpected(t, p, &s, name, values)
		}
		for name, want := range files {
			holdTo(t, filepath.Join(dir, name), want)
		}
		found, err := filepath.Glob(dir + "/*/*")
		if err != nil || len(found) != len(files) {
			t.Errorf("%s: %d files, want %d (%v)", s.name, len(found), len(files), err)
		}
	}
}

// holdTo compares a file with what it should hold, or writes it.
func holdTo(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale: go test -C spec/fleetpackage -run DevTests -update (%v)", path, err)
	}
}

// everything are other values than the defaults for all variables of a stream.
func everything(p *manifests, s *dataStream) map[string]any {
	values := required()
	for _, v := range append(slices.Clone(p.vars()), s.vars()...) {
		values[v.Name] = entered[v.Name].value
	}
	return values
}

// policyCase is a test's configuration: what a user enters.
func policyCase(t *testing.T, p *manifests, values map[string]any) []byte {
	t.Helper()
	input, stream := map[string]any{}, map[string]any{}
	for name, v := range values {
		stream[name] = v
	}
	for _, v := range p.vars() {
		if value, ok := values[v.Name]; ok {
			input[v.Name] = value
			delete(stream, v.Name)
		}
	}
	config := map[string]any{"vars": input}
	if len(stream) > 0 {
		config["data_stream"] = map[string]any{"vars": stream}
	}
	b, err := toYAML(config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// policyExpected is the agent's policy of that, without what the tool takes out:
// ids, revisions, versions and outputs. Fleet hands secrets out by reference.
func policyExpected(t *testing.T, p *manifests, s *dataStream, name string, values map[string]any) []byte {
	t.Helper()
	handedOut, references := map[string]any{}, []any{}
	for n, v := range values {
		handedOut[n] = v
	}
	for _, v := range p.vars() {
		if v.Secret {
			handedOut[v.Name] = fmt.Sprintf("${SECRET_%d}", len(references))
			references = append(references, map[string]any{})
		}
	}
	dataset := defender.Type + "." + s.name
	stream := fleet(t, p, s, handedOut)
	delete(stream, "id")
	stream["data_stream"] = map[string]any{"dataset": dataset}
	input := decodeYAML[map[string]any](t, page(t, packageDir+"/agent/input/input.yml.hbs"))
	for key, v := range map[string]any{
		"type": defender.Type, "name": "test-" + name + "-" + ownName.Name, "use_output": "default", "streams": []any{stream},
		"data_stream": map[string]any{"namespace": "ep"}, "meta": map[string]any{"package": map[string]any{"name": ownName.Name}},
	} {
		input[key] = v
	}
	b, err := toYAML(map[string]any{
		"inputs": []any{input},
		"output_permissions": map[string]any{"default": map[string]any{
			"_elastic_agent_checks":     map[string]any{"cluster": []any{"monitor"}},
			"_elastic_agent_monitoring": map[string]any{"indices": []any{}},
			"uuid-for-permissions-on-related-indices": map[string]any{"indices": []any{map[string]any{
				"names": []any{"logs-" + dataset + "-ep"}, "privileges": []any{"auto_configure", "create_doc"},
			}}},
		}},
		"secret_references": references,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// given are a document of the collector and one of another program; expected are
// the same behind the pipeline.
func given(sample map[string]any) []any { return []any{sample, foreign(sample)} }

func expected(sample map[string]any) []any {
	marked := foreign(sample)
	marked["error"] = map[string]any{"message": []any{"Not a document of the defender-endpoint collector, so it was not mapped."}}
	marked["event"] = map[string]any{"kind": "pipeline_error"}
	return []any{sample, marked}
}

func foreign(sample map[string]any) map[string]any {
	return map[string]any{"@timestamp": sample["@timestamp"], "message": "written by another program"}
}

// eventsFile is a list of documents as the tool reads it.
func eventsFile(t *testing.T, stream, key string, of func(map[string]any) []any) []byte {
	t.Helper()
	var sample map[string]any
	if err := json.Unmarshal([]byte(page(t, packageDir+"/data_stream/"+stream+"/sample_event.json")), &sample); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(map[string]any{key: of(sample)}, "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}
