package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
)

// object is a JSON object of a saved object; encoding/json sorts its members.
type object = map[string]any

// dataView is Kibana's own view of all logs.
const dataView = "logs-*"

// Kibana migrates what is older than itself and refuses what is newer, so saved
// objects say the versions whose shape they have, which the oldest supported
// Kibana knows.
const (
	coreVersion      = "8.8.0"
	dashboardVersion = "8.9.0"
	panelVersion     = "8.10.2"
)

// navigationHeight is that of the links above the panels, in rows of the grid.
const navigationHeight = 3

// uuid is a stable id for a name.
func uuid(name string) string {
	h := sha256.Sum256([]byte("https://github.com/defender-endpoint/defender-endpoint/" + name))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// id is the dashboard's id in Kibana, which begins with the package's name.
func (d *dashboard) id(e *edition) string {
	return e.Name + "-" + cmp.Or(d.upstream, uuid("dashboard/"+d.name))
}

func dashboardFiles(ctx context.Context, files map[string][]byte, e *edition) error {
	documents, err := simulated(ctx)
	if err != nil {
		return err
	}
	faults, err := faulty()
	if err != nil {
		return err
	}
	for _, d := range dashboards {
		shown := documents
		if d.faults {
			shown = append(faults, documents...)
		}
		b, err := indented(d.savedObject(e))
		if err != nil {
			return err
		}
		files["kibana/dashboard/"+d.id(e)+".json"] = b
		files["img/preview-"+d.name+".svg"] = d.preview(shown)
	}
	return nil
}

func indexPattern(name string) object {
	return object{"id": dataView, "name": name, "type": "index-pattern"}
}

func (d *dashboard) savedObject(e *edition) object {
	navigation, references := d.navigation(e)
	panels := []any{navigation}
	for i := range d.panels {
		p := &d.panels[i]
		id := uuid(d.name + "/" + p.title)
		panels = append(panels, object{
			"type": p.panelType(), "title": p.title, "panelIndex": id, "version": panelVersion,
			"gridData":         object{"i": id, "x": p.x, "y": p.y + navigationHeight, "w": p.w, "h": p.h},
			"embeddableConfig": p.embeddable(d, id),
		})
		if p.kind == note {
			continue
		}
		if p.latest == "" {
			references = append(references, indexPattern(id+":"+layerReference(id)))
		}
		for n := range d.scope {
			references = append(references, indexPattern(fmt.Sprintf("%s:filter-%d", id, n)))
		}
	}
	controls := object{}
	for i, c := range d.controls {
		id := uuid(d.name + "/control/" + c.field)
		controls[id] = object{
			"type": "optionsListControl", "order": i, "width": "medium", "grow": true,
			"explicitInput": object{"id": id, "title": c.title, "fieldName": c.field, "searchTechnique": "prefix", "selectedOptions": []any{}, "enhancements": object{}},
		}
		references = append(references, indexPattern("controlGroup_"+id+":optionsListDataView"))
	}
	return object{
		"id": d.id(e), "type": "dashboard", "coreMigrationVersion": coreVersion, "typeMigrationVersion": dashboardVersion,
		"references": references,
		"attributes": object{
			"title": d.title, "description": d.description, "timeRestore": false, "version": 1,
			"panelsJSON":            panels,
			"optionsJSON":           object{"hidePanelTitles": false, "syncColors": false, "syncCursor": true, "syncTooltips": false, "useMargins": true},
			"kibanaSavedObjectMeta": object{"searchSourceJSON": object{"filter": []any{}, "query": kuery("")}},
			"controlGroupInput": object{
				"chainingSystem": "HIERARCHICAL", "controlStyle": "oneLine", "panelsJSON": controls,
				"ignoreParentSettingsJSON": object{"ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false, "ignoreValidations": false},
			},
		},
	}
}

func (p *panel) panelType() string {
	if p.kind == note {
		return "visualization"
	}
	return "lens"
}

func (p *panel) embeddable(d *dashboard, id string) object {
	if p.kind == note {
		return object{"hidePanelTitles": false, "enhancements": object{}, "savedVis": object{
			"title": "", "description": "", "type": "markdown", "uiState": object{},
			"params": object{"fontSize": 12, "markdown": p.text, "openLinksInNewTab": false},
			"data":   object{"aggs": []any{}, "searchSource": object{"filter": []any{}, "query": kuery("")}},
		}}
	}
	l := newLens(p, id)
	references, internal, views := []any{indexPattern(layerReference(id))}, []any{}, object{}
	if p.latest != "" {
		view := latestView(p.latest)
		references, internal, views = nil, []any{object{"id": view["id"], "name": layerReference(id), "type": "index-pattern"}}, object{view["id"].(string): view}
	}
	filters := []any{}
	for n, c := range d.scope {
		name := fmt.Sprintf("filter-%d", n)
		references = append(references, indexPattern(name))
		filters = append(filters, object{
			"$state": object{"store": "appState"},
			"meta":   object{"alias": nil, "disabled": false, "negate": c.not, "type": "phrase", "key": c.field, "field": c.field, "index": name, "params": object{"query": c.value}},
			"query":  object{"match_phrase": object{c.field: c.value}},
		})
	}
	return object{"hidePanelTitles": false, "enhancements": object{}, "attributes": object{
		"title": "", "description": "", "type": "lens", "visualizationType": l.visualizationType(), "references": references,
		"state": object{
			"adHocDataViews": views, "internalReferences": internal, "filters": filters,
			"query":         kuery(query(p.only)),
			"visualization": l.visualization(),
			"datasourceStates": object{"formBased": object{"layers": object{id: object{
				"columnOrder": l.order, "columns": l.columns, "incompleteColumns": object{},
			}}}},
		},
	}}
}

func layerReference(layer string) string { return "indexpattern-datasource-layer-" + layer }

// latestView is a data view that a panel brings with itself: no view of Kibana
// reads the transform's destination.
func latestView(index string) object {
	return object{
		"id": uuid("dataview/" + index), "title": index, "name": latestNames[index],
		"timeFieldName": "@timestamp", "allowNoIndex": true, "sourceFilters": []any{}, "runtimeFieldMap": object{}, "fieldAttrs": object{},
		"fieldFormats": object{alertLink: object{"id": "url", "params": object{"type": "a", "labelTemplate": "Open"}}},
	}
}

// navigation is the panel at the top that leads to every dashboard, and the
// references of its links. Links in Markdown break where a dashboard is shown
// inside the security solution (elastic/integrations#11199).
func (d *dashboard) navigation(e *edition) (panel object, references []any) {
	id := uuid(d.name + "/navigation")
	var links []any
	for i := range dashboards {
		to := &dashboards[i]
		link := uuid(d.name + "/link/" + to.name)
		name := "link_" + link + "_dashboard"
		links = append(links, object{
			"type": "dashboardLink", "id": link, "order": i, "label": to.label(), "destinationRefName": name,
			"options": object{"openInNewTab": false, "useCurrentDateRange": true, "useCurrentFilters": false},
		})
		references = append(references, object{"id": to.id(e), "name": id + ":" + name, "type": "dashboard"})
	}
	return object{
		"type": "links", "panelIndex": id, "gridData": object{"i": id, "x": 0, "y": 0, "w": 48, "h": navigationHeight},
		"embeddableConfig": object{"hidePanelTitles": true, "enhancements": object{}, "attributes": object{"layout": "horizontal", "links": links}},
	}, references
}

// label is the dashboard's title without the product's name.
func (d *dashboard) label() string {
	_, label, _ := strings.Cut(d.title, "] ")
	return label
}

func kuery(q string) object { return object{"language": "kuery", "query": q} }

// query is the conditions in Kibana's query language.
func query(conditions []condition) string {
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = fmt.Sprintf("%s: %q", c.field, c.value)
		if c.atLeast {
			parts[i] = c.field + " >= " + c.value
		}
		if c.absent {
			parts[i] = "not " + c.field + ": *"
		}
		if c.not {
			parts[i] = "not " + parts[i]
		}
	}
	return strings.Join(parts, " and ")
}
