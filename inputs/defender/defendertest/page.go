package defendertest

import (
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
	q, err := parseQuery(e.request.URL.RawQuery, kind)
	for i := 0; i < len(e.rules) && err == nil; i++ {
		err = e.rules[i].check(q, kind)
	}
	if err != nil {
		e.fail(http.StatusBadRequest, "ODataError", "The query specified in the URI is not valid. "+err.Error())
		return
	}
	limit := t.options.PageSize
	if q.top >= 0 {
		limit = q.top
	}
	for _, r := range e.rules {
		if r.ClampTop > 0 {
			limit = min(limit, r.ClampTop)
		}
	}
	t.mu.Lock()
	now := t.settle()
	f := t.collections[res].find(q, limit)
	hook := t.afterPage
	t.mu.Unlock()
	if kind.emptyIsMissing && !f.any {
		e.fail(http.StatusNotFound, "ResourceNotFound", "No machines found matching the request.")
		return
	}
	next := ""
	if f.more && q.top < 0 {
		next = e.nextLink(q.skip + limit)
	}
	e.page(kind, q, f, next, now)
	if hook != nil {
		hook(e.entry)
	}
}

// page streams the envelope around the records.
func (e *exchange) page(kind *resource, q query, f found, next string, now ticks) {
	h := e.Header()
	h.Set("Content-Type", "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8")
	h.Set("OData-Version", "4.0")
	e.WriteHeader(http.StatusOK)
	b := body{exchange: e, buffer: make([]byte, 0, 2*flushAt)}
	huge := 0
	for _, r := range e.rules {
		if r.CutAfter > 0 && b.cutAfter == 0 {
			b.cutAfter, b.clean = r.CutAfter, r.CutClean
		}
		b.slow += r.SlowPerRecord
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
		b.buffer = row.append(kind, &e.tenant.world, b.buffer, q.expand)
	}
	b.text("]")
	if next != "" {
		b.text(`,"@odata.nextLink":` + quote(next))
	}
	b.text("}")
	b.flush()
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
	cutAfter int // 0 = never
	clean    bool
	done     bool // cut off, or the client went away
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
	n, err := b.Write(out)
	b.sent += n
	b.done = cut || err != nil
	if cut && !b.clean {
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
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
