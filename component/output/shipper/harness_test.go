package shipper

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const unitID = "microsoft_defender_endpoint-default"

var target = inputs.Target{
	InputID: "in", StreamID: "in-log",
	DataStream: inputs.DataStream{Type: "logs", Dataset: "microsoft_defender_endpoint.log", Namespace: "default"},
}

// health records what an output reports.
type health struct {
	mu      sync.Mutex
	errs    []error
	refused []output.Refusal
	trouble chan error // the newest error, for who waits
}

func newHealth() *health { return &health{trouble: make(chan error, 1)} }

func (h *health) Report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
	if err != nil {
		select {
		case h.trouble <- err:
		default:
		}
	}
}

func (h *health) Refused(r output.Refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = append(h.refused, r)
}

func (h *health) Delivered(inputs.Result) {}

func startShipper(t testing.TB, o shippertest.Options) *shippertest.Server {
	t.Helper()
	s, err := shippertest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// connect makes an output to the shipper that tries again at once.
func connect(t testing.TB, s *shippertest.Server, h *health, extra map[string]any) *client {
	t.Helper()
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	settings["backoff"] = map[string]any{"init": "1ms", "max": "10ms"}
	for key, value := range extra {
		settings[key] = value
	}
	o, err := New(settings, unitID, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o.(*client)
}

func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

var base = time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)

// batch holds documents first to first+n-1.
func batch(first, n int) *inputs.Batch {
	b := inputs.NewBatch(target, n, 1<<30)
	for i := range n {
		d := &ecs.Document{ID: fmt.Sprintf("id-%05d", first+i), Timestamp: base.Add(time.Duration(i) * time.Second)}
		d.Set("event.id", ecs.Text(d.ID))
		d.Set("event.severity", ecs.Int(73))
		d.Set("data_stream.type", ecs.Text("logs"))
		b.Add(d, nil)
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

// until waits until the shipper's counters are as wanted.
func until(t *testing.T, s *shippertest.Server, what string, reached func(shippertest.Stats) bool) {
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

// stored checks that exactly the documents 0 to n-1 arrived.
func stored(t *testing.T, s *shippertest.Server, n int) {
	t.Helper()
	got := map[string]bool{}
	for _, d := range s.Documents(target.Name()) {
		got[d.ID] = true
	}
	for i := range n {
		if id := fmt.Sprintf("id-%05d", i); !got[id] {
			t.Errorf("document %s is missing", id)
		}
	}
	if len(got) != n {
		t.Errorf("%d documents stored, want %d", len(got), n)
	}
}

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "s.sock")
}
