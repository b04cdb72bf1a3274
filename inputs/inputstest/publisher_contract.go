package inputstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// contractPatience bounds what the suite waits for; a Publisher that keeps the
// contract takes milliseconds.
const contractPatience = 20 * time.Second

// Subject is a Publisher under test with a sink of its own, which is empty.
type Subject struct {
	Publisher inputs.Publisher
	// Documents are all documents in the sink, in any order. JSON is compared
	// by meaning, not by bytes.
	Documents func() []Document
	// Down makes the sink take nothing until Heal. Each attempt that it
	// refuses, or that is blocked, sends to tried without blocking.
	Down func(tried chan<- struct{})
	Heal func()
	// Refuse makes the sink refuse the documents of these ids, and Refusals are
	// the ids the Publisher's reporter received. Nil where the sink refuses no
	// single documents.
	Refuse   func(ids ...string)
	Refusals func() []string
	// KnowsIDs says that the sink refuses an _id it has: a repeat is Existing.
	KnowsIDs bool
}

// RunPublisherContract checks what every inputs.Publisher must do. The Publisher's first
// wait between attempts should be some milliseconds.
func RunPublisherContract(t *testing.T, newSubject func(t *testing.T) Subject) {
	tests := []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"NilMeansStored", contractStored},
		{"EmptyBatch", contractEmpty},
		{"Repeat", contractRepeat},
		{"BlocksWhileDown", contractBlocks},
		{"Cancel", contractCancel},
		{"Concurrent", contractConcurrent},
		{"OneRefused", contractRefused},
		{"OneRefusedTwice", contractRefusedTwice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newSubject(t)) })
	}
}

func contractStored(t *testing.T, s Subject) {
	b := contractBatch("stored", 0, 25)
	before := contractBytes(b)
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Stored: 25}) {
		t.Errorf("result %+v, want 25 stored", b.Result)
	}
	if !bytes.Equal(before, contractBytes(b)) {
		t.Error("Publish changed the batch's bytes")
	}
	wantStored(t, s, b)
	wantCount(t, s, 25)
}

func contractEmpty(t *testing.T, s Subject) {
	s.Down(make(chan struct{}, 1))
	b := contractBatch("empty", 0, 0)
	b.Result.Stored = 1
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{}) {
		t.Errorf("result %+v, want none", b.Result)
	}
	s.Heal()
}

func contractRepeat(t *testing.T, s Subject) {
	if !s.KnowsIDs {
		t.Skip("the sink knows no ids")
	}
	b := contractBatch("repeat", 0, 10)
	mustPublish(t, s, b)
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Existing: 10}) {
		t.Errorf("result %+v, want 10 existing", b.Result)
	}
	wantCount(t, s, 10)
}

func contractBlocks(t *testing.T, s Subject) {
	b := contractBatch("blocks", 0, 10)
	tried := make(chan struct{}, 1)
	s.Down(tried)
	done := make(chan error, 1)
	go func() { done <- s.Publisher.Publish(t.Context(), b) }()
	wait(t, "an attempt", tried)
	select {
	case err := <-done:
		t.Fatalf("Publish returned %v while the sink was down", err)
	default:
	}
	s.Heal()
	if err := wait(t, "Publish after the sink healed", done); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, b)
}

func contractCancel(t *testing.T, s Subject) {
	b := contractBatch("cancel", 0, 10)
	tried := make(chan struct{}, 1)
	s.Down(tried)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Publisher.Publish(ctx, b) }()
	wait(t, "an attempt", tried)
	cancel()
	if err := wait(t, "Publish after its context ended", done); !errors.Is(err, context.Canceled) {
		t.Fatalf("Publish returned %v, want the context's error", err)
	}
	s.Heal()
	mustPublish(t, s, b)
	wantStored(t, s, b)
	if s.KnowsIDs {
		wantCount(t, s, 10)
	}
}

func contractConcurrent(t *testing.T, s Subject) {
	batches := make([]*inputs.Batch, 8)
	var wg sync.WaitGroup
	for i := range batches {
		batches[i] = contractBatch([]string{"even", "odd"}[i%2], i*1000, 50)
		wg.Go(func() {
			if err := s.Publisher.Publish(t.Context(), batches[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, b := range batches {
		if b.Result != (inputs.Result{Stored: 50}) {
			t.Errorf("result %+v, want 50 stored", b.Result)
		}
		wantStored(t, s, b)
	}
	wantCount(t, s, 400)
}

// contractRefused: no document is dropped. What is refused is stored in its
// minimal form, once, and the full one can still be stored.
func contractRefused(t *testing.T, s Subject) {
	if s.Refuse == nil {
		t.Skip("the sink refuses no single documents")
	}
	b := contractBatch("refused", 0, 10)
	bad := b.At(4)
	s.Refuse(bad.ID)
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Stored: 9, Minimal: 1}) {
		t.Errorf("result %+v, want 9 stored and 1 minimal", b.Result)
	}
	if got := s.Refusals(); len(got) != 1 || got[0] != bad.ID {
		t.Errorf("reported as refused: %q, want %q", got, bad.ID)
	}
	wantForm(t, s, b, Forms{}.Minimal(bad, b.Original(4), inputs.Refusal{}))
	wantCount(t, s, 10)
	if !s.KnowsIDs {
		return
	}
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Existing: 10}) {
		t.Errorf("result of a repetition %+v, want 10 existing", b.Result)
	}
	s.Heal()
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Existing: 9, Stored: 1}) {
		t.Errorf("result once the cause is repaired %+v, want the full document stored", b.Result)
	}
}

