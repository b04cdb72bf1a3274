package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A preview asks of the simulated documents what the dashboard's panel asks of
// Elasticsearch.

type document = map[string][]any

func (c *condition) holds(d document) bool {
	if c.absent {
		return len(d[c.field]) == 0
	}
	has := slices.ContainsFunc(d[c.field], func(v any) bool {
		text := fmt.Sprint(v)
		return text == c.value || c.atLeast && asNumber(text) >= asNumber(c.value)
	})
	return has != c.not
}

func asNumber(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return n
}

func filter(documents []document, conditions []condition) []document {
	var kept []document
	for _, d := range documents {
		if !slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(d) }) {
			kept = append(kept, d)
		}
	}
	return kept
}

// indexField says what a panel reads.
const indexField = "_index"

// read are the documents that a panel reads, of those in the dashboard's scope.
func (p *panel) read(documents []document) []document {
	from := is(indexField, p.latest)
	if p.latest == "" {
		from = condition{field: indexField, absent: true}
	}
	return filter(documents, append([]condition{from}, p.only...))
}

// counted is the number of documents, or of a field's different values, or the
// median of a field.
func (p *panel) counted(documents []document) int {
	switch {
	case p.median != "":
		return p.medianOf(documents)
	case p.count == "":
		return len(documents)
	}
	different := map[string]bool{}
	for _, d := range documents {
		for _, v := range d[p.count] {
			different[fmt.Sprint(v)] = true
		}
	}
	return len(different)
}

// medianOf is the median of a field, in the panel's unit.
func (p *panel) medianOf(documents []document) int {
	var all []float64
	for _, d := range documents {
		for _, v := range d[p.median] {
			all = append(all, asNumber(fmt.Sprint(v)))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	median := (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	if p.days {
		return int(math.Round(time.Duration(median).Hours() / 24))
	}
	return int(math.Round(time.Duration(median).Minutes()))
}

// figure is a panel's figure as Kibana writes it.
func (p *panel) figure(n int) string {
	switch {
	case p.median != "" && n == 0:
		return "-"
	case p.days:
		return fmt.Sprint(n, " d")
	case p.median != "":
		return fmt.Sprint(n, " min")
	}
	return thousands(n)
}

// colourOf is the colour of a panel's group, the i-th.
func (p *panel) colourOf(value string, i int) string {
	for _, c := range p.colours {
		if c.value == value {
			return c.colour
		}
	}
	return palette[i%len(palette)]
}

// group is the documents that share the values of a panel's fields.
type group struct {
	labels    []string
	count     int
	newest    string
	documents []document
}

// groups are a panel's groups: buckets in their order, values by count.
func (p *panel) groups(documents []document) []group {
	var all []group
	for _, b := range p.buckets {
		in := filter(documents, []condition{b.where})
		all = append(all, p.group([]string{b.label}, in))
	}
	if len(p.buckets) > 0 {
		return all
	}
	byKey := map[string][]document{}
	for _, d := range documents {
		for _, key := range p.keys(d) {
			byKey[key] = append(byKey[key], d)
		}
	}
	for key, in := range byKey {
		all = append(all, p.group(strings.Split(key, "\x00"), in))
	}
	slices.SortFunc(all, func(a, b group) int {
		return cmp.Or(b.count-a.count, strings.Compare(b.newest, a.newest), slices.Compare(a.labels, b.labels))
	})
	return all
}

// keys are the combinations of values that a document has in the panel's
// fields; one without a value has none, or the one that says so.
func (p *panel) keys(d document) []string {
	combined := []string{""}
	for i, c := range p.by {
		var next []string
		values := d[c.field]
		if p.unknown && len(values) == 0 {
			values = []any{missing}
		}
		for _, prefix := range combined {
			for _, v := range values {
				key := fmt.Sprint(v)
				if i > 0 {
					key = prefix + "\x00" + key
				}
				if !slices.Contains(next, key) {
					next = append(next, key)
				}
			}
		}
		combined = next
	}
	return combined
}

func (p *panel) group(labels []string, in []document) group {
	g := group{labels: labels, count: p.counted(in), documents: in}
	for _, d := range in {
		g.newest = max(g.newest, timeOf(d).Format(time.DateTime))
	}
	return g
}

func timeOf(d document) time.Time {
	for _, v := range d["@timestamp"] {
		if t, err := time.Parse(time.RFC3339, fmt.Sprint(v)); err == nil {
			return t
		}
	}
	return time.Time{}
}
