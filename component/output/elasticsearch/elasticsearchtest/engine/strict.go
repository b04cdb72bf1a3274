package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Document is one that is offered.
type Document struct {
	Target string // data stream
	ID     string
	Source string // where it comes from: a capture and its settings
	JSON   []byte
}

// The kinds of Fault.
const (
	Refused    = "refused"    // by the engine
	Ignored    = "ignored"    // stored, but a value of the field was not indexed
	Undeclared = "undeclared" // the engine, or a look at the document, found a field that the package does not declare
	WrongType  = "wrong type" // a value that is not of its field's type, though the engine may take it
	TooLong    = "too long"   // a keyword beyond its ignore_above
)

// Fault is something that is wrong with a document.
type Fault struct {
	Kind   string
	Target string
	Field  string // full name; empty where the engine does not say
	Type   string // declared type, or the engine's error type
	Source string
	Limit  int // of TooLong, and of Ignored where the field has a limit: how many characters are indexed
	Detail string
}

func (f Fault) String() string {
	return fmt.Sprintf("%s: %s, field %q (%s), %s: %.600s", f.Source, f.Kind, f.Field, f.Type, f.Target, f.Detail)
}

// Distinct lists equal faults of many documents once, the first of each, with how
// often it came.
func Distinct(faults []Fault) []string {
	count, first := map[string]int{}, map[string]Fault{}
	for _, f := range faults {
		key := f.Field + " " + f.Kind + " " + f.Type
		if count[key]++; count[key] == 1 {
			first[key] = f
		}
	}
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(count)) {
		texts = append(texts, fmt.Sprintf("%d times: %v", count[key], first[key]))
	}
	return texts
}

// Report is what became of documents.
type Report struct {
	Offered, Stored, Existing, Refused int
	Faults                             []Fault
}

// Bounds of one bulk request.
const (
	bulkDocuments = 1000
	bulkBytes     = 8 << 20
)

// Feed offers documents, each once, and looks at what became of them: the
// engine's answer, its _ignored, the fields that it added, and by an eye of our
// own what Elasticsearch says and this engine does not: types and lengths.
func (in *Installed) Feed(t testing.TB, documents []Document) Report {
	t.Helper()
	before := map[string]map[string]string{}
	targets := map[string]bool{}
	for _, d := range documents {
		if !targets[d.Target] {
			targets[d.Target] = true
			before[d.Target] = in.fields(t, d.Target)
		}
	}
	r := Report{Offered: len(documents)}
	for start := 0; start < len(documents); {
		end, size := start, 0
		for end < len(documents) && end-start < bulkDocuments && (end == start || size+len(documents[end].JSON) <= bulkBytes) {
			size += len(documents[end].JSON)
			end++
		}
		in.bulk(t, documents[start:end], &r)
		start = end
	}
	for target := range targets {
		r.Faults = append(r.Faults, in.inspect(t, target, documents, before[target])...)
	}
	slices.SortFunc(r.Faults, func(a, b Fault) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Field, b.Field), strings.Compare(a.Kind, b.Kind))
	})
	return r
}

