package output_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestBrokenIndexIsProbedWithOneDocument: what refuses every form refuses every
// document. One is tried at a time, the batch stays, and once the index is
// repaired all are stored in full.
func TestBrokenIndexIsProbedWithOneDocument(t *testing.T) {
	for name, o := range map[string]output.Outcome{"refused": output.Refused, "doubtful": output.Doubtful} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, r := &engine{document: func(string) output.Outcome { return o }}, &recorder{}
				l, b, done := output.NewLoop(e, output.Options{}, r), batch("s", 100), make(chan error, 1)
				go func() { done <- l.Publish(t.Context(), b) }()
				time.Sleep(time.Hour)
				e.mu.Lock()
				if n := len(strings.Fields(e.sends[0])); n != 100 {
					t.Errorf("first request of %d documents", n)
				}
				for _, s := range e.sends[1:] {
					if strings.Contains(s, " ") {
						t.Fatalf("more than one document while nothing gets through: %s", s)
					}
				}
				if n := len(e.sends); n < 60 || n > 180 {
					t.Errorf("%d requests in an hour, want one for each wait of 30s on average", n)
				}
				e.mu.Unlock()
				compare(t, "reports", []string{"refused in every form"}, r.reports)
				e.change(nil, nil)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if lesser := b.Result.Minimal + b.Result.Bare; lesser > 1 || b.Result.Stored+lesser != 100 {
					t.Errorf("%+v, want all in full but perhaps the probe", b.Result)
				}
				compare(t, "reports after the repair", []string{"refused in every form", "ok"}, r.reports)
			})
		})
	}
}

// TestBlockedRequestsDegradeNothing: where something refuses every request, no
// document is the cause, however long that lasts.
func TestBlockedRequestsDegradeNothing(t *testing.T) {
	for _, status := range []int{400, 403, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				everything := func([]string) *output.Error {
					return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: status, Foreign: true}
				}
				e, r := &engine{request: everything}, &recorder{}
				l, b, done := output.NewLoop(e, output.Options{}, r), batch("s", 50), make(chan error, 1)
				go func() { done <- l.Publish(t.Context(), b) }()
				time.Sleep(3 * time.Hour)
				e.mu.Lock()
				if n := len(e.sends); n > 3*180 {
					t.Errorf("%d requests in three hours", n)
				}
				e.mu.Unlock()
				e.change(nil, nil)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				compare(t, "result", inputs.Result{Stored: 50}, b.Result)
				compare(t, "reported as refused", 0, len(r.refusals))
				compare(t, "reports", []string{"request refused", "ok"}, r.reports)
			})
		})
	}
}

// TestOutageAfterASplitDegradesNothing: that others got through before an outage
// shows nothing of what is refused during it.
func TestOutageAfterASplitDegradesNothing(t *testing.T) {
	for i := range 10 {
		synctest.Test(t, func(t *testing.T) {
			e := &engine{}
			e.request = func(ids []string) *output.Error {
				if len(e.known) >= 20 || slices.Contains(ids, "s-0") {
					return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: 403, Foreign: true}
				}
				return nil
			}
			l, b, done := output.NewLoop(e, output.Options{}, &recorder{}), batch("s", 64), make(chan error, 1)
			go func() { done <- l.Publish(t.Context(), b) }()
			time.Sleep(5*time.Hour + time.Duration(i)*17*time.Minute) // it is another form's turn each time
			e.change(nil, nil)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if lesser := b.Result.Minimal + b.Result.Bare; lesser > 1 || b.Result.Stored+lesser != 64 {
				t.Errorf("%+v, want all in full but the first one", b.Result)
			}
		})
	}
}

// TestRestartsDegradeNothing: a peer that starts again and again breaks the connections
// of many documents, and of some of them often.
func TestRestartsDegradeNothing(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			e, restarts, chance := &engine{}, 20, rand.New(rand.NewPCG(seed, 0))
			e.request = func([]string) *output.Error {
				if restarts == 0 || chance.IntN(2) == 0 {
					return nil
				}
				restarts--
				return &output.Error{Op: "bulk", Reason: output.Unreachable, Foreign: true}
			}
			b := batch("s", 200)
			if err := output.NewLoop(e, output.Options{BulkMax: 10}, &recorder{}).Publish(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("result %d", seed), inputs.Result{Stored: 200}, b.Result)
		})
	}
}

