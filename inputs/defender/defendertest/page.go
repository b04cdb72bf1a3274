package defendertest

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// serveList answers a list request: a page of records, streamed.
func (t *Tenant) serveList(e *exchange, res Resource) {
	kind := &resources[res]
	if e.request.Method != http.MethodGet {
		e.fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The requested resource does not support this method.")
		return
	}
	if !t.authorize(e, kind) || !t.admit(e) {
		return
	}
	q, err := e.query(kind)
	if err != nil {
		e.fail(http.StatusBadRequest, "ODataError", "The query specified in the URI is not valid. "+err.Error())
		return
	}
	limit := t.options.PageSize
	if q.top >= 0 {
		limit = q.top
	}
	if q.clamp > 0 {
		limit = min(limit, q.clamp)
	}
	t.mu.Lock()
	now := t.settle()
	f := t.collections[res].look(q, limit)
	hook := t.afterPage
	t.mu.Unlock()
	e.looked, e.found = true, f
	late := t.matching(e)
	e.rules = append(e.rules, late...)
	if e.spoil(late) {
		return
	}
	if kind.emptyIsMissing && !f.any {
		e.fail(http.StatusNotFound, "ResourceNotFound", "No machines found matching the request.")
		return
	}
	next := ""
	if f.more && q.top < 0 {
		next = e.nextLink(q.skip + limit)
	}
	if e.page(kind, q, f, next, now) {
		t.sent(res, f.rows)
	}
	if hook != nil {
		hook(e.entry)
	}
}

// query is what the request asks for, as the rules refuse and bend it.
func (e *exchange) query(kind *resource) (query, error) {
	q, err := parseQuery(e.request.URL.RawQuery, kind)
	for i := 0; i < len(e.rules) && err == nil; i++ {
		err = e.rules[i].check(q, kind)
	}
	for i := 0; i < len(e.rules) && err == nil; i++ {
		err = e.rules[i].bend(&q, kind)
	}
	return q, err
}

// page streams the envelope around the records, and reports whether it was sent
// whole.
func (e *exchange) page(kind *resource, q query, f found, next string, now ticks) bool {
	h := e.Header()
	h.Set("Content-Type", "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8")
	h.Set("OData-Version", "4.0")
	e.WriteHeader(http.StatusOK)
	b := body{exchange: e, buffer: make([]byte, 0, 2*flushAt)}
	huge := 0
	for _, r := range e.rules {
		b.obey(r)
		huge = max(huge, r.HugeRecord)
		switch r.NextLink {
		case "":
		case NextLinkLoop:
			next = e.origin() + e.request.URL.RequestURI()
		case NextLinkEndless:
			next = e.nextLink(q.skip + len(f.rows))
		default:
			next = r.NextLink
		}
	}
	b.text(`{"@odata.context":` + quote(e.origin()+"/api/$metadata#"+kind.set) + `,"value":[`)
	if huge > 0 {
		b.huge(kind, huge, now)
	}
	for _, row := range f.rows {
		if !b.next() {
			break
		}
		b.record(row, kind, q.expand)
	}
	b.text("]")
	if next != "" {
		b.text(`,"@odata.nextLink":` + quote(next))
	}
	b.text("}")
	b.flush()
	return !b.done
}

// origin is the address by which the client knows this server.
func (e *exchange) origin() string {
	if e.request.TLS != nil {
		return "https://" + e.request.Host
	}
	return "http://" + e.request.Host
}

// nextLink is the request's address with another $skip and the rest as it was.
func (e *exchange) nextLink(skip int) string {
	var query []string
	for pair := range strings.SplitSeq(e.request.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); pair != "" && (err != nil || name != "$skip") {
			query = append(query, pair)
		}
	}
	query = append(query, "$skip="+strconv.Itoa(skip))
	return e.origin() + e.request.URL.EscapedPath() + "?" + strings.Join(query, "&")
}

// flushAt is how many bytes are collected before they are written.
const flushAt = 64 << 10

// body writes an answer in pieces and cuts it off where a rule says so.
type body struct {
	*exchange
	buffer   []byte
	sent     int
	slow     time.Duration
	drip     int // bytes a second; 0 = as fast as they are read
	cutAfter int // 0 = never
	clean    bool
	done     bool // cut off, or the client went away
	writing  Writing
	damages  []Rule
}

// obey takes in how a rule spoils bodies.
func (b *body) obey(r Rule) {
	if r.CutAfter > 0 && b.cutAfter == 0 {
		b.cutAfter, b.clean = r.CutAfter, r.CutClean
	}
	b.slow += r.SlowPerRecord
	b.drip = max(b.drip, r.BytesPerSecond)
	b.writing |= r.Writing
	if r.Damage != 0 {
		b.damages = append(b.damages, r)
	}
}

// record writes one record, otherwise or damaged where a rule says so.
func (b *body) record(row source, kind *resource, expand bool) {
	start := len(b.buffer)
	b.buffer = row.append(kind, &b.tenant.world, b.buffer, expand)
	if b.writing != 0 {
		b.buffer = append(b.buffer[:start], rewrite(bytes.Clone(b.buffer[start:]), b.writing)...)
	}
	for _, r := range b.damages {
		switch {
		case r.Serves != "" && !row.is(kind, &b.tenant.world, r.Serves):
		case r.Damage == CutInside:
			b.cutAfter, b.clean = b.sent+(start+len(b.buffer))/2, r.CutClean
		default:
			b.buffer = append(b.buffer[:start], damage(bytes.Clone(b.buffer[start:]), r.Damage)...)
		}
	}
}

func (b *body) text(s string) { b.buffer = append(b.buffer, s...) }

// next makes ready for one more record; false means that nobody reads any more.
func (b *body) next() bool {
	if len(b.buffer) >= flushAt || b.slow > 0 {
		b.flush()
		if b.slow > 0 && !b.done {
			_ = http.NewResponseController(b.ResponseWriter).Flush()
			b.done = !b.wait(b.slow)
		}
	}
	if b.entry.Records > 0 {
		b.text(",")
	}
	b.entry.Records++
	return !b.done
}

// flush writes what was collected. At the cut it either aborts the connection
// or lets the answer end as if it were whole.
func (b *body) flush() {
	out := b.buffer
	b.buffer = b.buffer[:0]
	if b.done {
		return
	}
	cut := b.cutAfter > 0 && b.sent+len(out) >= b.cutAfter
	if cut {
		out = out[:b.cutAfter-b.sent]
	}
	err := b.write(out)
	b.done = cut || err != nil
	if cut && !b.clean {
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
}

// write sends bytes, a second's worth at a time where they drip.
func (b *body) write(out []byte) error {
	for len(out) > 0 {
		piece := out
		if b.drip > 0 {
			piece = out[:min(b.drip, len(out))]
		}
		n, err := b.Write(piece)
		b.sent += n
		if err != nil {
			return err
		}
		if out = out[n:]; b.drip == 0 {
			continue
		}
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		if !b.wait(time.Second) {
			return b.request.Context().Err()
		}
	}
	return nil
}

// huge writes a record of some n bytes without holding it.
func (b *body) huge(kind *resource, n int, now ticks) {
	if !b.next() {
		return
	}
	b.buffer = appendTime(append(b.buffer, `{"id":"huge"`...), kind.version, kind.now(now))
	b.text(`,"description":"`)
	filler := strings.Repeat("All work and no play makes a long record. ", flushAt/42)
	for n > 0 && !b.done {
		piece := filler[:min(n, len(filler))]
		b.text(piece)
		n -= len(piece)
		b.flush()
	}
	b.text(`"}`)
}
