package output_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a Sender whose attempts are played from a list; when the list is
// over, everything is Stored.
type script struct {
	mu       sync.Mutex
	attempts []attempt
	sizes    []int // documents of each Send
	ids      []string
	active   int
	most     int
	latency  time.Duration
}

type attempt struct {
	verdict func(id string) output.Outcome // nil: all Retry if err, else Stored
	err     error
}

func (s *script) Send(ctx context.Context, _ inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	s.enter(len(docs))
	defer s.leave()
	if s.latency > 0 {
		select {
		case <-time.After(s.latency):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a := s.next()
	for i, d := range docs {
		switch {
		case a.verdict != nil:
			verdicts[i] = verdict(a.verdict(d.ID))
		case a.err == nil:
			verdicts[i].Outcome = output.Stored
		}
		if verdicts[i].Outcome == output.Stored {
			s.took(d.ID)
		}
	}
	return a.err
}

func verdict(o output.Outcome) output.Verdict {
	if o == output.Refused || o == output.Doubtful || o == output.Failing {
		return output.Verdict{Outcome: o, Refusal: &inputs.Refusal{Status: 400, Type: "document_parsing_exception", Field: "message"}}
	}
	return output.Verdict{Outcome: o}
}

func (s *script) enter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes = append(s.sizes, n)
	s.active++
	s.most = max(s.most, s.active)
}

func (s *script) leave() { s.mu.Lock(); s.active--; s.mu.Unlock() }

func (s *script) next() attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attempts) == 0 {
		return attempt{}
	}
	a := s.attempts[0]
	s.attempts = s.attempts[1:]
	return a
}

func (s *script) took(id string) { s.mu.Lock(); s.ids = append(s.ids, id); s.mu.Unlock() }

// recorder is a Reporter that keeps what was reported.
type recorder struct {
	mu        sync.Mutex
	reports   []string // kind, or "ok"; repeats are dropped
	refusals  []output.Refusal
	delivered inputs.Result
}

func (r *recorder) Report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	word := "ok"
	if err != nil {
		word = output.ReasonOf(err).String()
	}
	if len(r.reports) == 0 || r.reports[len(r.reports)-1] != word {
		r.reports = append(r.reports, word)
	}
}

func (r *recorder) Refused(x output.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, x)
}

func (r *recorder) Delivered(x inputs.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivered.Add(x)
}

func batch(stream string, n int) *inputs.Batch {
	b := inputs.NewBatch(inputs.Target{DataStream: inputs.DataStream{Type: "logs", Dataset: stream, Namespace: "default"}}, n, 1<<20)
	b.Fallback = inputstest.Forms{}
	for i := range n {
		b.Add(&ecs.Document{ID: fmt.Sprintf("%s-%d", stream, i), Timestamp: time.Unix(1, 0)}, fmt.Appendf(nil, "record %d", i))
	}
	return b
}

func fail(k output.Reason) attempt { return attempt{err: &output.Error{Op: "bulk", Reason: k}} }

func repeat(a attempt, n int) []attempt { return slices.Repeat([]attempt{a}, n) }

func only(v output.Outcome, ids ...string) func(string) output.Outcome {
	return func(id string) output.Outcome {
		if slices.Contains(ids, id) {
			return v
		}
		return output.Retry
	}
}

var busy = &output.Error{Op: "bulk", Reason: output.Busy, Status: 429}

