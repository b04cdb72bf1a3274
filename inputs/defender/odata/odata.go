package odata

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// MaxPage is the largest $top that the service takes (API.md 3.1).
const MaxPage = 10_000

const (
	// maxPages ends a poll that a server would keep going for ever; the next
	// poll continues from there.
	maxPages = 10_000
	// maxPasses is how often the same bounds are read by $skip while records
	// that are new keep turning up in them.
	maxPasses = 5
	// maxSame is how often a page may follow itself though more was skipped:
	// what arrives between two pages can move it behind itself.
	maxSame = 10
)

// What a server may refuse of a query, or ignore.
var (
	errUnordered  = errors.New("the server does not sort as asked")
	errUnfiltered = errors.New("the server does not filter as asked")
	errTooDeep    = errors.New("the server does not skip as many records as asked")
)

// Options say what to page through.
type Options struct {
	List string // its path, for errors
	// Updated is the property by which a Timeline is read.
	Updated string
	// Created takes its place, with a re-read window of fallbackWindow, where the
	// server does not filter by Updated. Empty: there is no such place.
	Created string
	Expand  string // $expand, or ""
	// PageSize is the largest number of records asked for, $top; at most MaxPage.
	PageSize int
	// InitialInterval is how far the first sweep looks back, and Overlap how far
	// each later one does before the cursor.
	InitialInterval, Overlap time.Duration
	Now                      func() time.Time // the clock
	Log                      *slog.Logger
	// Show, if set, is told how the server is asked, whenever that may have changed.
	Show func(Ways)
}

// place is what is saved of both strategies.
type place struct {
	Version int `json:"version"`
	// Cursor is, of a Timeline, the largest update time of all records
	// acknowledged, never in the future; of a Snapshot, when the last complete
	// one ended. Before the first one it lies InitialInterval before the start.
	Cursor time.Time `json:"cursor"`
	// Read is when a Timeline's newest stretch was asked for, where that is before
	// the cursor.
	Read time.Time `json:"read,omitzero"`
	// Initial tells that nothing was read yet.
	Initial bool `json:"initial,omitzero"`
	// Ahead is the server's time at the last poll, where the cursor was in the
	// future by it.
	Ahead time.Time `json:"ahead,omitzero"`
	Gaps  []gap     `json:"gaps,omitempty"`
}

const placeVersion = 1

// readPlace decodes a place, and upgrades one of a former version as soon as
// there is one.
func readPlace(saved jsontext.Value) (p place, err error) {
	if err := json.Unmarshal(saved, &p); err != nil {
		return p, fmt.Errorf("place: %w", err)
	}
	if p.Version != placeVersion || p.Cursor.IsZero() {
		return p, fmt.Errorf("place: version %d with cursor %s", p.Version, p.Cursor.Format(time.RFC3339))
	}
	return p, nil
}

func (p place) write() jsontext.Value {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // a year above 9999: no cursor lies in the future
	}
	return b
}

// sweep is what the pagers of one sweep share: how far they skipped, and the
// guard against a server that does not move.
type sweep struct {
	Options
	can *capabilities

	skip   int
	fresh  int // records within the bounds, in this pass over them by $skip
	passes int // over the same bounds, before this one

	former collect.PageStats
	asked  int // records, of the last page
	same   int // pages in a row that were the one before
	pages  int
	alive  bool // a page came since one failed
}

// query asks for a page. Whole numbers carry no exponent.
func (s *sweep) query(filter, order string) url.Values {
	return s.part(filter, order, s.skip, s.can.top, false)
}

// part is query for so many records behind so many; bare leaves out $expand.
func (s *sweep) part(filter, order string, skip, top int, bare bool) url.Values {
	q := url.Values{"$top": {strconv.Itoa(top)}}
	if filter != "" {
		q.Set("$filter", filter)
	}
	if order != "" {
		q.Set("$orderby", order+" asc")
	}
	if s.Expand != "" && s.can.takes(expand) && !bare {
		q.Set("$expand", s.Expand)
	}
	if skip > 0 {
		q.Set("$skip", strconv.Itoa(skip))
	}
	return q
}

