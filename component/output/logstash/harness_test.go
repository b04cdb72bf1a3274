package logstash

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "c4nary" // in every document: must not show

var target = inputs.Target{
	InputID: "in", StreamID: "in-log",
	DataStream: inputs.DataStream{Type: "logs", Dataset: "microsoft_defender_endpoint.log", Namespace: "default"},
}

// reporter keeps what an output tells, and hands on each report that differs from
// the one before.
type reporter struct {
	mu       sync.Mutex
	last     string
	refusals []output.Refusal
	changed  chan error
}

func newReporter() *reporter { return &reporter{last: "-", changed: make(chan error, 100)} }

func (r *reporter) Report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := fmt.Sprint(err); text != r.last {
		r.last = text
		r.changed <- err
	}
}

func (r *reporter) Refused(x output.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, x)
}

func (r *reporter) Delivered(inputs.Result) {}

func (r *reporter) refused() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.refusals {
		ids = append(ids, x.ID)
	}
	return ids
}

func start(t testing.TB, o logstashtest.Options) *logstashtest.Server {
	t.Helper()
	s, err := logstashtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func settingsOf(t testing.TB, s *logstashtest.Server) map[string]any {
	t.Helper()
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// connect makes an output to the server that waits only milliseconds.
func connect(t testing.TB, s *logstashtest.Server, r output.Reporter, extra map[string]any) *logstash {
	t.Helper()
	settings := settingsOf(t, s)
	settings["backoff"] = map[string]any{"init": "1ms", "max": "5ms"}
	maps.Copy(settings, extra)
	var log bytes.Buffer
	out, err := New(settings, r, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil || bytes.Contains(log.Bytes(), []byte(canary)) {
			t.Errorf("%v, log %s", err, log.String())
		}
	})
	return out.(*logstash)
}

// batch has documents first to first+n-1.
func batch(first, n int) *inputs.Batch {
	b := inputs.NewBatch(target, n+1, 1<<30)
	b.Fallback = inputstest.Forms{}
	for i := range n {
		d := &ecs.Document{ID: fmt.Sprintf("id-%05d", first+i), Timestamp: time.UnixMilli(1_700_000_000_123)}
		d.Set("message", ecs.Text(canary))
		d.Set("data_stream.type", ecs.Text("logs"))
		b.Add(d, []byte(`{"id":"`+d.ID+`"}`))
	}
	return b
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// publish starts Publish; the channel gets its result.
func publish(ctx context.Context, p inputs.Publisher, b *inputs.Batch) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.Publish(ctx, b) }()
	return done
}

func mustPublish(t testing.TB, p inputs.Publisher, b *inputs.Batch) {
	t.Helper()
	if err := p.Publish(deadline(t), b); err != nil {
		t.Fatal(err)
	}
}

// until waits until the server's counters are as wanted.
func until(t *testing.T, s *logstashtest.Server, what string, reached func(logstashtest.Stats) bool) {
	t.Helper()
	ctx := deadline(t)
	for {
		stats, changed := s.Stats()
		if reached(stats) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited for %s: %+v", what, stats)
		}
	}
}

func stats(s *logstashtest.Server) logstashtest.Stats {
	now, _ := s.Stats()
	return now
}

func compare(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func contractDocument(id string, huge bool) *ecs.Document {
	d := &ecs.Document{ID: id, Timestamp: time.UnixMilli(1_700_000_000_123)}
	d.Set("data_stream.type", ecs.Text("logs"))
	if huge {
		d.Set("message", ecs.Text(string(bytes.Repeat([]byte{'x'}, 4000))))
	}
	return d
}

// windows are those on their way.
func (l *link) windows() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}
