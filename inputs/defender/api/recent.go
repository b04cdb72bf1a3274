package api

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// callsKept is how many of the newest calls a client remembers.
const callsKept = 100

// PastCall is a call with the time at which it was over.
type PastCall struct {
	Call
	At time.Time
}

// recent remembers the newest calls.
type recent struct {
	mu    sync.Mutex
	calls [callsKept]PastCall
	total int
}

func (r *recent) note(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[r.total%callsKept] = PastCall{c, time.Now()}
	r.total++
}

// Calls are the newest calls, oldest first, for diagnostics: they hold no query,
// header or body.
func (c *Client) Calls() []PastCall {
	r := c.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.total, callsKept)
	out := make([]PastCall, 0, n)
	for i := r.total - n; i < r.total; i++ {
		out = append(out, r.calls[i%callsKept])
	}
	return out
}

// remembering calls the given observer, and notes each call.
func remembering(r *recent, observe func(Call)) func(Call) {
	return func(c Call) {
		r.note(c)
		if observe != nil {
			observe(c)
		}
	}
}

// Limits is what the answer's headers said about quota; normally empty.
func (p *Page) Limits() string { return p.limits }

// limits are the headers of an answer about quota, for people: the
// API documents none, gateways before it send some.
func limits(h http.Header) string {
	var found []string
	for name, values := range h {
		lower := strings.ToLower(name)
		if strings.Contains(lower, "ratelimit") || strings.Contains(lower, "rate-limit") || strings.Contains(lower, "quota") {
			found = append(found, clean(name+"="+strings.Join(values, ","), codeLimit))
		}
	}
	return strings.Join(found, " ")
}
