package defendertest

import "time"

// Request is one request that a tenant has answered.
type Request struct {
	Time        time.Time // of its arrival
	Method      string
	Path, Query string // the query as it was sent
	Status      int
	Authorized  bool // it carried an Authorization header, valid or not
	Records     int  // records in the answer
}

// Requests are the last requests, Options.RequestLog at most, in the order in
// which their answers ended.
func (t *Tenant) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	log := make([]Request, 0, len(t.log))
	log = append(log, t.log[t.oldest:]...)
	return append(log, t.log[:t.oldest]...)
}

// remember notes a request; list is below 0 where it was none for a list.
func (t *Tenant) remember(r Request, list Resource, options Option) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if list >= 0 {
		t.counts[list].count(r, options)
	}
	if len(t.log) < t.options.RequestLog {
		t.log = append(t.log, r)
		return
	}
	t.log[t.oldest] = r
	t.oldest = (t.oldest + 1) % len(t.log)
}
