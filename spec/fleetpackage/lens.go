package main

import (
	"cmp"
	"fmt"
)

// lens is a panel as a Lens visualization: columns that ask Elasticsearch, and
// how they are drawn.
type lens struct {
	panel   *panel
	layer   string
	columns object
	order   []string
	groups  []string // columns that group
	metric  string
	newest  string // a table's time
	time    string // a timeline's axis
	hidden  string // a triage table's key
}

const (
	topValues = 10 // bars and slices; the rest is one more
	topRows   = 100
	pageRows  = 10 // of a table
)

// alertKey and alertLink are what a row of a triage table is about, and its page
// in Microsoft's portal.
const alertKey, alertLink = "event.id", "event.url"

func newLens(p *panel, layer string) *lens {
	l := &lens{panel: p, layer: layer, columns: object{}}
	l.metric, l.newest = uuid(layer+"/metric"), uuid(layer+"/newest")
	if len(p.buckets) > 0 {
		l.groups = append(l.groups, l.add("buckets", bucketsColumn(p)))
	}
	if p.kind == triage {
		l.addTriage()
		return l
	}
	for i, c := range p.by {
		l.groups = append(l.groups, l.add(fmt.Sprint("by", i), l.termsColumn(c, l.metric)))
	}
	if p.kind == timeline {
		l.time = l.add("time", object{
			"operationType": "date_histogram", "sourceField": "@timestamp", "dataType": "date", "label": "@timestamp",
			"isBucketed": true, "scale": "interval", "params": object{"interval": "auto", "includeEmptyRows": true, "dropPartials": false},
		})
	}
	l.add("metric", metricColumn(p))
	if p.newest {
		l.add("newest", newestColumn("Newest"))
	}
	return l
}

// addTriage adds the columns of a table with one row for each alert. The link is
// grouped by and not the last value, because such a column has the format of its
// field, which is a link.
func (l *lens) addTriage() {
	l.hidden = l.add("key", l.termsColumn(column{"Alert", alertKey}, l.newest))
	l.add("link", l.termsColumn(column{"Link", alertLink}, l.newest))
	l.add("newest", newestColumn("Time"))
	for i, c := range l.panel.by {
		l.add(fmt.Sprint("by", i), object{
			"operationType": "last_value", "sourceField": c.field, "dataType": "string", "label": c.label, "customLabel": true,
			"isBucketed": false, "scale": "ordinal", "filter": kuery(c.field + ": *"),
			"params": object{"sortField": "@timestamp", "showArrayValues": false},
		})
	}
}

func newestColumn(label string) object {
	return object{
		"operationType": "max", "sourceField": "@timestamp", "dataType": "date", "label": label, "customLabel": true,
		"isBucketed": false, "scale": "ratio", "params": object{"emptyAsNull": true},
	}
}

func (l *lens) add(name string, column object) string {
	id := uuid(l.layer + "/" + name)
	l.columns[id] = column
	l.order = append(l.order, id)
	return id
}

// termsColumn groups by a field's values, those first whose column orderBy is
// the largest.
func (l *lens) termsColumn(c column, orderBy string) object {
	size := topValues
	if l.panel.kind == table || l.panel.kind == triage {
		size = topRows
	}
	return object{
		"operationType": "terms", "sourceField": c.field, "dataType": "string", "label": c.label, "customLabel": true,
		"isBucketed": true, "scale": "ordinal",
		"params": object{
			"size": size, "orderBy": object{"type": "column", "columnId": orderBy}, "orderDirection": "desc",
			"otherBucket": l.panel.kind == donut || l.panel.kind == timeline, "missingBucket": l.panel.unknown || c.field == alertLink,
			"parentFormat": object{"id": "terms"}, "include": []any{}, "exclude": []any{}, "includeIsRegex": false, "excludeIsRegex": false,
		},
	}
}

func bucketsColumn(p *panel) object {
	var filters []any
	for _, b := range p.buckets {
		filters = append(filters, object{"label": b.label, "input": kuery(query([]condition{b.where}))})
	}
	return object{
		"operationType": "filters", "dataType": "string", "label": cmp.Or(p.bucketsOf, "Severity"), "customLabel": true,
		"isBucketed": true, "scale": "ordinal", "params": object{"filters": filters},
	}
}