var loopTests = []struct {
	name     string
	n        int
	attempts []attempt
	sizes    []int
	result   inputs.Result
	reports  []string
	refused  []string
	within   time.Duration // the waits' bound in all
}{
	{name: "empty batch"},
	{name: "split by BulkMax", n: 10, sizes: []int{4, 4, 2}, result: inputs.Result{Stored: 10}, reports: []string{"ok"}},
	{
		name: "one transient failure is not reported", n: 3, attempts: repeat(fail(output.Unreachable), 1),
		sizes: []int{3, 3}, result: inputs.Result{Stored: 3}, reports: []string{"ok"}, within: time.Second,
	},
	{
		name: "the second failure in a row is reported", n: 3, attempts: repeat(fail(output.Server), 2),
		sizes: []int{3, 3, 3}, result: inputs.Result{Stored: 3}, reports: []string{"server error", "ok"}, within: 3 * time.Second,
	},
	{
		name: "waits double up to the maximum", n: 1, attempts: repeat(fail(output.Busy), 6),
		sizes: []int{1, 1, 1, 1, 1, 1, 1}, result: inputs.Result{Stored: 1}, reports: []string{"busy", "ok"}, within: 31 * time.Second,
	},
	{
		name: "only what was not taken is sent again", n: 3,
		attempts: []attempt{{verdict: only(output.Existing, "s-1"), err: busy}},
		sizes:    []int{3, 2}, result: inputs.Result{Stored: 2, Existing: 1}, reports: []string{"ok"}, within: time.Second,
	},
	{
		name: "back pressure with progress is no trouble", n: 3,
		attempts: []attempt{{verdict: only(output.Stored, "s-0")}, {verdict: only(output.Stored, "s-1")}, {verdict: only(output.Stored, "s-2")}},
		sizes:    []int{3, 2, 1}, result: inputs.Result{Stored: 3}, reports: []string{"ok"}, within: 2 * time.Second,
	},
	{
		name: "documents never taken are reported as busy, and sent in smaller requests", n: 2, attempts: repeat(attempt{verdict: only(output.Stored)}, 2),
		sizes: []int{2, 2, 1, 1}, result: inputs.Result{Stored: 2}, reports: []string{"busy", "ok"}, within: 3 * time.Second,
	},
	{
		name: "too large is halved without a wait", n: 4, attempts: repeat(fail(output.TooLarge), 2),
		sizes: []int{4, 2, 1, 1, 1, 1}, result: inputs.Result{Stored: 4}, reports: []string{"ok"},
	},
	{
		name: "one document too large goes in its minimal form, after the rest in one", n: 4, attempts: repeat(fail(output.TooLarge), 3),
		sizes: []int{4, 2, 1, 3, 1}, result: inputs.Result{Stored: 3, Minimal: 1}, reports: []string{"ok"}, refused: []string{"s-0"},
	},
	{
		name: "too large even then goes in its bare form", n: 1, attempts: repeat(fail(output.TooLarge), 2),
		sizes: []int{1, 1, 1}, result: inputs.Result{Bare: 1}, reports: []string{"ok"}, refused: []string{"s-0"},
	},
	{
		name: "verdicts beside an error hold", n: 2,
		attempts: []attempt{{verdict: func(string) output.Outcome { return output.Stored }, err: busy}},
		sizes:    []int{2}, result: inputs.Result{Stored: 2}, reports: []string{"ok"},
	},
}

func TestLoop(t *testing.T) {
	for _, tt := range loopTests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := &script{attempts: tt.attempts}, &recorder{}
				l := output.NewLoop(s, output.Options{BulkMax: 4, BackoffMax: 8 * time.Second}, r)
				b, start := batch("s", tt.n), time.Now()
				if err := l.Publish(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > tt.within {
					t.Errorf("waited %s, want at most %s", took, tt.within)
				}
				compare(t, "result", tt.result, b.Result)
				compare(t, "sizes", tt.sizes, sorted(tt.sizes, s.sizes))
				compare(t, "reports", tt.reports, r.reports)
				var ids []string
				for _, x := range r.refusals {
					ids = append(ids, x.ID)
					compare(t, "status", 413, x.Status)
				}
				compare(t, "refused", tt.refused, ids)
				compare(t, "delivered", tt.result, r.delivered)
			})
		})
	}
}

// sorted puts got in the order of want where chunks ran side by side.
func sorted(want, got []int) []int {
	if slices.IsSortedFunc(want, func(a, b int) int { return b - a }) {
		slices.SortFunc(got, func(a, b int) int { return b - a })
	}
	return got
}

