package outputtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// Canary is in every document.
const Canary = "c4nary"

// Target is where the documents of Batch go.
var Target = inputs.Target{
	InputID: "in", StreamID: "in-log",
	DataStream: inputs.DataStream{Type: "logs", Dataset: "microsoft_defender_endpoint.log", Namespace: "default"},
}

// Reporter keeps what an output reports, and passes on each report that differs from
// the one before.
type Reporter struct {
	Changed chan error

	mu       sync.Mutex
	last     string
	refusals []output.Refusal
}

var _ output.Reporter = (*Reporter)(nil)

// NewReporter makes a Reporter. A thousand reports wait for who reads them.
func NewReporter() *Reporter { return &Reporter{last: "-", Changed: make(chan error, 1000)} }

// Report implements output.Reporter.
func (r *Reporter) Report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := fmt.Sprint(err); text != r.last {
		r.last = text
		r.Changed <- err
	}
}

// Refused implements output.Reporter.
func (r *Reporter) Refused(x output.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, x)
}

// Delivered implements output.Reporter.
func (r *Reporter) Delivered(inputs.Result) {}

// Last is the text of the newest report, "<nil>" where all is well.
func (r *Reporter) Last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Refusals are those up to now.
func (r *Reporter) Refusals() []output.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]output.Refusal(nil), r.refusals...)
}

// RefusedIDs are the ids of the documents that were refused up to now.
func (r *Reporter) RefusedIDs() (ids []string) {
	for _, x := range r.Refusals() {
		ids = append(ids, x.ID)
	}
	return ids
}

// ExpectWell looks whether nothing else was reported than that all is well.
func (r *Reporter) ExpectWell(t testing.TB) {
	t.Helper()
	if n, last := len(r.Changed), r.Last(); n != 1 || last != "<nil>" {
		t.Errorf("%d reports, the last is %s", n, last)
	}
}

// Batch has documents first to first+n-1.
func Batch(first, n int) *inputs.Batch {
	b := inputs.NewBatch(Target, n+1, 1<<30)
	b.Fallback = inputstest.Forms{}
	for i := range n {
		id := fmt.Sprintf("id-%05d", first+i)
		b.Add(Document(id, Canary), []byte(`{"id":"`+id+`"}`))
	}
	return b
}

// Document is of an event of that id, and has a message unless that is empty.
func Document(id, message string) *ecs.Document {
	d := &ecs.Document{ID: id, Timestamp: time.UnixMilli(1_700_000_000_123)}
	d.Set("event.id", ecs.Text(id))
	d.Set("event.severity", ecs.Int(73))
	if message != "" {
		d.Set("message", ecs.Text(message))
	}
	d.Set("data_stream.type", ecs.Text("logs"))
	return d
}

// Deadline ends what takes 20 seconds.
func Deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Publish starts Publish; the channel gets its result.
func Publish(ctx context.Context, p inputs.Publisher, b *inputs.Batch) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.Publish(ctx, b) }()
	return done
}

// MustPublish publishes.
func MustPublish(t testing.TB, p inputs.Publisher, b *inputs.Batch) {
	t.Helper()
	if err := p.Publish(Deadline(t), b); err != nil {
		t.Fatal(err)
	}
}

// Compare compares.
func Compare(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