func metricColumn(p *panel) object {
	label := "Documents"
	if p.count != "" {
		label = "Count"
	}
	if p.kind == number {
		label = p.title
	}
	column := object{
		"operationType": "count", "sourceField": "___records___", "dataType": "number", "label": label, "customLabel": true,
		"isBucketed": false, "scale": "ratio", "params": object{"emptyAsNull": false},
	}
	switch {
	case p.count != "":
		column["operationType"], column["sourceField"] = "unique_count", p.count
	case p.median != "":
		column["operationType"], column["sourceField"] = "median", p.median
		unit := "asMinutes"
		if p.days {
			unit = "asDays"
		}
		column["params"] = object{"emptyAsNull": true, "format": object{
			"id": "duration", "params": object{"fromUnit": "nanoseconds", "toUnit": unit, "decimals": 0, "compact": true},
		}}
	}
	return column
}

// colorMapping gives values that mean something their colours. The shape is that
// of Kibana 8.13 to 9.0; later ones convert it.
func (p *panel) colorMapping() object {
	var assignments []any
	for _, c := range p.colours {
		value := c.value
		if value == missing {
			value = "__missing__"
		}
		assignments = append(assignments, object{
			"rule": object{"type": "matchExactly", "values": []string{value}}, "color": object{"type": "colorCode", "colorCode": c.colour}, "touched": true,
		})
	}
	return object{
		"assignments": assignments, "paletteId": "eui_amsterdam_color_blind", "colorMode": object{"type": "categorical"},
		"specialAssignments": []any{object{"rule": object{"type": "other"}, "color": object{"type": "loop"}, "touched": false}},
	}
}

func (l *lens) visualizationType() string {
	switch l.panel.kind {
	case number:
		return "lnsMetric"
	case donut:
		return "lnsPie"
	case table, triage:
		return "lnsDatatable"
	default:
		return "lnsXY"
	}
}

func (l *lens) visualization() object {
	switch l.panel.kind {
	case number:
		return object{"layerId": l.layer, "layerType": "data", "metricAccessor": l.metric}
	case donut:
		layer := object{
			"layerId": l.layer, "layerType": "data", "primaryGroups": l.groups, "metrics": []string{l.metric},
			"numberDisplay": "value", "categoryDisplay": "default", "legendDisplay": "show", "legendPosition": "right",
			"nestedLegend": false, "legendSize": "auto",
		}
		l.paint(layer)
		return object{"shape": "donut", "layers": []any{layer}}
	case table, triage:
		return l.datatable()
	case timeline:
		return l.chart("bar_stacked", l.time, l.groups[0])
	default:
		return l.chart("bar_horizontal", l.groups[0], "")
	}
}

func (l *lens) paint(layer object) {
	if len(l.panel.colours) > 0 {
		layer["colorMapping"] = l.panel.colorMapping()
	}
}

func (l *lens) datatable() object {
	var columns []any
	for _, id := range l.order {
		c := object{"columnId": id}
		if id == l.hidden {
			c["hidden"] = true
		}
		if len(l.panel.buckets) > 0 && id == l.groups[0] {
			c["colorMode"] = "cell"
			l.paint(c)
		}
		columns = append(columns, c)
	}
	return object{
		"layerId": l.layer, "layerType": "data", "columns": columns, "rowHeight": "single", "headerRowHeight": "single",
		"paging": object{"enabled": true, "size": pageRows},
	}
}

func (l *lens) chart(series, x, split string) object {
	layer := object{
		"layerId": l.layer, "layerType": "data", "seriesType": series, "xAccessor": x,
		"accessors": []string{l.metric}, "position": "top", "showGridlines": false,
	}
	if split != "" {
		layer["splitAccessor"] = split
		l.paint(layer)
	}
	return object{
		"preferredSeriesType": series, "layers": []any{layer}, "valueLabels": "hide", "fittingFunction": "None",
		"legend":                       object{"isVisible": split != "", "position": "right", "legendSize": "auto"},
		"axisTitlesVisibilitySettings": object{"x": false, "yLeft": false, "yRight": false},
		"tickLabelsVisibilitySettings": object{"x": true, "yLeft": true, "yRight": true},
		"gridlinesVisibilitySettings":  object{"x": false, "yLeft": true, "yRight": true},
	}
}
