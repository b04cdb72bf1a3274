package defender

import (
	"reflect"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// mapWith maps an alert with settings of a policy.
func mapWith(t *testing.T, settings map[string]any, record string) []string {
	t.Helper()
	m, err := NewMapper("alert", settings, inputs.Agent{})
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	if _, err := m.Map([]byte(record), func(d *ecs.Document) error {
		documents = append(documents, `{"_source":`+string(d.AppendJSON(nil))+`}`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return documents
}

func TestPolicyFieldsAndProcessors(t *testing.T) {
	settings := map[string]any{
		"fields":            map[string]any{"site": "hq$1"},
		"fields_under_root": true,
		"processors": []any{
			map[string]any{"add_tags": map[string]any{"tags": []any{"seen"}}},
			map[string]any{"drop_event": map[string]any{"when": map[string]any{"equals": map[string]any{"event.severity": 21.0}}}},
		},
	}
	documents := mapWith(t, settings, `{"id":"a","severity":"High"}`)
	if len(documents) != 1 || field(t, documents[0], "site") != "hq$1" {
		t.Fatalf("got %s", documents)
	}
	if tags := field(t, documents[0], "tags").([]any); tags[len(tags)-1] != "seen" {
		t.Errorf("tags %v", tags)
	}
	if documents := mapWith(t, settings, `{"id":"a","severity":"Low"}`); len(documents) != 0 {
		t.Errorf("drop_event kept %s", documents)
	}
}

func TestUnsupportedProcessorIsNamed(t *testing.T) {
	_, err := NewMapper("alert", map[string]any{"processors": []any{map[string]any{"script": map[string]any{}}}}, inputs.Agent{})
	if err == nil || !strings.Contains(err.Error(), `"script" is not supported`) {
		t.Errorf("got %v", err)
	}
}

// TestProcessorsKeepAStreamComparable: equal settings must not restart it.
func TestProcessorsKeepAStreamComparable(t *testing.T) {
	settings := func() map[string]any {
		s := required()
		s["processors"] = []any{map[string]any{"drop_fields": map[string]any{"fields": []any{"observer"}}}}
		s["streams"] = []any{map[string]any{"id": "s"}}
		return s
	}
	in := New("test")
	first, err := in.Streams(inputs.Unit{ID: "in", Source: settings()})
	if err != nil {
		t.Fatal(err)
	}
	again, err := in.Streams(inputs.Unit{ID: "in", Source: settings()})
	if err != nil || first[0].Fault != nil || !reflect.DeepEqual(first[0].Settings, again[0].Settings) {
		t.Errorf("equal settings are not equal (%v)", err)
	}
}
