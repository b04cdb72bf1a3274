package defender

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

var update = flag.Bool("update", false, "rewrite golden files")

const captures = "../../testdata/defender"

// someAgent is the agent.* of golden files.
var someAgent = inputs.Agent{ID: "agent-id", Name: "collector.example", Type: "defender-endpoint", Version: "9.5.2", EphemeralID: "ephemeral-id"}

// someTime is the clock of records without a time.
func someTime() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) }

// configOf is the default configuration of a resource's stream.
func configOf(r *resource) Config {
	c := defaults()
	c.TenantID = "a839b112-1253-4432-9bf6-94542403f21c"
	c.DataStream.Dataset = r.dataset
	c.adopt(r)
	return c
}

// configOfCapture is the configuration that a capture's name asks for.
func configOfCapture(r *resource, file string) Config {
	c, name := configOf(r), filepath.Base(file)
	if strings.Contains(name, "whole") {
		c.Evidence = "whole"
	}
	c.SoftwareWithoutCVE = strings.Contains(name, "without-cve")
	return c
}

// mapRecord maps one record with the production code and returns its documents
// as JSON, each with its _id.
func mapRecord(t testing.TB, r *resource, c Config, record []byte) []string {
	t.Helper()
	return mapBy(t, newMapper(r, c, someAgent, someTime, nil), record)
}

// mapBy maps one record more with a mapper.
func mapBy(t testing.TB, m *mapping.Mapper, record []byte) []string {
	t.Helper()
	var documents []string
	m.Read(mapping.Repair(compact(t, record)), nil)
	if _, err := m.Documents(func(d *ecs.Document) error {
		body := d.AppendJSON(nil)
		if !jsontext.Value(body).IsValid() {
			t.Errorf("not valid JSON: %s", body)
		}
		documents = append(documents, `{"_id":`+string(ecs.Text(d.ID).AppendJSON(nil))+`,"_source":`+string(body)+`}`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return documents
}

func compact(t testing.TB, record []byte) raw {
	t.Helper()
	v := jsontext.Value(bytes.TrimSpace(bytes.Clone(record)))
	if err := v.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestGolden(t *testing.T) {
	for _, r := range resources {
		files, err := filepath.Glob(filepath.Join(captures, r.name, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		cases := 0
		for _, f := range files {
			if strings.HasSuffix(f, ".golden.json") {
				continue
			}
			cases++
			t.Run(r.name+"/"+strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) { golden(t, r, f) })
		}
		if cases == 0 {
			t.Errorf("resource %s has no capture in testdata", r.name)
		}
	}
}

func golden(t *testing.T, r *resource, file string) {
	record, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := configOfCapture(r, file)
	got := jsontext.Value("[" + strings.Join(mapRecord(t, r, c, record), ",") + "]")
	if err := got.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := strings.TrimSuffix(file, ".json") + ".golden.json"
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("mapping changed (-want +got):\n%s", diff)
	}
}