// Answer is one item of a bulk answer.
type Answer struct {
	ID     string `json:"_id"`
	Index  string `json:"_index"`
	Status int    `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
		Cause  struct {
			Reason string `json:"reason"`
		} `json:"caused_by"`
	} `json:"error"`
}

// bulk sends documents in one request and notes what was refused.
func (in *Installed) bulk(t testing.TB, documents []Document, r *Report) {
	t.Helper()
	var body bytes.Buffer
	for _, d := range documents {
		action, err := json.Marshal(map[string]any{"create": map[string]string{"_index": d.Target, "_id": d.ID}})
		if err != nil {
			t.Fatal(err)
		}
		body.Write(append(action, '\n'))
		body.Write(append(bytes.Clone(d.JSON), '\n'))
	}
	var answer struct {
		Items []struct{ Create Answer }
	}
	in.engine.Call(t, http.MethodPost, "/_bulk", body.Bytes(), &answer)
	if len(answer.Items) != len(documents) {
		t.Fatalf("%d answers for %d documents", len(answer.Items), len(documents))
	}
	for i, item := range answer.Items {
		switch a := item.Create; {
		case a.Status < 300:
			r.Stored++
		case a.Status == http.StatusConflict:
			r.Existing++
		default:
			r.Refused++
			reason := a.Error.Reason + ": " + a.Error.Cause.Reason
			r.Faults = append(r.Faults, Fault{
				Kind: Refused, Target: documents[i].Target, Source: documents[i].Source,
				Field: fieldOf(reason), Type: a.Error.Type, Detail: fmt.Sprintf("%d %s", a.Status, reason),
			})
		}
	}
}

// fieldOf is the field that a reason names, for the reader of a failure.
func fieldOf(reason string) string {
	for _, before := range []string{"failed to parse field [", "object mapping for [", "mapper [", "field=\"", "field ["} {
		if _, rest, ok := strings.Cut(reason, before); ok {
			name, _, _ := strings.Cut(strings.ReplaceAll(rest, "\"", "]"), "]")
			return name
		}
	}
	return ""
}

// inspect looks at a data stream after documents were offered to it.
func (in *Installed) inspect(t testing.TB, target string, documents []Document, before map[string]string) []Fault {
	t.Helper()
	var faults []Fault
	sources := map[string]string{}
	named := map[string]bool{}
	for _, d := range documents {
		if d.Target != target {
			continue
		}
		sources[d.ID] = d.Source
		for _, f := range in.streams[target].judge(d) {
			faults = append(faults, f)
			named[f.Field] = true
		}
	}
	query := map[string]any{"query": map[string]any{"exists": map[string]any{"field": "_ignored"}}, "stored_fields": []string{"_ignored"}}
	in.engine.search(t, target, query, func(h hit) {
		for _, name := range h.Ignored {
			source, ours := sources[h.ID]
			if !ours {
				continue
			}
			faults = append(faults, Fault{
				Kind: Ignored, Target: target, Field: name, Type: in.streams[target].Fields[name].Type, Source: source,
				Limit: in.streams[target].Fields[name].limit(), Detail: "stored without this value in the index",
			})
		}
	})
	for name, kind := range in.fields(t, target) {
		if _, known := before[name]; !known && !named[name] {
			faults = append(faults, Fault{
				Kind: Undeclared, Target: target, Field: name, Type: kind, Source: "mapping", Detail: "added by the engine",
			})
		}
	}
	return faults
}

// fields are a data stream's fields with their types, objects included; those of
// its template where it does not exist yet.
func (in *Installed) fields(t testing.TB, target string) map[string]string {
	t.Helper()
	fields := map[string]string{}
	status, answer := in.engine.Do(t.Context(), http.MethodGet, "/"+target+"/_mapping", nil)
	if status == http.StatusNotFound {
		s, ok := in.streams[target]
		if !ok {
			t.Fatalf("%s is not installed", target)
		}
		collect(fields, "", s.mappings(t, in.engine.Kind))
		return fields
	}
	var indices map[string]struct{ Mappings map[string]any }
	if err := json.Unmarshal(answer, &indices); err != nil || status != http.StatusOK {
		t.Fatalf("mapping of %s: %d %.500s", target, status, answer)
	}
	for _, index := range indices {
		collect(fields, "", index.Mappings)
	}
	return fields
}

func collect(fields map[string]string, prefix string, node map[string]any) {
	properties, _ := node["properties"].(map[string]any)
	for name, v := range properties {
		child, _ := v.(map[string]any)
		kind, leaf := child["type"].(string)
		if !leaf {
			kind = "object"
		}
		fields[prefix+name] = kind
		collect(fields, prefix+name+".", child)
	}
}

// Inspect looks at all that is stored in the installation's data streams, as Feed
// does at what it offers. A document's source is its id.
func (in *Installed) Inspect(t testing.TB) Report {
	t.Helper()
	var r Report
	for target, s := range in.streams {
		if !in.engine.exists(t.Context(), target) {
			continue
		}
		var documents []Document
		in.engine.search(t, target, map[string]any{}, func(h hit) {
			documents = append(documents, Document{Target: target, ID: h.ID, Source: h.ID, JSON: h.Source})
		})
		r.Stored += len(documents)
		declared := map[string]string{}
		collect(declared, "", s.mappings(t, in.engine.Kind))
		r.Faults = append(r.Faults, in.inspect(t, target, documents, declared)...)
	}
	return r
}
