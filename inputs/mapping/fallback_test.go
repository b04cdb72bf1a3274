package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// refusedIncident is a document as it could be refused.
func refusedIncident(t *testing.T, record string) inputs.Document {
	t.Helper()
	m, _ := newToy(nil)
	m.Read(Raw(record), nil)
	b := inputs.NewBatch(inputs.Target{}, inputs.BatchDocuments, inputs.BatchBytes)
	if _, err := m.Documents(func(d *ecs.Document) error { b.Add(d, Raw(record)); return nil }); err != nil {
		t.Fatal(err)
	}
	if string(b.Original(0)) != record {
		t.Fatalf("original %s", b.Original(0))
	}
	return b.At(0)
}

const attack = `{"id":"da1_-2","title":"<script>","machineId":"m1","tenantId":"t1","createdAt":"2026-03-02T08:15:07Z","description":"x"}`

func fieldsOf(t *testing.T, d inputs.Document) map[string]any {
	t.Helper()
	var v any
	if err := json.Unmarshal(d.JSON, &v); err != nil {
		t.Fatalf("%v: %s", err, d.JSON)
	}
	flat := map[string]any{}
	flatten("", v, flat)
	return flat
}

func flatten(prefix string, v any, into map[string]any) {
	o, ok := v.(map[string]any)
	if !ok {
		into[strings.TrimSuffix(prefix, ".")] = v
		return
	}
	for name, member := range o {
		flatten(prefix+name+".", member, into)
	}
}

// constantsOf are the fields that both forms have of any document.
func constantsOf(d inputs.Document, t *testing.T) map[string]any {
	full, want := fieldsOf(t, d), map[string]any{}
	for _, path := range append([]string{"@timestamp", "event.id", "event.created", "event.severity", "cloud.account.id", "cloud.instance.id", "host.id"}, constants...) {
		if v, ok := full[path]; ok {
			want[path] = v
		}
	}
	want["tags"] = append([]any{TagOriginal}, full["tags"].([]any)...)
	want["event.kind"] = "pipeline_error"
	return want
}

func TestMinimalForm(t *testing.T) {
	d := refusedIncident(t, attack)
	form := Fallback{}.Minimal(d, []byte(attack), inputs.Refusal{Status: 400, Type: "document_parsing_exception", Field: "rule.description"})
	want := constantsOf(d, t)
	want["message"] = "<script>"
	want["event.original"] = attack
	want["error.message"] = "the full document was refused: document_parsing_exception (HTTP 400), field rule.description; the record has 120 bytes"
	if diff := cmp.Diff(want, fieldsOf(t, form)); diff != "" {
		t.Error(diff)
	}
	named := fieldsOf(t, Fallback{}.Minimal(d, []byte(attack), inputs.Refusal{Field: "message"}))
	if _, ok := named["message"]; ok {
		t.Error("the field that the refusal names is in the minimal form")
	}
}

func TestBareFormHasNoTextOfTheRecord(t *testing.T) {
	record := strings.Replace(attack, "da1_-2", "' or 1=1 --", 1)
	d := refusedIncident(t, record)
	form := Fallback{Tags: []string{"forwarded"}}.Bare(d, []byte(record), inputs.Refusal{Status: 403, Type: "request_refused", Field: "message"})
	want := constantsOf(d, t)
	delete(want, "event.id")
	sum := sha256.Sum256([]byte(record))
	want["error.message"] = "the full document was refused: request_refused (HTTP 403); the record has 125 bytes, SHA-256 " + hex.EncodeToString(sum[:])
	if diff := cmp.Diff(want, fieldsOf(t, form)); diff != "" {
		t.Error(diff)
	}
}

// TestTagsOfForms: a processor may have put anything into them.
func TestTagsOfForms(t *testing.T) {
	d := inputs.Document{JSON: []byte(`{"tags":["own","a text of the record","` + strings.Repeat("x", bareText) + `",7]}`)}
	f := Fallback{Tags: []string{"own", "absent"}}
	for name, c := range map[string]struct {
		field         string
		minimal, bare any
	}{
		"another field": {"message", []any{TagOriginal, "own", "a text of the record"}, []any{TagOriginal, "own"}},
		"tags":          {"tags", []any{TagOriginal}, nil},
	} {
		r := inputs.Refusal{Field: c.field}
		if diff := cmp.Diff(c.minimal, fieldsOf(t, f.Minimal(d, nil, r))["tags"]); diff != "" {
			t.Errorf("%s refused, minimal form: %s", name, diff)
		}
		if diff := cmp.Diff(c.bare, fieldsOf(t, f.Bare(d, nil, r))["tags"]); diff != "" {
			t.Errorf("%s refused, bare form: %s", name, diff)
		}
	}
}

// TestFormsHaveIdsOfTheirOwn: the same form has the same id whenever it is made,
// regardless of the refusal.
func TestFormsHaveIdsOfTheirOwn(t *testing.T) {
	var f Fallback
	d := refusedIncident(t, attack)
	minimal, bare := f.Minimal(d, nil, inputs.Refusal{}), f.Bare(d, nil, inputs.Refusal{})
	again := f.Minimal(d, []byte(attack), inputs.Refusal{Status: 400, Type: "x"})
	if minimal.ID != again.ID || minimal.ID == d.ID || bare.ID == d.ID || bare.ID == minimal.ID || len(bare.ID) != len(d.ID) {
		t.Errorf("ids %s, %s, %s, %s", d.ID, minimal.ID, again.ID, bare.ID)
	}
	if id := f.Record(d); id != "da1_-2" {
		t.Errorf("record %q", id)
	}
}

// TestLargeOriginalIsCut: between characters.
func TestLargeOriginalIsCut(t *testing.T) {
	d := refusedIncident(t, attack)
	original := []byte(strings.Repeat("日", minimalOriginal/2))
	got, _ := fieldsOf(t, Fallback{}.Minimal(d, original, inputs.Refusal{}))["event.original"].(string)
	if len(got) > minimalOriginal || len(got) < minimalOriginal-3 || !strings.HasPrefix(string(original), got) {
		t.Errorf("%d bytes of the original", len(got))
	}
}

// FuzzForms: regardless of what the document contains, its forms are JSON, without what could
// not be mapped.
func FuzzForms(f *testing.F) {
	f.Add([]byte(`{"event":{"id":{"a":1},"severity":[1]},"tags":"x","message":7,"agent":"none","host":{"id":"h"}}`), []byte("{}"))
	f.Add([]byte(`{"event.id":"x","tags":[1,null,{"a":"b"},"t"],"cloud":[{"account":{"id":"x"}}]}`), []byte("\xff\"\\"))
	f.Fuzz(func(t *testing.T, document, original []byte) {
		d := inputs.Document{ID: "x", Timestamp: time.Unix(1, 0)}
		if !Raw(document).IsValid() || Raw(document).Kind() != '{' {
			return
		}
		var doc ecs.Document
		doc.Root().Set("all", doc.JSON(document))
		for _, d.JSON = range [][]byte{document, doc.AppendJSON(nil)} {
			for _, form := range []inputs.Document{
				Fallback{}.Minimal(d, original, inputs.Refusal{Type: "x"}), Fallback{}.Bare(d, original, inputs.Refusal{Type: "x"}),
			} {
				if !Raw(form.JSON).IsValid() {
					t.Errorf("%s: %s", document, form.JSON)
				}
			}
		}
	})
}
