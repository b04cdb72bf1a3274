package output_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// engine is a Sender with rules of its own.
type engine struct {
	mu    sync.Mutex
	sends []string // ids of each request, joined
	known map[string]bool
	// request refuses a whole one, document single ones; both may be nil. They are
	// called with mu held.
	request  func(ids []string) *output.Error
	document func(id string) output.Outcome
}

func (e *engine) Send(_ context.Context, _ inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := make([]string, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	e.sends = append(e.sends, strings.Join(ids, " "))
	if e.request != nil {
		if err := e.request(ids); err != nil {
			return err
		}
	}
	for i, id := range ids {
		o := output.Stored
		if e.document != nil {
			o = e.document(id)
		}
		if o == output.Stored && e.known[id] {
			o = output.Existing
		}
		if verdicts[i] = verdict(o); o == output.Stored {
			if e.known == nil {
				e.known = map[string]bool{}
			}
			e.known[id] = true
		}
	}
	return nil
}

func (e *engine) change(request func([]string) *output.Error, document func(string) output.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.request, e.document = request, document
}

// exactly refuses documents of these ids.
func exactly(o output.Outcome, ids ...string) func(string) output.Outcome {
	return func(id string) output.Outcome {
		if slices.Contains(ids, id) {
			return o
		}
		return output.Stored
	}
}

// firewall refuses requests with one of these documents.
func firewall(status int, disliked ...string) func([]string) *output.Error {
	return func(ids []string) *output.Error {
		if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(disliked, id) }) {
			return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: status, Foreign: true}
		}
		return nil
	}
}

var refusalTests = []struct {
	name     string
	n        int
	request  func([]string) *output.Error
	document func(string) output.Outcome
	sends    []string
	result   inputs.Result
	reports  []string
	within   time.Duration
}{
	{
		name: "one refused while others pass", n: 3, document: exactly(output.Refused, "s-1"),
		sends:  []string{"s-0 s-1 s-2", "s-1-minimal"},
		result: inputs.Result{Stored: 2, Minimal: 1}, reports: []string{"ok"},
	},
	{
		name: "its minimal form too", n: 3, document: exactly(output.Refused, "s-1", "s-1-minimal"),
		sends:  []string{"s-0 s-1 s-2", "s-1-minimal", "s-1-bare"},
		result: inputs.Result{Stored: 2, Bare: 1}, reports: []string{"ok"},
	},
	{
		name: "all refused: one minimal form shows that the others can go", n: 3, document: exactly(output.Refused, "s-0", "s-1", "s-2"),
		sends:  []string{"s-0 s-1 s-2", "s-0-minimal", "s-1-minimal s-2-minimal"},
		result: inputs.Result{Minimal: 3}, reports: []string{"ok"},
	},
	{
		name: "doubtful and others pass", n: 2, document: exactly(output.Doubtful, "s-0"),
		sends:  []string{"s-0 s-1", "s-0-minimal"},
		result: inputs.Result{Stored: 1, Minimal: 1}, reports: []string{"ok"},
	},
	{
		name: "all doubtful: all are tried in full once more", n: 3, document: exactly(output.Doubtful, "s-0", "s-1", "s-2"),
		sends:  []string{"s-0 s-1 s-2", "s-0-minimal", "s-1 s-2 s-0", "s-1-minimal", "s-2-minimal"},
		result: inputs.Result{Minimal: 3}, reports: []string{"ok"},
	},
	{
		name: "a firewall dislikes one document", n: 4, request: firewall(403, "s-2", "s-2-minimal"),
		sends: []string{
			"s-0 s-1 s-2 s-3", "s-0 s-1", "s-2 s-3", "s-2", "s-3", "s-2", "s-2", "s-2-minimal", "s-2-bare",
		},
		result: inputs.Result{Stored: 3, Bare: 1}, reports: []string{"ok"}, within: time.Minute,
	},
	{
		name: "a firewall dislikes the only document", n: 1, request: firewall(403, "s-0", "s-0-minimal"),
		sends:  []string{"s-0", "s-0", "s-0", "s-0-minimal", "s-0-bare", "s-0"},
		result: inputs.Result{Bare: 1}, reports: []string{"request refused", "ok"}, within: 5 * time.Minute,
	},
	{
		name: "a server's error waits before it is split", n: 2, request: firewall(500, "s-1"),
		sends: []string{
			"s-0 s-1", "s-0 s-1", "s-0 s-1", "s-0 s-1", "s-0", "s-1", "s-1", "s-1", "s-1-minimal",
		},
		result: inputs.Result{Stored: 1, Minimal: 1}, reports: []string{"request refused", "ok"}, within: 5 * time.Minute,
	},
}

func TestRefusals(t *testing.T) {
	for _, tt := range refusalTests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, r := &engine{request: tt.request, document: tt.document}, &recorder{}
				b, start := batch("s", tt.n), time.Now()
				if err := output.NewLoop(e, output.Options{}, r).Publish(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				compare(t, "sends", tt.sends, e.sends)
				compare(t, "result", tt.result, b.Result)
				compare(t, "reports", tt.reports, r.reports)
				compare(t, "reported as refused", tt.result.Minimal+tt.result.Bare, len(r.refusals))
				if took := time.Since(start); took > tt.within {
					t.Errorf("took %s, want at most %s", took, tt.within)
				}
			})
		})
	}
}