// contractRefusedTwice: what is refused in its minimal form too is stored bare.
func contractRefusedTwice(t *testing.T, s Subject) {
	if s.Refuse == nil {
		t.Skip("the sink refuses no single documents")
	}
	b := contractBatch("refused-twice", 0, 10)
	bad := b.At(4)
	s.Refuse(bad.ID, Forms{}.Minimal(bad, nil, inputs.Refusal{}).ID)
	mustPublish(t, s, b)
	if b.Result != (inputs.Result{Stored: 9, Bare: 1}) {
		t.Errorf("result %+v, want 9 stored and 1 bare", b.Result)
	}
	wantForm(t, s, b, Forms{}.Bare(bad, b.Original(4), inputs.Refusal{}))
	wantCount(t, s, 10)
}

func wantForm(t *testing.T, s Subject, b *inputs.Batch, form inputs.Document) {
	t.Helper()
	for _, d := range s.Documents() {
		if d.DataStream == b.Target.Name() && d.ID == form.ID {
			return
		}
	}
	t.Errorf("%s is not in the sink", form.ID)
}

// contractBatch has documents as a resource makes them, with text that encoders like
// to spoil.
func contractBatch(name string, first, n int) *inputs.Batch {
	stream := inputs.DataStream{Type: "logs", Dataset: "contract." + name, Namespace: "default"}
	b := inputs.NewBatch(inputs.Target{InputID: "contract", StreamID: "contract-" + name, DataStream: stream}, n+1, 1<<20)
	b.Fallback = Forms{}
	for i := range n {
		d := ecs.Document{ID: fmt.Sprintf("%s-%d", name, first+i), Timestamp: time.UnixMilli(1_700_000_000_123 + int64(i)).UTC()}
		d.Set("data_stream.type", ecs.Text(stream.Type))
		d.Set("data_stream.dataset", ecs.Text(stream.Dataset))
		d.Set("data_stream.namespace", ecs.Text(stream.Namespace))
		d.Set("message", ecs.Text("<b>\"quoted\"</b> & \u2028 \n\t 日本 \U0001F600"))
		d.Set("process.pid", ecs.Int(int64(i)))
		d.Set("threat.score", ecs.Scalar([]byte("0.1")))
		d.Set("event.large", ecs.Int(1<<53-1))
		d.Set("tags", ecs.Texts("forwarded", "contract"))
		d.Set("event.ok", ecs.Bool(true))
		b.Add(&d, []byte(`{"id":"`+d.ID+`"}`))
	}
	return b
}

func contractBytes(b *inputs.Batch) []byte {
	var all []byte
	for i := range b.Len() {
		all = append(all, b.At(i).JSON...)
	}
	return all
}

func mustPublish(t *testing.T, s Subject, b *inputs.Batch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), contractPatience)
	defer cancel()
	if err := s.Publisher.Publish(ctx, b); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(contractPatience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("no sign of %s", what)
		panic("unreachable")
	}
}

// wantStored checks that all documents of the batch are in the sink, intact.
func wantStored(t *testing.T, s Subject, b *inputs.Batch) {
	t.Helper()
	stored := map[string]Document{}
	for _, d := range s.Documents() {
		stored[d.DataStream+"/"+d.ID] = d
	}
	for i := range b.Len() {
		want := b.At(i)
		got, ok := stored[b.Target.Name()+"/"+want.ID]
		if !ok {
			t.Errorf("%s is not in the sink", want.ID)
		} else if !reflect.DeepEqual(decoded(t, got.JSON), decoded(t, want.JSON)) {
			t.Errorf("%s was changed:\ngot  %s\nwant %s", want.ID, got.JSON, want.JSON)
		}
	}
}

func wantCount(t *testing.T, s Subject, n int) {
	t.Helper()
	if got := len(s.Documents()); got != n {
		t.Errorf("%d documents in the sink, want %d", got, n)
	}
}

func decoded(t *testing.T, raw []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Errorf("stored document is not JSON: %v", err)
	}
	return v
}
