package shipper

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-shipper-client/pkg/helpers"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

var base = time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)

func TestEventFields(t *testing.T) {
	tests := map[string]struct {
		value string
		want  any
	}{
		"text":                 {`"a"`, "a"},
		"escapes":              {`"a\"\\\n\u00e4\ud83d\ude00/"`, "a\"\\\nä😀/"},
		"integer":              {`73`, int64(73)},
		"negative":             {`-1`, int64(-1)},
		"largest integer":      {`9223372036854775807`, int64(math.MaxInt64)},
		"beyond int64":         {`18446744073709551615`, uint64(math.MaxUint64)},
		"beyond uint64":        {`18446744073709551616`, 18446744073709551616.0},
		"beyond float64":       {`1e999`, "1e999"},
		"fraction":             {`1.5`, 1.5},
		"exponent":             {`1e3`, 1000.0},
		"booleans":             {`[true,false]`, []any{true, false}},
		"null":                 {`null`, nil},
		"nested":               {`{"a":{"b":[{"c":1},[]]}}`, map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": int64(1)}, []any{}}}}},
		"inner @timestamp":     {`{"@timestamp":"x"}`, map[string]any{"@timestamp": "x"}},
		"escaped name":         {`{"\u0061":1}`, map[string]any{"a": int64(1)}},
		"broken UTF-8":         {"\"a\xff\"", "a\ufffd"},
		"broken UTF-8 in name": {"{\"a\xff\":1}", map[string]any{"a\ufffd": int64(1)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			event := eventOf(t, []byte(`{"@timestamp":"2026-03-01T12:00:00.123Z","f":`+test.value+`}`))
			if event == nil {
				t.Fatal("no event")
			}
			compare(t, "fields", map[string]any{"f": test.want}, helpers.AsMap(event.Fields))
			if !event.Timestamp.AsTime().Equal(base) {
				t.Errorf("timestamp %s, want %s", event.Timestamp.AsTime(), base)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"@timestamp":"x","a":[1,2.5,"\ud800",{"b":null}]}`))
	f.Add([]byte(`{"a":1`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, document []byte) {
		event := eventOf(t, document)
		if event == nil {
			return
		}
		if _, err := proto.Marshal(event); err != nil {
			t.Errorf("%s: %v", document, err)
		}
	})
}

// eventOf is the event of a document as the shipper reads it, nil if there is
// none.
func eventOf(t *testing.T, document []byte) *messages.Event {
	t.Helper()
	encoder := newEncoder(target)
	request := encoder.request(nil, "uuid")
	request, err := encoder.event(request, inputs.Document{ID: "id", Timestamp: base, JSON: document})
	if err != nil {
		return nil
	}
	read := &messages.PublishRequest{}
	if err := proto.Unmarshal(request, read); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	if read.Uuid != "uuid" || len(read.Events) != 1 || len(read.ProtoReflect().GetUnknown()) > 0 {
		t.Fatalf("%s: read as %v", document, read)
	}
	return read.Events[0]
}

// TestEventEnvelope: what an event holds beside the fields.
func TestEventEnvelope(t *testing.T) {
	event := eventOf(t, []byte(`{}`))
	want := &messages.Event{
		Timestamp:  timestamppb.New(base),
		Source:     &messages.Source{InputId: "in", StreamId: "in-log"},
		DataStream: &messages.DataStream{Type: "logs", Dataset: "microsoft_defender_endpoint.log", Namespace: "default"},
		Metadata:   event.Metadata,
		Fields:     &messages.Struct{},
	}
	if !proto.Equal(want, event) {
		t.Errorf("got %v, want %v", event, want)
	}
	metadata := map[string]any{
		"_id": "id", "raw_index": target.Name(), "op_type": "create", "input_id": "in", "stream_id": "in-log",
	}
	compare(t, "metadata", metadata, helpers.AsMap(event.Metadata))
}

// A call stays below what any gRPC server receives.
func TestCallsAreSplitByBytes(t *testing.T) {
	s := startShipper(t, shippertest.Options{CountOnly: true})
	o := connect(t, s, newReporter(), nil)
	mustPublish(t, o, large(300, 100<<10))
	stats, _ := s.Stats()
	if stats.Stored != 300 || stats.Largest > everyoneTakes || stats.Largest < callBytes/2 {
		t.Errorf("%+v", stats)
	}
}

func TestUnreadableDocumentIsRefused(t *testing.T) {
	s := startShipper(t, shippertest.Options{})
	r := newReporter()
	o := connect(t, s, r, nil)
	b := batch(0, 3)
	copy(b.At(1).JSON, "no JSON!")
	mustPublish(t, o, b)
	compare(t, "result", inputs.Result{Stored: 2, Minimal: 1}, b.Result)
	want := []output.Refusal{{
		Refusal: inputs.Refusal{Type: "document_parsing_exception"}, Target: target.Name(), ID: "id-00001", Record: "record of id-00001",
	}}
	compare(t, "refused", want, r.Refusals())
}

// large holds n documents of about size bytes, of the shape of an alert.
func large(n, size int) *inputs.Batch {
	b := inputs.NewBatch(target, n, 1<<30)
	for i := range n {
		b.Add(alert(i, size), nil)
	}
	return b
}

func BenchmarkEvent(b *testing.B) {
	d := large(1, 2500).At(0)
	encoder := newEncoder(target)
	var request []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(d.JSON)))
	for b.Loop() {
		var err error
		if request, err = encoder.event(request[:0], d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublish sends 30,000 documents of 2.5 KB in batches of 1,600.
func BenchmarkPublish(b *testing.B) {
	const documents = 30_000
	s := startShipper(b, shippertest.Options{CountOnly: true})
	o := connect(b, s, newReporter(), nil)
	batch := large(inputs.BatchDocuments, 2500)
	b.ReportAllocs()
	for b.Loop() {
		for sent := 0; sent < documents; sent += batch.Len() {
			if err := o.Publish(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	perDocument := float64(b.N) * documents
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perDocument, "ns/doc")
	b.ReportMetric(perDocument/b.Elapsed().Seconds(), "docs/s")
}

// alert is a document of about that many bytes, with some 80 fields.
func alert(i, size int) *ecs.Document {
	d := &ecs.Document{ID: fmt.Sprintf("id-%05d", i), Timestamp: base}
	for group := range 10 {
		for field := range 8 {
			d.Set(fmt.Sprintf("microsoft.group%d.field%d", group, field), ecs.Text("value of it"))
		}
	}
	d.Set("event.severity", ecs.Int(73))
	d.Set("message", ecs.Text(strings.Repeat("x", max(0, size-len(d.AppendJSON(nil))))))
	return d
}
