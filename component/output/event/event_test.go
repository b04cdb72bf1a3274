package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

var target = inputs.Target{
	InputID: "in", StreamID: "in-log", DataStream: inputs.DataStream{Type: "logs", Dataset: "a.log", Namespace: "default"},
	Options: map[string]string{"pipeline": "p"},
}

func document(id, text string) inputs.Document {
	return inputs.Document{ID: id, Timestamp: time.UnixMilli(1_700_000_000_123), JSON: []byte(text)}
}

// TestEventIsWhatBeatsSend: the names are those of libbeat/outputs/codec/json, and
// those that Elastic Agent adds to an event's metadata.
func TestEventIsWhatBeatsSend(t *testing.T) {
	d := document("a\"b", `{"@timestamp":"2023-11-14T22:13:20.123Z","agent":{"name":"n","version":"9.5.2"},"n":1e2}`)
	got := map[string]any{}
	if err := json.Unmarshal(event.NewEncoder(target, "Defender", d).Append(nil, d), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"@metadata": map[string]any{
			"beat": "defender", "type": "_doc", "version": "9.5.2", "raw_index": "logs-a.log-default", "op_type": "create",
			"input_id": "in", "stream_id": "in-log", "pipeline": "p", "_id": "a\"b",
		},
		"@timestamp": "2023-11-14T22:13:20.123Z", "agent": map[string]any{"name": "n", "version": "9.5.2"}, "n": 100.0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEventOfTheSmallestDocument(t *testing.T) {
	d := document("1", `{}`)
	if got := event.NewEncoder(inputs.Target{Index: "i"}, "b", d).Append(nil, d); !json.Valid(got) {
		t.Errorf("%s", got)
	}
}

func TestEventCostsNoAllocation(t *testing.T) {
	d := document("id", `{"a":1}`)
	e, buffer := event.NewEncoder(target, "b", d), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buffer = e.Append(buffer[:0], d) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if !e.Fits(target) || e.Fits(inputs.Target{}) {
		t.Error("the encoder does not know its target")
	}
}

func TestField(t *testing.T) {
	text := []byte(`{"a.b":{"c":1},"a":{"b":{"d":[2]}},"e":null}`)
	for path, want := range map[string]string{"a.b.c": "1", "a.b.d": "[2]", "e": "null", "a.x": "", "f": "", "e.g": "", "a.b.c.d": ""} {
		if got := string(event.Field(text, path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if event.Field([]byte("[1]"), "a") != nil {
		t.Error("a list has no field")
	}
}