// TestOneSuccessWakesAllThatWait: after an outage a unit is well with the first
// documents, not with the last wait.
func TestOneSuccessWakesAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, r := &engine{request: func([]string) *output.Error { return &output.Error{Op: "bulk", Reason: output.Unreachable} }}, &recorder{}
		l := output.NewLoop(e, output.Options{BackoffInit: time.Hour, BackoffMax: 24 * time.Hour}, r)
		done := make(chan error, 8)
		for i := range 8 {
			go func() { done <- l.Publish(t.Context(), batch(fmt.Sprint(i), 10)) }()
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait() // for the race detector too
		compare(t, "reports", []string{"unreachable"}, r.reports)
		e.change(nil, nil)
		if err := l.Publish(t.Context(), batch("new", 1)); err != nil {
			t.Fatal(err)
		}
		compare(t, "reports with the first documents", []string{"unreachable", "ok"}, r.reports)
		start := time.Now()
		for range 8 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		compare(t, "time until the others got through", time.Duration(0), time.Since(start))
	})
}

// TestTroubleEndsWithTheFirstDocuments of a batch, and not with its last ones.
func TestTroubleEndsWithTheFirstDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, r := &engine{request: func([]string) *output.Error { return &output.Error{Op: "bulk", Reason: output.Unreachable} }}, &recorder{}
		l, done := output.NewLoop(e, output.Options{}, r), make(chan error, 1)
		go func() { done <- l.Publish(t.Context(), batch("s", 2)) }()
		time.Sleep(time.Hour)
		e.change(nil, exactly(output.Retry, "s-1"))
		time.Sleep(time.Hour)
		synctest.Wait()
		compare(t, "reports while the last document is not taken", []string{"unreachable", "ok", "busy"}, r.reports)
		e.change(nil, nil)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// TestCauseOfASlowFailureShows at once: it has failed for long.
func TestCauseOfASlowFailureShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		l := output.NewLoop(&script{latency: 50 * time.Second, attempts: repeat(fail(output.Forbidden), 1)}, output.Options{}, r)
		if err := l.Publish(t.Context(), batch("s", 1)); err != nil {
			t.Fatal(err)
		}
		compare(t, "reports", []string{"silent", "privilege missing", "silent", "ok"}, r.reports)
	})
}

// TestOwnTroubleIsNotHiddenByOthers: what does not end when others get through
// shows until it ends.
func TestOwnTroubleIsNotHiddenByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{request: func(ids []string) *output.Error {
			if strings.HasPrefix(ids[0], "bad") {
				return &output.Error{Op: "bulk", Reason: output.Unreachable}
			}
			return nil
		}}
		r := &recorder{}
		l := output.NewLoop(e, output.Options{}, r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Publish(ctx, batch("bad", 1)) }()
		for range 200 {
			time.Sleep(time.Minute)
			if err := l.Publish(t.Context(), batch("good", 1)); err != nil {
				t.Fatal(err)
			}
		}
		compare(t, "reports", []string{"unreachable", "ok", "unreachable"}, r.reports)
		cancel()
		<-done
	})
}

// TestRefusedStreamShowsThoughOthersGetThrough: what in front refuses every request of
// one stream stops it, however often others get through, and however many documents
// might be the cause.
func TestRefusedStreamShowsThoughOthersGetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{request: func(ids []string) *output.Error {
			if strings.HasPrefix(ids[0], "bad") {
				return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: 403, Foreign: true}
			}
			return nil
		}}
		r := &recorder{}
		l := output.NewLoop(e, output.Options{}, r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Publish(ctx, batch("bad", 1600)) }()
		for i := range 360 {
			time.Sleep(10 * time.Second)
			if err := l.Publish(t.Context(), batch("good", 1)); err != nil {
				t.Fatal(err)
			}
			if i > 12 && r.reports[len(r.reports)-1] != "request refused" {
				t.Fatalf("%v after %d s, although nothing of the stream gets through", r.reports, 10*i)
			}
		}
		cancel()
		<-done
	})
}

// hanging answers nothing until it is released.
type hanging struct {
	timeout time.Duration
	release chan struct{}
}

func (h *hanging) Send(ctx context.Context, _ inputs.Target, _ []inputs.Document, verdicts []output.Verdict) error {
	select {
	case <-h.release:
		for i := range verdicts {
			verdicts[i].Outcome = output.Stored
		}
		return nil
	case <-time.After(h.timeout):
		return &output.Error{Op: "bulk", Reason: output.Silent, Err: output.ErrSilent}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestSilenceShowsWithinAMinute: regardless of the time-outs.
func TestSilenceShowsWithinAMinute(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 20 * time.Second, 30 * time.Second, 44 * time.Second, 90 * time.Second, time.Hour} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, r := &hanging{timeout, make(chan struct{})}, &recorder{}
				l, done := output.NewLoop(h, output.Options{}, r), make(chan error, 1)
				go func() { done <- l.Publish(t.Context(), batch("s", 1)) }()
				time.Sleep(time.Minute)
				synctest.Wait()
				compare(t, "reports after a minute", []string{"silent"}, r.reports)
				close(h.release)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				compare(t, "reports once it answers", []string{"silent", "ok"}, r.reports)
			})
		})
	}
}

