package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// savedObject is what is read of a saved object in the package.
type savedObject struct {
	ID, Type   string
	References []struct{ ID, Name, Type string }
	Attributes struct {
		PanelsJSON        []savedPanel `json:"panelsJSON"`
		ControlGroupInput struct {
			PanelsJSON map[string]struct {
				Order         int
				ExplicitInput struct{ ID string } `json:"explicitInput"`
			} `json:"panelsJSON"`
		} `json:"controlGroupInput"`
	}
}

type savedPanel struct {
	Type, PanelIndex string
	GridData         struct{ I string }
	EmbeddableConfig struct {
		Attributes struct {
			Links []struct{ ID, DestinationRefName string }
			State struct {
				InternalReferences []struct{ ID, Name string }
				AdHocDataViews     map[string]any
				DatasourceStates   struct {
					FormBased struct {
						Layers map[string]struct {
							ColumnOrder []string
							Columns     map[string]any
						}
					}
				}
			}
		}
	}
}

// savedObjects are all of the package, by file.
func savedObjects(t *testing.T) map[string]savedObject {
	t.Helper()
	paths, err := filepath.Glob(packageDir + "/kibana/*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no saved objects (%v)", err)
	}
	all := map[string]savedObject{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var o savedObject
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = o
	}
	return all
}

// TestSavedObjectIDsAreUnique: Kibana keeps panels, layers, columns and
// references in maps by id, so that of two with one id only one is shown.
func TestSavedObjectIDsAreUnique(t *testing.T) {
	objects, layers := map[string]string{}, map[string]bool{}
	for path, o := range savedObjects(t) {
		once := func(what string, ids []string) {
			for i, id := range ids {
				if id == "" || slices.Contains(ids[:i], id) {
					t.Errorf("%s: %s %q is there twice, or is empty", path, what, id)
				}
			}
		}
		if other := objects[o.Type+"/"+o.ID]; other != "" {
			t.Errorf("%s and %s are both %s", path, other, o.ID)
		}
		objects[o.Type+"/"+o.ID] = path
		var panels, references []string
		for _, r := range o.References {
			references = append(references, r.Name)
		}
		for _, p := range o.Attributes.PanelsJSON {
			panels = append(panels, p.PanelIndex)
			if p.GridData.I != p.PanelIndex {
				t.Errorf("%s: panel %s is at the place of %s", path, p.PanelIndex, p.GridData.I)
			}
			for id, l := range p.EmbeddableConfig.Attributes.State.DatasourceStates.FormBased.Layers {
				if layers[id] {
					t.Errorf("%s: layer %s is there twice", path, id)
				}
				layers[id] = true
				once("column", l.ColumnOrder)
				if !maps.EqualFunc(l.Columns, setOf(l.ColumnOrder), func(any, bool) bool { return true }) {
					t.Errorf("%s: layer %s: the order is not that of its columns", path, id)
				}
			}
		}
		once("panel", panels)
		once("reference", references)
		var controls []string
		for id, c := range o.Attributes.ControlGroupInput.PanelsJSON {
			controls = append(controls, c.ExplicitInput.ID)
			if c.ExplicitInput.ID != id {
				t.Errorf("%s: control %s is at the place of %s", path, c.ExplicitInput.ID, id)
			}
		}
		once("control", controls)
	}
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set
}

// TestPanelsHaveTheirReferences: each Lens panel has one data view, Kibana's or
// its own, and each link leads to a dashboard of the package.
func TestPanelsHaveTheirReferences(t *testing.T) {
	all := savedObjects(t)
	ids := map[string]bool{}
	for _, o := range all {
		ids[o.ID] = true
	}
	for path, o := range all {
		if o.Type != "dashboard" {
			continue
		}
		targets := map[string]string{}
		for _, r := range o.References {
			targets[r.Name] = r.ID
		}
		links := 0
		for _, p := range o.Attributes.PanelsJSON {
			a := p.EmbeddableConfig.Attributes
			if p.Type == "lens" {
				own := len(a.State.InternalReferences)
				_, kibanas := targets[p.PanelIndex+":"+layerReference(p.PanelIndex)]
				if kibanas == (own == 1) || own > 0 && a.State.AdHocDataViews[a.State.InternalReferences[0].ID] == nil {
					t.Errorf("%s: panel %s has no data view, or two", path, p.PanelIndex)
				}
			}
			for _, l := range a.Links {
				links++
				if to := targets[p.PanelIndex+":"+l.DestinationRefName]; !ids[to] {
					t.Errorf("%s: a link leads to %q", path, to)
				}
			}
		}
		if links != len(dashboards) {
			t.Errorf("%s: %d links for %d dashboards", path, links, len(dashboards))
		}
	}
}

// TestDashboardIDsAreUpstreams: links and bookmarks of Elastic's package lead to
// the dashboards that take the place of its own.
func TestDashboardIDsAreUpstreams(t *testing.T) {
	for name, id := range map[string]string{
		"alerts": "65402c30-ca6a-11ea-9d4d-9737a63aaa55", "machines": "c89734ca-ab7f-419d-b665-50076cceee60", "actions": "6a043fee-1e3d-454b-96d1-159e6efce215",
		"vulnerabilities": "afb93ff7-9903-4d91-9028-9fe9c5a434f8", "posture": "f306ae11-0b08-4b3b-ba14-2c1188d6cbc9",
	} {
		at := slices.IndexFunc(dashboards, func(d dashboard) bool { return d.name == name })
		if at < 0 || dashboards[at].id(&elasticName) != "microsoft_defender_endpoint-"+id {
			t.Errorf("dashboard %s is not %s", name, id)
		}
	}
}

// TestSeverityIsComplete: every severity has a colour, and the alerts without a
// known one are visible, in the panels and in the queries.
func TestSeverityIsComplete(t *testing.T) {
	for i, b := range severities {
		if severityColours[i].value != b.label {
			t.Errorf("severity %s has the colour of %s", b.label, severityColours[i].value)
		}
	}
	unknown := severities[len(severities)-1]
	if got := query([]condition{unknown.where}); got != "not event.severity: *" {
		t.Errorf("alerts of unknown severity are found by %q", got)
	}
	in := filter([]document{{"event.id": {"a"}}, {"event.severity": {"73"}}}, []condition{unknown.where})
	if len(in) != 1 || in[0]["event.id"] == nil {
		t.Errorf("alerts of unknown severity are %v", in)
	}
	colours := map[string]string{}
	for _, c := range slices.Concat(severityColours, levelColours, stateColours, statusColours, healthColours, findingColours, exploitColours, changeColours, evaluationColours) {
		if former := colours[c.value]; former != "" && former != c.colour {
			t.Errorf("%s has two colours, %s and %s", c.value, former, c.colour)
		}
		colours[c.value] = c.colour
	}
}

// TestPreviewsShowTheColours: what means something has the colour in the picture
// that it has in Kibana.
func TestPreviewsShowTheColours(t *testing.T) {
	documents, err := simulated(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dashboards {
		picture := string(d.preview(documents))
		for i := range d.panels {
			p := &d.panels[i]
			if p.kind != donut || len(p.colours) == 0 {
				continue
			}
			for k, g := range p.withOther(p.groups(p.read(filter(documents, d.scope)))) {
				if colour := p.colourOf(g.labels[0], k); g.count > 0 && !strings.Contains(picture, `r="5" fill="`+colour) {
					t.Errorf("dashboard %s, panel %s: no %s for %s", d.name, p.title, colour, g.labels[0])
				}
			}
		}
	}
}