func compare(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestLoopKeepsToItsWorkersOverAllPublishCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{latency: time.Second}
		l := output.NewLoop(s, output.Options{BulkMax: 1, Workers: 3}, &recorder{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := l.Publish(t.Context(), batch(fmt.Sprint(i), 3)); err != nil {
					t.Error(err)
				}
			})
		}
		start := time.Now()
		wg.Wait()
		compare(t, "most Sends at once", 3, s.most)
		compare(t, "time", 4*time.Second, time.Since(start)) // 12 documents, 3 at once
	})
}

func TestLoopGivesTheWorkerBackWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := byStream{"bad": output.Forbidden}
		r := &recorder{}
		l := output.NewLoop(s, output.Options{BackoffInit: time.Minute, BackoffMax: time.Hour}, r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Publish(ctx, batch("bad", 1)) }()
		time.Sleep(3 * time.Hour) // simulated
		for range 3 {
			if err := l.Publish(t.Context(), batch("good", 1)); err != nil {
				t.Fatal(err)
			}
		}
		compare(t, "reports while one stream is forbidden", []string{"privilege missing"}, r.reports)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
		if err := l.Publish(t.Context(), batch("good", 1)); err != nil {
			t.Fatal(err)
		}
		compare(t, "reports after it was given up", []string{"privilege missing", "ok"}, r.reports)
	})
}

// byStream fails for ever by data set.
type byStream map[string]output.Reason

func (s byStream) Send(_ context.Context, target inputs.Target, _ []inputs.Document, verdicts []output.Verdict) error {
	if k, bad := s[target.DataStream.Dataset]; bad {
		return &output.Error{Op: "bulk", Reason: k, Target: target.Name()}
	}
	for i := range verdicts {
		verdicts[i].Outcome = output.Stored
	}
	return nil
}

func TestLoopReturnsTheContextsErrorAtOnce(t *testing.T) {
	tests := map[string]*script{
		"while sending": {latency: time.Hour},
		"while waiting": {attempts: repeat(fail(output.Server), 1000)},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{}
				l := output.NewLoop(s, output.Options{BulkMax: 1}, r)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				b, start := batch("s", 2), time.Now()
				if err := l.Publish(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("got %v", err)
				}
				compare(t, "time", 10*time.Second, time.Since(start))
				compare(t, "result", inputs.Result{}, b.Result)
				s.latency, s.attempts = 0, nil
				if err := l.Publish(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				compare(t, "stored again", inputs.Result{Stored: 2}, b.Result)
			})
		})
	}
}

func TestLoopReturnsAtOnceWhileWaitingForAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := output.NewLoop(&script{latency: time.Hour}, output.Options{}, &recorder{})
		done := make(chan error, 1)
		go func() { done <- l.Publish(t.Context(), batch("first", 1)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := l.Publish(ctx, batch("second", 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		compare(t, "time", time.Second, time.Since(start))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A cancelled attempt whose answer came all the same is an acknowledgement.
func TestLoopTakesVerdictsOfACancelledAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{attempts: []attempt{{verdict: func(string) output.Outcome { cancel(); return output.Stored }, err: context.Canceled}}}
	b := batch("s", 2)
	if err := output.NewLoop(s, output.Options{}, &recorder{}).Publish(ctx, b); err != nil {
		t.Fatal(err)
	}
	compare(t, "result", inputs.Result{Stored: 2}, b.Result)
}

func TestErrorNamesKindStatusAndCause(t *testing.T) {
	cause := errors.New("no such host")
	err := fmt.Errorf("wrapped: %w", &output.Error{Op: "bulk", Reason: output.Unreachable, Status: 502, Err: cause})
	compare(t, "text", "wrapped: bulk: unreachable (HTTP 502): no such host", err.Error())
	if output.ReasonOf(err) != output.Unreachable || !errors.Is(err, cause) {
		t.Error("kind or cause lost")
	}
}
