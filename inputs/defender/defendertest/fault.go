package defendertest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Where a rule's NextLink points when it is not an address.
const (
	NextLinkLoop    = "loop"    // to the request itself
	NextLinkEndless = "endless" // onwards with $skip, past the last record too
)

// Rule breaks requests. A request is held against the rules in the order in
// which they were given to Fail. Every rule that matches counts it and takes
// effect; the first that answers in the tenant's place (Status, EmptyBody,
// NotJSON) ends the list, so that rules behind it do not see the request.
type Rule struct {
	// Which requests; all of it must hold.
	Path  string // prefix of the path without /v1.0, for tokens also TokenPath; empty = every path
	Query string // part of the decoded query, without the question mark; empty = any
	After int    // let so many matching requests pass
	Times int    // then break so many; 0 = all until Heal

	// Time.
	Latency       time.Duration // before anything else
	SlowPerRecord time.Duration // before each record, which is sent at once

	// The answer in the tenant's place.
	Status    int    // with Body, or with what the real service says with this status
	Body      string // of that answer; see TokenError and APIError
	EmptyBody bool   // no body; Status is 200 unless set
	NotJSON   bool   // a proxy's HTML page; Status is 200 unless set

	Header http.Header // added to whatever is answered, such as Retry-After

	// What the query may not do.
	ClampTop             int    // a page never has more records than this
	RejectOrderBy        bool   // ODataError for $orderby
	RejectFilterProperty string // ODataError for a $filter or $orderby that names it
	RejectDeepSkip       int    // ODataError for a larger $skip

	// How a page of records goes wrong.
	CutAfter   int    // the body ends after so many bytes: the connection breaks
	CutClean   bool   // with CutAfter: it ends as if it were complete
	NextLink   string // of every page, with $top too: an address, NextLinkLoop or NextLinkEndless
	HugeRecord int    // an extra first record, id "huge", of about so many bytes
}

type rule struct {
	Rule
	seen int
}

// Fail adds rules.
func (t *Tenant) Fail(rules ...Rule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range rules {
		t.rules = append(t.rules, &rule{Rule: r})
	}
}

// Heal removes all rules.
func (t *Tenant) Heal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = nil
}

func (r *Rule) answers() bool { return r.Status != 0 || r.EmptyBody || r.NotJSON }

func (r *Rule) matches(path, query string) bool {
	if !strings.HasPrefix(path, r.Path) && (r.Path != TokenPath || !strings.HasSuffix(path, TokenPath)) {
		return false
	}
	return strings.Contains(query, r.Query)
}

// matching are the rules in effect for a request.
func (t *Tenant) matching(e *exchange) []Rule {
	path, query := e.path(), e.request.URL.RawQuery
	if decoded, err := url.QueryUnescape(query); err == nil {
		query = decoded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var active []Rule
	for _, r := range t.rules {
		if !r.matches(path, query) {
			continue
		}
		r.seen++
		if r.seen <= r.After || r.Times > 0 && r.seen > r.After+r.Times {
			continue
		}
		active = append(active, r.Rule)
		if r.answers() {
			break
		}
	}
	return active
}

// spoil waits, adds headers and answers as the rules say; true means that the
// request is done with.
func (e *exchange) spoil() bool {
	for _, r := range e.rules {
		if !e.wait(r.Latency) {
			return true
		}
		for name, values := range r.Header {
			e.Header()[http.CanonicalHeaderKey(name)] = values
		}
	}
	for _, r := range e.rules {
		if r.answers() {
			e.answer(r)
			return true
		}
	}
	return false
}

func (e *exchange) answer(r Rule) {
	status := or(r.Status, http.StatusOK)
	switch {
	case r.EmptyBody:
		e.text(status, "application/json; charset=utf-8", "")
	case r.NotJSON:
		e.text(status, "text/html", "<!DOCTYPE html>\n<html><head><title>Sign in to the proxy</title></head><body>Please sign in.</body></html>\n")
	case r.Body != "":
		e.text(status, "application/json; charset=utf-8", r.Body)
	case strings.HasSuffix(e.path(), TokenPath):
		e.failToken(status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		e.text(status, "text/html", fmt.Sprintf("<html><head><title>%d %s</title></head><body></body></html>\n", status, http.StatusText(status)))
	default:
		code, message := builtin(status)
		e.fail(status, code, message)
	}
}

// builtin is what the API says with a status.
func builtin(status int) (code, message string) {
	switch status {
	case http.StatusBadRequest:
		return "BadRequest", "The request is not valid."
	case http.StatusUnauthorized:
		return "Unauthorized", "Unauthorized"
	case http.StatusForbidden:
		return "Forbidden", "The application does not have any of the required application permissions."
	case http.StatusNotFound:
		return "ResourceNotFound", "Resource not found"
	case http.StatusTooManyRequests:
		return "TooManyRequests", "Too many requests."
	}
	return "InternalServerError", "Internal Server Error"
}

// check is the ODataError that the rules demand for a query.
func (r *Rule) check(q query, kind *resource) error {
	ordered := func(name string) bool {
		for _, t := range q.order {
			if t.property == name {
				return true
			}
		}
		return false
	}
	switch name := r.RejectFilterProperty; {
	case name != "" && (q.filter.mentions(name) || ordered(name)):
		return unknownProperty(name, kind)
	case r.RejectOrderBy && len(q.order) > 0:
		return refuse("The query parameter '$orderby' is not supported.")
	case r.RejectDeepSkip > 0 && q.skip > r.RejectDeepSkip:
		return refuse("The limit of '%d' for Skip query has been exceeded. The value from the incoming request is '%d'.", r.RejectDeepSkip, q.skip)
	}
	return nil
}
