package defendertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	assessmentsPath = "/api/machines/"
	// maxAssessmentPage is the largest pageSize, and usualAssessmentPage that of an
	// answer without one.
	maxAssessmentPage, usualAssessmentPage = 200_000, 50_000
	// maxSinceTime is how far back changes reach.
	maxSinceTime = 14 * 24 * time.Hour
)

// definitionPaths are those of the lists that name what baselines are made of.
var definitionPaths = []string{"/api/baselineProfiles", "/api/baselineConfigurations"}

// place is where a page of an assessment begins: what a $skiptoken holds.
type place struct {
	ExportDefinition struct{ TimePath string }
	Generation       int // of the table: all pages of a run are of one
	LineStoppedAt    int
}

// assessmentQuery is what a request for a page of an assessment asks for.
type assessmentQuery struct {
	place
	size  int
	top   bool // $top was given, which hides the link
	since time.Time
	next  func(place) url.Values
}

// serveAssessment answers what lies below the list of machines.
func (t *Tenant) serveAssessment(e *exchange, name string) {
	if name == "$count" {
		t.serveCount(e)
		return
	}
	for kind := range assessmentKinds {
		k := &assessmentKinds[kind]
		if !k.has(name) {
			continue
		}
		switch table := t.tables[kind]; {
		case !t.authorize(e, &resource{roles: k.roles}) || !t.admit(e):
		case strings.EqualFold(name, k.files):
			t.serveIndex(e, table)
		default:
			t.serveRows(e, table, strings.EqualFold(name, k.changes))
		}
		return
	}
	e.fail(http.StatusNotFound, "NotFound", "No HTTP resource was found that matches the request URI.")
}

// has reports whether a name is one of the assessment's.
func (k *assessmentKind) has(name string) bool {
	return slices.ContainsFunc([]string{k.list, k.changes, k.files}, func(known string) bool {
		return known != "" && strings.EqualFold(known, name)
	})
}

// serveCount answers with the number of machines, as a bare number.
func (t *Tenant) serveCount(e *exchange) {
	if t.authorize(e, &resources[Machines]) && t.admit(e) {
		e.text(http.StatusOK, "text/plain", "\ufeff"+strconv.Itoa(t.options.Machines))
	}
}

// serveRows answers with a page of the list or of its changes.
func (t *Tenant) serveRows(e *exchange, table *table, changes bool) {
	t.mu.Lock()
	generation := len(table.changes)
	t.mu.Unlock()
	q, err := t.readAssessment(e.request.URL.Query(), generation, changes)
	if err != nil {
		e.fail(http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	t.mu.Lock()
	count, at := table.rows, func(n int) row { return table.at(uint32(n), q.Generation) }
	if changes {
		from, _ := slices.BinarySearchFunc(table.changes, toTicks(q.since.Truncate(slot)), func(c rowChange, at ticks) int { return int(c.at - at) })
		count, at = max(q.Generation-from, 0), func(n int) row { return table.change(from + n) }
	}
	t.mu.Unlock()
	b := e.beginAssessment()
	w := rowWriter{}
	for q.size > 0 && q.LineStoppedAt < count && !b.done {
		t.mu.Lock()
		r := at(q.LineStoppedAt)
		t.mu.Unlock()
		q.LineStoppedAt++
		if r.gone {
			continue
		}
		q.size--
		w.b = w.b[:0]
		w.row(r)
		if b.next() {
			b.buffer = append(b.buffer, w.b...)
		}
	}
	b.text("]")
	if link := b.assessmentLink(q, count); link != "" {
		b.text(`,"@odata.nextLink":` + quote(link))
	}
	b.text("}")
	b.flush()
	if hook := t.hook(); hook != nil {
		hook(e.entry)
	}
}

func (t *Tenant) hook() func(Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.afterPage
}

// beginAssessment begins a page, as the rules spoil it.
func (e *exchange) beginAssessment() *body {
	h := e.Header()
	h.Set("Content-Type", "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8")
	e.WriteHeader(http.StatusOK)
	b := &body{exchange: e, buffer: make([]byte, 0, 2*flushAt)}
	for _, r := range e.rules {
		b.obey(r)
	}
	b.text(`{"@odata.context":` + quote(e.origin()+"/api/$metadata#Collection(Edm.Untyped)") + `,"value":[`)
	return b
}

// assessmentLink is the link behind a page; rules may set another one.
func (b *body) assessmentLink(q assessmentQuery, count int) string {
	link := ""
	if q.LineStoppedAt < count && !q.top {
		link = b.origin() + b.request.URL.EscapedPath() + "?" + q.next(q.place).Encode()
	}
	for _, r := range b.rules {
		switch r.NextLink {
		case "":
		case NextLinkLoop, NextLinkEndless:
			link = b.origin() + b.request.URL.RequestURI()
		default:
			link = r.NextLink
		}
	}
	return link
}

// readAssessment reads a page's query. Its errors are refusals.
func (t *Tenant) readAssessment(values url.Values, generation int, changes bool) (q assessmentQuery, err error) {
	q.size, q.Generation = usualAssessmentPage, generation
	q.ExportDefinition.TimePath = t.made().Format("2006-01-02/1504/")
	for name, v := range values {
		switch name {
		case "pageSize", "pagesize", "$top":
			q.top = q.top || name == "$top"
			if q.size, err = strconv.Atoi(v[0]); err != nil || q.size < 1 || q.size > maxAssessmentPage {
				return q, refuse("The value of '%s' is not valid.", name)
			}
		case "$skiptoken":
			text, _ := base64.StdEncoding.DecodeString(v[0])
			if json.Unmarshal(text, &q.place) != nil || q.Generation > generation {
				return q, refuse("The skip token is not valid.")
			}
		case "sinceTime":
			if q.since, err = time.Parse(time.RFC3339Nano, v[0]); err != nil || !changes {
				return q, refuse("The value of 'sinceTime' is not valid.")
			}
		default:
			return q, refuse("The query parameter '%s' is not supported.", name)
		}
	}
	if changes && t.Now().Sub(q.since) > maxSinceTime {
		return q, refuse("The parameter 'sinceTime' is missing, or more than 14 days ago.")
	}
	size := q.size
	q.next = func(p place) url.Values {
		token, _ := json.Marshal(p) // it can be
		next := url.Values{"pagesize": {strconv.Itoa(size)}, "$skiptoken": {base64.StdEncoding.EncodeToString(token)}}
		if changes {
			next.Set("sinceTime", q.since.Format(time.RFC3339Nano))
		}
		return next
	}
	return q, nil
}

// serveDefinitions answers with what names profiles and rules of baselines.
func (t *Tenant) serveDefinitions(e *exchange, path string) {
	if !t.authorize(e, &resource{roles: assessmentKinds[Baselines].roles}) || !t.admit(e) {
		return
	}
	skip, _ := strconv.Atoi(e.request.URL.Query().Get("$skip"))
	b := e.beginAssessment()
	if path == definitionPaths[0] {
		if b.next() {
			b.text(`{"id":"` + baselineProfile + `","name":"CIS for workstations","benchmark":"CIS","version":"1.12.0","status":true,"createdOnTimeOffset":"0001-01-01T00:00:00Z"}`)
		}
	} else {
		for n := skip; n < t.options.Baselines && b.next(); n++ {
			b.text(fmt.Sprintf(`{"id":"%s","uniqueName":"%[1]s","benchmarkName":"CIS","benchmarkVersion":"1.12.0","name":"(L1) Ensure that setting %[1]s is as recommended","category":"Account Policies"}`, baselineRule(n)))
		}
	}
	b.text("]}")
	b.flush()
}