// TestIndexHealsBetweenTheForms of a document: what was refused for the index's
// sake while nothing else got through is stored in full, although its lesser form
// was taken. The form stays beside it, and no refusal is reported.
func TestIndexHealsBetweenTheForms(t *testing.T) {
	for healed, lesser := range map[string]inputs.Result{"s-0-minimal": {Stored: 2}, "s-0-bare": {Stored: 2}} {
		t.Run(healed, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := false
				e, r := &engine{}, &recorder{}
				e.document = func(id string) output.Outcome {
					if taken = taken || id == healed; taken {
						return output.Stored
					}
					return output.Doubtful
				}
				b := batch("s", 2)
				if err := output.NewLoop(e, output.Options{}, r).Publish(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				compare(t, "result", lesser, b.Result)
				compare(t, "reported as refused", 0, len(r.refusals))
				for _, id := range []string{"s-0", "s-1"} {
					if !e.known[id] {
						t.Errorf("%s is not stored in full: %q", id, e.sends)
					}
				}
			})
		})
	}
}

// TestFirewallThatDislikesMany of a batch's documents: what they are is found out one
// document after the other, and not by asking for each in turn with the longest wait
// between two.
func TestFirewallThatDislikesMany(t *testing.T) {
	disliked := make([]string, 40)
	for i := range disliked {
		disliked[i] = fmt.Sprintf("s-%d", 5*i)
	}
	synctest.Test(t, func(t *testing.T) {
		e, r := &engine{request: firewall(403, disliked...)}, &recorder{}
		b, start := batch("s", 200), time.Now()
		if err := output.NewLoop(e, output.Options{}, r).Publish(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		compare(t, "result", inputs.Result{Stored: 160, Minimal: 40}, b.Result)
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("took %s, want three waits of some seconds for each of 40 documents", took)
		}
	})
}

// TestAllFormsBeginAgain: where an index breaks, a document whose next form was
// chosen in the same request in which another one was refused in all of its forms
// begins in full again, too.
func TestAllFormsBeginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, r := &engine{}, &recorder{}
		e.document = func(id string) output.Outcome {
			switch n := len(e.sends); {
			case n == 2 && id == "s-1-minimal":
				return output.Retry // so that it is behind s-0, which continues
			case n == 3, id == "s-0", id == "s-1", id == "s-2", id == "s-0-minimal":
				return output.Refused
			}
			return output.Stored
		}
		b := batch("s", 4)
		if err := output.NewLoop(e, output.Options{}, r).Publish(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		compare(t, "result", inputs.Result{Stored: 1, Minimal: 2, Bare: 1}, b.Result)
	})
}

// TestDoubtBehindASuccess: that others got through before a wait shows nothing of an
// index that accepts nothing behind it.
func TestDoubtBehindASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		e.document = func(id string) output.Outcome {
			switch {
			case len(e.sends) == 1 && id != "s-0":
				return output.Retry
			case len(e.sends) == 2:
				return output.Doubtful
			default:
				return output.Stored
			}
		}
		b := batch("s", 4)
		if err := output.NewLoop(e, output.Options{}, &recorder{}).Publish(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		compare(t, "result", inputs.Result{Stored: 4}, b.Result)
	})
}

// TestLesserFormMeetsARestart: connections that break are no reason to store less of a
// document than its index accepts.
func TestLesserFormMeetsARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{document: exactly(output.Refused, "s-0")}
		e.request = func([]string) *output.Error {
			if n := len(e.sends); n >= 2 && n <= 5 {
				return &output.Error{Op: "bulk", Reason: output.Unreachable, Foreign: true}
			}
			return nil
		}
		b := batch("s", 2)
		if err := output.NewLoop(e, output.Options{}, &recorder{}).Publish(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		compare(t, "result", inputs.Result{Stored: 1, Minimal: 1}, b.Result)
	})
}

// TestRefusalsWhileNothingPassed do not count with the one that came when others got
// through again.
func TestRefusalsWhileNothingPassed(t *testing.T) {
	for status, before := range map[int]int{0: 10, 403: 2} {
		synctest.Test(t, func(t *testing.T) {
			tried := make(chan int, 100)
			e, n := &engine{}, 0
			e.request = func(ids []string) *output.Error {
				if ids[0] == "good-0" {
					return nil
				}
				n++
				tried <- n
				if n > before+1 {
					return nil
				}
				return &output.Error{Op: "bulk", Reason: output.RequestRefused, Status: status, Foreign: true}
			}
			l, b, done := output.NewLoop(e, output.Options{}, &recorder{}), batch("s", 1), make(chan error, 1)
			go func() { done <- l.Publish(t.Context(), b) }()
			for <-tried < before {
			}
			if err := l.Publish(t.Context(), batch("good", 1)); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("result after %d", status), inputs.Result{Stored: 1}, b.Result)
		})
	}
}
