package defendertest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
// NotJSON, Silent) ends the list, so that rules behind it do not see the
// request. Rules are joined by giving several, for one list or for all.
//
// To refuse an option is to answer requests that have it:
//
//	Rule{Path: "/api/alerts", With: OrderBy, Status: 400, Body: APIError("", "no")}
//
// What real behaviour, or which guess, a fault represents is said beside it;
// "guess" means that no source shows the service doing so.
type Rule struct {
	// Which requests; all of it must hold.
	Path  string // prefix of the path without /v1.0, for tokens also TokenPath; empty = every path
	Query string // part of the decoded query, without the question mark; empty = any
	After int    // let so many matching requests pass
	Times int    // then break so many; 0 = all until Heal

	// Which queries. None of it holds for anything but a list.
	With, Without Option // it has all of these, and none of those
	FilterBy      string // $filter compares this property
	TopAbove      int    // $top is larger
	SkipAbove     int    // $skip is larger

	// Which answers. The page is looked up first, as the other rules bend it, so
	// these only matter to what a page can do: Status and its like, Damage, time.
	//
	// Holds is for a service that gives up on large results: gateways end
	// requests after a time, and a public report has one failing page for ever
	// (elastic/integrations#18277).
	Holds  int    // the page would have more records than this
	Serves string // the record of this id is on the page

	// Time.
	Latency        time.Duration // before anything else
	SlowPerRecord  time.Duration // before each record, which is sent at once
	BytesPerSecond int           // the body drips: a congested proxy (guess)
	Silent         bool          // accept and never answer: a hung backend behind a live gateway (guess)

	// The answer in the tenant's place.
	Status    int    // with Body, or with what the real service says with this status
	Body      string // of that answer; see TokenError, APIError and Wordings
	EmptyBody bool   // no body; Status is 200 unless set
	NotJSON   bool   // a proxy's HTML page; Status is 200 unless set

	// Header is added to what is answered, such as Retry-After. A nil value
	// takes a header away: {"Date": nil}.
	Header http.Header
	// RetryAfter is a Retry-After header of so long, in seconds, or with
	// RetryDate as the date by the tenant's clock (RFC 9110 allows both; the
	// service documents seconds, a gateway in front of it may send a date).
	RetryAfter time.Duration
	RetryDate  bool

	// What becomes of the query: an option that is not refused may be ignored.
	// The service ignores parameters that it does not know (guess for the rest).
	// Filter | Skip ignored is the same page again, regardless of what is asked.
	Ignore       Option // as if these had not been asked for
	ClampTop     int    // a page never has more records than this
	ClampSkip    int    // a larger $skip is taken for this
	WholeSeconds bool   // $filter compares whole seconds, as a column without fractions does (guess)
	Sort         string // by this in place of $orderby: "lastUpdateTime desc", or Shuffled (guess)
	SortPage     bool   // $orderby is applied after $top, to the page alone (guess)
	Endless      bool   // behind the last record it begins again (reports of endless links, microsoft-365-docs#8316)
	EmptyPage    bool   // 200 without a record

	// Shorthands for refusing: 400 with the code ODataError.
	RejectOrderBy        bool   // $orderby
	RejectFilterProperty string // a $filter or $orderby that names it
	RejectDeepSkip       int    // a larger $skip

	// How a page of records goes wrong.
	CutAfter   int     // the body ends after so many bytes: the connection breaks
	CutClean   bool    // with CutAfter or CutInside: it ends as if it were complete
	NextLink   string  // of every page, with $top too: an address, NextLinkLoop or NextLinkEndless
	HugeRecord int     // an extra first record, id "huge", of about so many bytes
	Writing    Writing // the same content, written otherwise
	Damage     Damage  // of the record that Serves names, or of every record
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

func (r *Rule) answers() bool { return r.Status != 0 || r.EmptyBody || r.NotJSON || r.Silent }

// asks reports whether a rule is about lists alone.
func (r *Rule) asks() bool {
	return r.With|r.Without != 0 || r.FilterBy != "" || r.TopAbove > 0 || r.SkipAbove > 0
}

// late reports whether a rule waits for the page to be known.
func (r *Rule) late() bool { return r.Holds > 0 || r.Serves != "" }

func (r *Rule) matches(e *exchange, path, query string) bool {
	switch {
	case !strings.HasPrefix(path, r.Path) && (r.Path != TokenPath || !strings.HasSuffix(path, TokenPath)),
		!strings.Contains(query, r.Query):
		return false
	case r.late() && !e.looked:
		return false
	case r.late() && (e.found.count(e.kind, &e.tenant.world, r.Serves) == 0 || len(e.found.rows) <= r.Holds):
		return false
	}
	return !r.asks() || e.kind != nil && e.asked.meets(r)
}

// matching are the rules in effect for a request: those that need no page, or
// once it was looked up, those that do.
func (t *Tenant) matching(e *exchange) []Rule {
	path, query := e.path(), e.request.URL.RawQuery
	if decoded, err := url.QueryUnescape(query); err == nil {
		query = decoded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var active []Rule
	for _, r := range t.rules {
		if r.late() != e.looked || !r.matches(e, path, query) {
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
func (e *exchange) spoil(rules []Rule) bool {
	for _, r := range rules {
		if !e.wait(r.Latency) {
			return true
		}
		for name, values := range r.Header {
			e.Header()[http.CanonicalHeaderKey(name)] = values
		}
		if r.RetryAfter > 0 {
			e.Header().Set("Retry-After", r.retryAfter(e.tenant.Now()))
		}
	}
	for _, r := range rules {
		if r.answers() {
			e.answer(r)
			return true
		}
	}
	return false
}

// retryAfter is the header's value. A date is rounded up: it has whole seconds.
func (r *Rule) retryAfter(now time.Time) string {
	if r.RetryDate {
		return now.Add(r.RetryAfter + time.Second - 1).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int((r.RetryAfter + time.Second - 1) / time.Second))
}

func (e *exchange) answer(r Rule) {
	status := or(r.Status, http.StatusOK)
	switch {
	case r.Silent:
		<-e.request.Context().Done()
	case r.EmptyBody:
		e.text(status, "application/json; charset=utf-8", "")
	case r.NotJSON:
		e.text(status, "text/html", "<!DOCTYPE html>\n<html><head><title>Sign in to the proxy</title></head><body>Please sign in.</body></html>\n")
	case r.Body != "":
		e.text(status, mediaType(r.Body), r.Body)
	case strings.HasSuffix(e.path(), TokenPath):
		e.failToken(status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		e.text(status, "text/html", fmt.Sprintf("<html><head><title>%d %s</title></head><body></body></html>\n", status, http.StatusText(status)))
	default:
		code, message := builtin(status)
		e.fail(status, code, message)
	}
}

// mediaType is what a server would call such a body.
func mediaType(body string) string {
	switch body[0] {
	case '{', '[':
		return "application/json; charset=utf-8"
	case '<':
		return "text/html"
	}
	return "text/plain; charset=utf-8"
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