// TestSlowIsNotSilent: what gets through in time is no trouble.
func TestSlowIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		l := output.NewLoop(&script{latency: 40 * time.Second}, output.Options{BulkMax: 1}, r)
		if err := l.Publish(t.Context(), batch("s", 10)); err != nil {
			t.Fatal(err)
		}
		compare(t, "reports", []string{"ok"}, r.reports)
	})
}

// TestPressureShrinksRequestsAndTheyGrowAgain: a peer that takes no request of more
// than 100 documents at a time, or has no time for it, gets smaller ones.
func TestPressureShrinksRequestsAndTheyGrowAgain(t *testing.T) {
	for _, reason := range []output.Reason{output.Busy, output.Silent} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			e := &engine{request: func(ids []string) *output.Error {
				if len(ids) > 100 {
					return &output.Error{Op: "bulk", Reason: reason}
				}
				return nil
			}}
			b := batch("s", 1600)
			if err := output.NewLoop(e, output.Options{}, &recorder{}).Publish(ctx, b); err != nil {
				t.Fatal(err)
			}
			compare(t, "result", inputs.Result{Stored: 1600}, b.Result)
			grown := 0
			for i, s := range e.sends[1:] {
				if len(strings.Fields(s)) > len(strings.Fields(e.sends[i])) {
					grown++
				}
			}
			if grown == 0 {
				t.Error("requests never grow again")
			}
		})
	}
}

// TestLesserFormsAreSentInBoundedRequests: each of them has the whole record.
func TestLesserFormsAreSentInBoundedRequests(t *testing.T) {
	e := &sizes{}
	b := inputs.NewBatch(inputs.Target{}, 1600, 8<<20)
	b.Fallback = large{}
	for i := range 500 {
		add(b, i)
	}
	if err := output.NewLoop(e, output.Options{}, &recorder{}).Publish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	compare(t, "result", inputs.Result{Minimal: 500}, b.Result)
	if e.most > inputs.BatchBytes+largeForm {
		t.Errorf("a request of %d bytes", e.most)
	}
}

const largeForm = 155 << 10

// large is a Fallback whose forms are large.
type large struct{}

func (large) Minimal(d inputs.Document, _ []byte, _ inputs.Refusal) inputs.Document {
	return inputs.Document{ID: d.ID + "-minimal", JSON: make([]byte, largeForm)}
}
func (large) Bare(d inputs.Document, _ []byte, _ inputs.Refusal) inputs.Document { return d }
func (large) Record(inputs.Document) string                                      { return "" }

func add(b *inputs.Batch, i int) {
	b.Add(&ecs.Document{ID: fmt.Sprint(i)}, []byte("the record of them all"))
}

// sizes takes minimal forms only, and measures requests.
type sizes struct{ most int }

func (s *sizes) Send(_ context.Context, _ inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	size := 0
	for i, d := range docs {
		size += len(d.JSON)
		verdicts[i] = verdict(output.Refused)
		if strings.HasSuffix(d.ID, "-minimal") {
			verdicts[i] = verdict(output.Stored)
		}
	}
	s.most = max(s.most, size)
	return nil
}

// TestWhatHealsWhileItIsWaitedForIsStoredInFull: whenever the other side heals,
// no lesser form is left beside a document that it takes. It finds out which
// documents these are only by trying them.
func TestWhatHealsWhileItIsWaitedForIsStoredInFull(t *testing.T) {
	everyDocument := func(o output.Outcome) func(*engine) {
		return func(e *engine) { e.document = func(string) output.Outcome { return o } }
	}
	everyRequest := func(status int) func(*engine) {
		return func(e *engine) {
			e.request = func([]string) *output.Error {
				return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: status, Foreign: true}
			}
		}
	}
	for name, spoil := range map[string]func(*engine){
		"documents refused": everyDocument(output.Refused), "documents doubtful": everyDocument(output.Doubtful),
		"requests forbidden": everyRequest(403), "requests failed": everyRequest(500),
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 50 {
				synctest.Test(t, func(t *testing.T) {
					e := &engine{}
					spoil(e)
					l, b, done := output.NewLoop(e, output.Options{}, &recorder{}), batch("s", 3), make(chan error, 1)
					go func() { done <- l.Publish(t.Context(), b) }()
					time.Sleep(time.Duration(i) * 37 * time.Second)
					e.change(nil, nil)
					if err := <-done; err != nil {
						t.Fatal(err)
					}
					compare(t, "result", inputs.Result{Stored: 3}, b.Result)
					for id := range e.known {
						if strings.HasSuffix(id, "-minimal") || strings.HasSuffix(id, "-bare") {
							t.Errorf("%s is stored beside its document; healed after %d s", id, i*37)
						}
					}
				})
			}
		})
	}
}
