package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/package-spec/v3/code/go/pkg/validator"
	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// TestPackageIsValid checks source and zips against Elastic's specification.
// Warnings count as errors: there is none to explain.
func TestPackageIsValid(t *testing.T) {
	t.Setenv("PACKAGE_SPEC_WARNINGS_AS_ERRORS", "true")
	if err := validator.ValidateFromPath(packageDir); err != nil {
		t.Error(err)
	}
	for _, e := range editions {
		path, err := archive(t.Context(), t.TempDir(), e)
		if err != nil {
			t.Fatal(err)
		}
		if err := validator.ValidateFromZip(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestNothingIsStale: go run . would change nothing.
func TestNothingIsStale(t *testing.T) {
	files, err := derived(t.Context(), &ownName)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(packageDir, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: go run -C spec/fleetpackage .\n%s", name, cmp.Diff(string(got), string(want)))
		}
	}
	for _, pattern := range []string{"kibana/*/*", "elasticsearch/transform/*/fields/*", "img/preview-*", "docs/*", "data_stream/*/fields/*", "data_stream/*/sample_event.json"} {
		there, err := filepath.Glob(filepath.Join(packageDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range there {
			name, _ := filepath.Rel(packageDir, path)
			if files[filepath.ToSlash(name)] == nil {
				t.Errorf("%s is made by nothing any more", name)
			}
		}
	}
}

// TestPreviewsAreNamedAndSized: a reader sees what a picture is, and Kibana is
// with its true size.
func TestPreviewsAreNamedAndSized(t *testing.T) {
	shots := map[string]image{}
	for _, s := range load(t).Screenshots {
		shots[s.Source] = s
	}
	if len(shots) != len(dashboards) {
		t.Errorf("%d screenshots for %d dashboards", len(shots), len(dashboards))
	}
	for _, d := range dashboards {
		s, ok := shots["/img/preview-"+d.name+".svg"]
		if size := fmt.Sprintf("%dx%d", previewWidth, previewHeight(&d)); !ok || s.Size != size {
			t.Errorf("dashboard %s: the manifest has %+v, want size %s", d.name, s, size)
		}
		if !strings.Contains(s.Title, "Preview") {
			t.Errorf("dashboard %s: the title %q does not say that it is a preview", d.name, s.Title)
		}
		picture, err := os.ReadFile(filepath.Join(packageDir, s.Source))
		if err != nil || !bytes.Contains(picture, []byte("not a screenshot")) {
			t.Errorf("dashboard %s: the picture does not say that it is a preview (%v)", d.name, err)
		}
	}
}

// TestDashboards: every panel shows something of the simulated tenant, of a
// field that the package declares for the panel's data streams.
func TestDashboards(t *testing.T) {
	documents, err := simulated(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	faults, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	types := typesByField(t)
	for _, d := range dashboards {
		shown := filter(append(faults, documents...), d.scope)
		for _, c := range d.controls {
			aggregatable(t, types, c.field, d.name+", control "+c.title)
		}
		for _, p := range d.panels {
			name := d.name + ", panel " + p.title
			if p.kind == note {
				continue
			}
			in := p.read(shown)
			if len(in) == 0 {
				t.Errorf("%s: nothing to show", name)
			}
			for _, c := range p.by {
				aggregatable(t, types, c.field, name)
			}
			for _, field := range []string{p.count, p.median} {
				if field != "" {
					aggregatable(t, types, field, name)
				}
			}
			if p.kind == triage {
				aggregatable(t, types, alertKey, name)
				aggregatable(t, types, alertLink, name)
			}
			if len(p.by)+len(p.buckets) > 0 && len(p.groups(in)) == 0 {
				t.Errorf("%s: no groups", name)
			}
		}
		expectLayout(t, d)
	}
}

// expectLayout: no panel lies on another or leaves the grid.
func expectLayout(t *testing.T, d dashboard) {
	t.Helper()
	for i, p := range d.panels {
		for _, q := range d.panels[:i] {
			if p.x < q.x+q.w && q.x < p.x+p.w && p.y < q.y+q.h && q.y < p.y+p.h {
				t.Errorf("%s: panels %s and %s overlap", d.name, p.title, q.title)
			}
		}
		if p.x+p.w > 48 {
			t.Errorf("%s: panel %s is too far right", d.name, p.title)
		}
	}
}

// aggregatable checks that a field is declared and that Elasticsearch can distinguish
// its values apart.
func aggregatable(t *testing.T, types map[string]string, name, where string) {
	t.Helper()
	switch types[name] {
	case "":
		t.Errorf("%s: field %s is not declared", where, name)
	case "text", "match_only_text":
		t.Errorf("%s: field %s is %s, which cannot be counted", where, name, types[name])
	}
}

// TestZipHasDashboardsAsText: Kibana wants parts of a dashboard as text, which
// the validation of a zip does not look at.
func TestZipHasDashboardsAsText(t *testing.T) {
	for _, d := range dashboards {
		source, err := json.Marshal(d.savedObject(&ownName))
		if err != nil {
			t.Fatal(err)
		}
		built, err := encodeDashboard(source)
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			Attributes struct {
				PanelsJSON string `json:"panelsJSON"`
			}
		}
		if err := json.Unmarshal(built, &o); err != nil {
			t.Fatal(err)
		}
		var panels []any
		if err := json.Unmarshal([]byte(o.Attributes.PanelsJSON), &panels); err != nil || len(panels) != 1+len(d.panels) {
			t.Errorf("dashboard %s: %d panels, want %d and the navigation (%v)", d.name, len(panels), len(d.panels), err)
		}
	}
}

// TestInputTypeIsTheComponents: manifest, component and agent spec mean the
// same input.
func TestInputTypeIsTheComponents(t *testing.T) {
	p := load(t)
	if got := p.PolicyTemplates[0].Inputs[0].Type; got != defender.Type {
		t.Errorf("the policy template's input is %q, want %q", got, defender.Type)
	}
	for _, s := range p.streams {
		if got := s.Streams[0].Input; got != defender.Type {
			t.Errorf("data stream %s: input is %q, want %q", s.name, got, defender.Type)
		}
	}
}
