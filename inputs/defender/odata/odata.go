package odata

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
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
	// Created takes its place where the server does not filter by Updated. Empty:
	// there is no such property.
	Created string
	// ChangesFor is how long after its creation a record may still change: every
	// sweep by Created reads so far back.
	ChangesFor time.Duration
	Expand     string // $expand, or ""
	// PageSize is the largest number of records asked for: $top, at most MaxPage, or
	// the pageSize of an Assessment, at most MaxAssessmentPage.
	PageSize int
	// InitialInterval is how far the first sweep looks back, and Overlap how far
	// each later one does before the cursor.
	InitialInterval, Overlap time.Duration
	// Of an Assessment: paths of the list of changes, of the call that names files
	// and of the one that counts devices, each "" where there is none. Files are read
	// in place of the list above so many devices; 0 means always.
	Changes, Files, Devices string
	FilesAbove              int
	Epoch                   Epoch
	// Interval is how often an Assessment reads everything, and FullInterval how
	// often one with changes does.
	Interval, FullInterval time.Duration
	Now                    func() time.Time // the clock
	Log                    *slog.Logger
	// Show, if set, is called with how the server is asked, whenever that may have changed.
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
	// Initial says that nothing was read yet.
	Initial bool `json:"initial,omitzero"`
	// Ahead is the server's time at the last poll, where the cursor was in the
	// future by it.
	Ahead time.Time `json:"ahead,omitzero"`
	Gaps  []gap     `json:"gaps,omitempty"`
	// WithoutExpandFrom is from where on a Timeline's records came without what
	// $expand brings; zero where none did.
	WithoutExpandFrom time.Time `json:"without_expand_from,omitzero"`
}

const (
	// placeVersion is that of a place with all members.
	placeVersion = 2
	// expandedVersion is that of a place in which nothing is Unexpanded: what came
	// before version 2 reads it, as an agent that rolls back needs.
	expandedVersion = 1
)

// readPlace decodes a place. One of version 1 has all that it needs.
func readPlace(saved jsontext.Value) (p place, err error) {
	if err := json.Unmarshal(saved, &p); err != nil {
		return p, fmt.Errorf("place: %w", err)
	}
	if p.Version < 1 || p.Version > placeVersion || p.Cursor.IsZero() {
		return p, fmt.Errorf("place: version %d with cursor %s", p.Version, p.Cursor.Format(time.RFC3339))
	}
	return p, nil
}

func (p place) write() jsontext.Value {
	p.Version = expandedVersion
	if !p.WithoutExpandFrom.IsZero() || slices.ContainsFunc(p.Gaps, func(g gap) bool { return g.Unexpanded }) {
		p.Version = placeVersion
	}
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
	caps *capabilities

	skip   int
	fresh  int // records within the bounds, in this pass over them by $skip
	passes int // over the same bounds, before this one

	former collect.PageStats
	asked  int // records, of the last page
	same   int // pages in a row that were the one before
	pages  int
	alive  bool // a page came since one failed

	refusals int // in a row

	failedSpot spot // where a page failed last
	cameSpot   spot // where all came in smaller pages, after one failed
}

// spot is a place in a list.
type spot struct {
	at   string // in words; empty where there is none
	skip int
}

// query asks for a page. Whole numbers carry no exponent.
func (s *sweep) query(filter, order string) url.Values {
	return s.part(filter, order, s.skip, s.caps.top, false)
}

// part is query for so many records behind so many, with or without $expand.
func (s *sweep) part(filter, order string, skip, top int, withoutExpand bool) url.Values {
	q := url.Values{"$top": {strconv.Itoa(top)}}
	if filter != "" {
		q.Set("$filter", filter)
	}
	if order != "" {
		q.Set("$orderby", order+" asc")
	}
	if s.Expand != "" && s.caps.takes(expand) && !withoutExpand {
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
		s.caps.noteFollowed(s.former.Records, s.asked, page.Fresh)
	}
	s.asked = s.caps.top
	if page.Err != nil {
		s.caps.shrink()
	} else {
		s.caps.noteWhole(page.Records)
		s.alive = true
	}
	if page.Records == 0 || s.skip == 0 || page.Digest != s.former.Digest {
		s.same = 0
	} else {
		s.same++
	}
	s.caps.expanded = s.caps.expanded || page.Records > 0 && s.caps.takes(expand)
	s.former = page
	s.pages++
	switch {
	case s.same == maxSame:
		return s.malformed("the server gives the same page again and again")
	case s.pages == maxPages:
		return s.endless()
	}
	return nil
}

func (s *sweep) endless() error { return s.malformed("the answers do not end") }

// skipOver skips a page that was read: as many records as differ, and no more than
// were asked for. A server may give one twice, or some that are not of the list.
func (s *sweep) skipOver(page collect.PageStats) {
	s.skip += min(page.Records-page.Repeated, s.asked)
}

// passAgain begins the same bounds again after a pass over them by $skip in which
// something new was met, and reports whether it did. An update takes a record out of
// the bounds; all behind it move up by one, and $skip passes over one that nobody has
// seen.
func (s *sweep) passAgain(fresh int, passed bool) bool {
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

// askAgain reports whether a page that was refused is to be asked for once more: a
// refusal of one moment would be remembered for an hour.
func (s *sweep) askAgain(page collect.PageStats) bool {
	s.refusals++
	if !refused(page) {
		s.refusals = 0
	}
	return s.refusals == 1
}

// probeSize asks for the smallest page after one was refused: its size may be
// what the server refuses. It reports whether that is to be asked; where the
// smallest page was refused too, the size is as before.
func (s *sweep) probeSize(page collect.PageStats) bool {
	if !refused(page) {
		return false
	}
	if s.caps.probe() {
		return true
	}
	s.caps.endProbe()
	return false
}

// retrySmaller asks for smaller pages after one that did not come, and reports
// whether it is to be asked for again at once: it is, where the server gave a page
// since the last one that did not come.
func (s *sweep) retrySmaller(page collect.PageStats) bool {
	if page.Err == nil || page.Records > 0 || !s.alive || !maybeTooLarge(page.Err) || s.caps.top <= minTop {
		return false
	}
	s.alive = false
	s.caps.shrink()
	return true
}

// giveUp is the error of a page of which nothing came, and for which there is no
// other way to ask. The next poll asks for a smaller one, which may get through.
func (s *sweep) giveUp(page collect.PageStats) error {
	if maybeTooLarge(page.Err) {
		s.caps.shrink()
	}
	return page.Err
}

// maybeTooLarge reports whether the size of a page may be the cause of its error.
func maybeTooLarge(err error) bool {
	broke, ok := errors.AsType[*api.Error](err)
	return ok && !broke.IsToken() && (broke.Kind == api.Transient || broke.Kind == api.Malformed)
}

// nothingCame is the error of a page that failed before its first record.
func nothingCame(page collect.PageStats) bool { return page.Err != nil && page.Records == 0 }

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

// exhausted is the error of a server that refuses all that it is asked. The next
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
