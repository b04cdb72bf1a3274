package main

import "fmt"

// lens is a panel as a Lens visualization: columns that ask Elasticsearch, and
// how they are drawn.
type lens struct {
	panel   *panel
	layer   string
	columns object
	order   []string
	groups  []string // columns that tell apart
	metric  string
	newest  string // a table's last column
	time    string // a timeline's axis
}

const (
	topValues = 10 // bars and slices; the rest is one more
	topRows   = 100
)

func newLens(p *panel, layer string) *lens {
	l := &lens{panel: p, layer: layer, columns: object{}}
	l.metric = uuid(layer + "/metric")
	if len(p.buckets) > 0 {
		l.groups = append(l.groups, l.add("buckets", bucketsColumn(p.buckets)))
	}
	for i, c := range p.by {
		l.groups = append(l.groups, l.add(fmt.Sprint("by", i), l.termsColumn(c)))
	}
	if p.kind == timeline {
		l.time = l.add("time", object{
			"operationType": "date_histogram", "sourceField": "@timestamp", "dataType": "date", "label": "@timestamp",
			"isBucketed": true, "scale": "interval", "params": object{"interval": "auto", "includeEmptyRows": true, "dropPartials": false},
		})
	}
	l.columns[l.metric] = countColumn(p)
	l.order = append(l.order, l.metric)
	if p.newest {
		l.newest = l.add("newest", object{
			"operationType": "max", "sourceField": "@timestamp", "dataType": "date", "label": "Newest", "customLabel": true,
			"isBucketed": false, "scale": "ratio", "params": object{"emptyAsNull": true},
		})
	}
	return l
}

func (l *lens) add(name string, column object) string {
	id := uuid(l.layer + "/" + name)
	l.columns[id] = column
	l.order = append(l.order, id)
	return id
}

func (l *lens) termsColumn(c column) object {
	size := topValues
	if l.panel.kind == table {
		size = topRows
	}
	return object{
		"operationType": "terms", "sourceField": c.field, "dataType": "string", "label": c.label, "customLabel": true,
		"isBucketed": true, "scale": "ordinal",
		"params": object{
			"size": size, "orderBy": object{"type": "column", "columnId": l.metric}, "orderDirection": "desc",
			"otherBucket": l.panel.kind == donut || l.panel.kind == timeline, "missingBucket": false,
			"parentFormat": object{"id": "terms"}, "include": []any{}, "exclude": []any{}, "includeIsRegex": false, "excludeIsRegex": false,
		},
	}
}

func bucketsColumn(buckets []bucket) object {
	var filters []any
	for _, b := range buckets {
		filters = append(filters, object{"label": b.label, "input": kuery(query([]condition{b.where}))})
	}
	return object{
		"operationType": "filters", "dataType": "string", "label": "Severity", "customLabel": true,
		"isBucketed": true, "scale": "ordinal", "params": object{"filters": filters},
	}
}

func countColumn(p *panel) object {
	label := "Documents"
	if p.kind == number {
		label = p.title
	}
	column := object{
		"operationType": "count", "sourceField": "___records___", "dataType": "number", "label": label, "customLabel": true,
		"isBucketed": false, "scale": "ratio", "params": object{"emptyAsNull": false},
	}
	if p.count != "" {
		column["operationType"], column["sourceField"] = "unique_count", p.count
		if p.kind != number {
			column["label"] = "Count"
		}
	}
	return column
}

func (l *lens) visualizationType() string {
	switch l.panel.kind {
	case number:
		return "lnsMetric"
	case donut:
		return "lnsPie"
	case table:
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
		return object{"shape": "donut", "layers": []any{object{
			"layerId": l.layer, "layerType": "data", "primaryGroups": l.groups, "metrics": []string{l.metric},
			"numberDisplay": "value", "categoryDisplay": "default", "legendDisplay": "show", "legendPosition": "right",
			"nestedLegend": false, "legendSize": "auto",
		}}}
	case table:
		var columns []any
		for _, id := range l.order {
			columns = append(columns, object{"columnId": id})
		}
		return object{"layerId": l.layer, "layerType": "data", "columns": columns, "rowHeight": "single", "headerRowHeight": "single", "paging": object{"enabled": true, "size": 10}}
	case timeline:
		return l.chart("bar_stacked", l.time, l.groups[0])
	default:
		return l.chart("bar_horizontal", l.groups[0], "")
	}
}

func (l *lens) chart(series, x, split string) object {
	layer := object{
		"layerId": l.layer, "layerType": "data", "seriesType": series, "xAccessor": x,
		"accessors": []string{l.metric}, "position": "top", "showGridlines": false,
	}
	if split != "" {
		layer["splitAccessor"] = split
	}
	return object{
		"preferredSeriesType": series, "layers": []any{layer}, "valueLabels": "hide", "fittingFunction": "None",
		"legend":                       object{"isVisible": split != "", "position": "right", "legendSize": "auto"},
		"axisTitlesVisibilitySettings": object{"x": false, "yLeft": false, "yRight": false},
		"tickLabelsVisibilitySettings": object{"x": true, "yLeft": true, "yRight": true},
		"gridlinesVisibilitySettings":  object{"x": false, "yLeft": true, "yRight": true},
	}
}