// check takes note of a page, and looks whether it is one that a server gives
// again and again. Of one that broke off, what came is a smaller page.
func (s *sweep) check(page collect.PageStats) error {
	if s.pages > 0 {
		s.can.followed(s.former.Records, s.asked, page.Fresh)
	}
	s.asked = s.can.top
	if page.Err != nil {
		s.can.shrink()
	} else {
		s.can.came(page.Records)
		s.alive = true
	}
	if page.Records == 0 || s.skip == 0 || page.Digest != s.former.Digest {
		s.same = 0
	} else {
		s.same++
	}
	s.former = page
	s.pages++
	switch {
	case s.same == maxSame:
		return s.malformed("the server gives the same page again and again")
	case s.pages == maxPages:
		return s.malformed("the answers do not end")
	}
	return nil
}

// again begins the same bounds again after a pass over them by $skip in which
// something new was met. An update takes a record out of the bounds; all behind
// it move up by one, and $skip passes over one that nobody has seen.
func (s *sweep) again(fresh int, passed bool) bool {
	s.fresh += fresh
	if !passed || s.skip == 0 || s.fresh == 0 || s.passes == maxPasses {
		return false
	}
	s.skip, s.fresh = 0, 0
	s.passes++
	return true
}

// restart begins to skip in other bounds.
func (s *sweep) restart() { s.skip, s.fresh, s.passes = 0, 0, 0 }

// smaller reports whether a page that was refused is to be asked for again, as
// small as possible: its size may be what the server refuses.
func (s *sweep) smaller(page collect.PageStats) bool {
	if !refused(page) {
		return false
	}
	if s.can.probe() {
		return true
	}
	s.can.acquit()
	return false
}

// broke reports whether a page that did not come is to be asked for again at
// once, and smaller: the server gave one before, in this sweep.
func (s *sweep) broke(page collect.PageStats) bool {
	if page.Err == nil || page.Records > 0 || !s.alive || !brings(page.Err) || s.can.top <= minTop {
		return false
	}
	s.alive = false
	s.can.shrink()
	return true
}

// failed is the error of a page of which nothing came, and for which there is no
// other way to ask. A smaller one may get through.
func (s *sweep) failed(page collect.PageStats) error {
	if brings(page.Err) {
		s.can.shrink()
	}
	return page.Err
}

// brings reports whether it may be the size of a page that brings such an error.
func brings(err error) bool {
	broke, ok := errors.AsType[*api.Error](err)
	return ok && !broke.IsToken() && (broke.Kind == api.Transient || broke.Kind == api.Malformed)
}

func (s *sweep) malformed(message string) error {
	return &api.Error{Op: "list " + s.List, Kind: api.Malformed, Message: message}
}

// tooDeep reports whether the server refuses to skip that far: it took the
// query without $skip.
func (s *sweep) tooDeep(page collect.PageStats) bool { return refused(page) && s.skip > 0 }

// refused reports whether the server refuses the query: by the status, because
// code and words of a refusal vary (API.md 4).
func refused(page collect.PageStats) bool {
	refused, ok := errors.AsType[*api.Error](page.Err)
	return ok && !page.Opened && refused.Status == http.StatusBadRequest && !refused.IsToken()
}

// exhausted is the error of a server that refuses whatever it is asked. The next
// sweep begins with the best way: it was not the options.
func (c *capabilities) exhausted(why error) error {
	c.reset()
	if refused, ok := errors.AsType[*api.Error](why); ok {
		named := *refused
		named.Hint = hintQuery
		return &named
	}
	return why
}

// hintQuery is what an operator can do about a query that is refused in all of
// its forms.
const hintQuery = "the API refuses the query, not the credentials: check url and proxy_url, and report the message"

// noRecords reports whether the API says with a 404 of its own that a list is
// empty (API.md 3.4).
func noRecords(page collect.PageStats) bool {
	refused, ok := errors.AsType[*api.Error](page.Err)
	return ok && !page.Opened && refused.Status == http.StatusNotFound && refused.Code != ""
}

func because(why, err error) error {
	if err == nil {
		return why
	}
	return fmt.Errorf("%w: %w", why, err)
}

// literal writes a time with at most 7 fractional digits (API.md 3.2).
func literal(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
