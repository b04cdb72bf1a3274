package defender

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxWindow is the longest time that one query spans, and minWindow the
	// shortest where the server does not skip far enough for longer ones.
	maxWindow = 7 * 24 * time.Hour
	minWindow = time.Second
	// maxClockSkew is how far ahead of the server's our clock may be.
	maxClockSkew = 24 * time.Hour
	// fallbackWindow is how long after its creation a record that cannot be read
	// by update time may still change: a machine action times out after 3 days
	// and 14 minutes (defender-api.md 3.5).
	fallbackWindow = 4 * 24 * time.Hour
)

// server is what is known of the server: each refusal leaves one way less to
// ask.
type server struct {
	unsorted bool          // it refuses $orderby or ignores it
	byBirth  bool          // it does not filter by update time
	byID     bool          // it skips too few records for a sweep: pages go by id
	top      int           // records asked for in a page
	window   time.Duration // time that a query spans
}

// learn takes in why a query was refused, and reports whether there is another
// way to ask.
func (s *server) learn(err error, r *resource) bool {
	switch {
	case errors.Is(err, errUnordered) && !s.unsorted:
		s.unsorted, s.byID = true, false
	case errors.Is(err, errUnfiltered) && !s.byBirth && r.created != "":
		s.byBirth = true
	case !errors.Is(err, errTooDeep):
		return false
	case r.updated == "":
		if s.byID || s.unsorted {
			return false
		}
		s.byID = true
	case !s.unsorted && !s.byBirth: // more records share one time than may be skipped
		if s.top >= maxBatchSize {
			return false
		}
		s.top = maxBatchSize
	default:
		if s.window <= minWindow {
			return false
		}
		s.window = max(s.window/2, minWindow)
	}
	return true
}

// relax goes back towards larger pages and windows after a success.
func (s *server) relax(batchSize int) {
	s.top = min(s.top*2, batchSize)
	s.window = min(s.window*2, maxWindow)
}

// walk is the way through one sweep: which page to ask for next.
//
// Keyset: the lower bound moves to the largest time of the page before, and
// $skip is used only while a full page carries that one time. By id: a page
// begins behind the last id of the one before. Otherwise the bounds stay, where
// there are any, and $skip alone moves.
type walk struct {
	resource *resource
	property string // that is filtered by; "" = no filter
	order    string // of $orderby; "" = none
	keyset   bool
	byID     bool
	lower    time.Time // inclusive
	upper    time.Time // exclusive; zero = the present and whatever comes
	after    string    // id behind which a page begins
	skip     int
	top      int       // records asked for
	newest   time.Time // largest update time of the sweep
}

// walk plans a sweep with what the server is known to take.
func (c *collector) walk() *walk {
	w := &walk{resource: c.resource, property: c.resource.updated}
	if w.property == "" {
		if w.byID = c.server.byID; !c.server.unsorted {
			w.order = "id"
		}
		return w
	}
	switch {
	case c.server.byBirth:
		w.property = c.resource.created
	case !c.server.unsorted:
		w.keyset, w.order = true, c.resource.updated
	}
	w.open(c.lookback(), c.server.window)
	return w
}

// open begins a window. The last one has no end: what is updated while it is
// being read is met there.
func (w *walk) open(lower time.Time, length time.Duration) {
	w.lower, w.upper, w.skip = lower, lower.Add(length), 0
	if !w.upper.Before(time.Now()) {
		w.upper = time.Time{}
	}
}

// query asks for the next page. Whole numbers carry no exponent.
func (w *walk) query() url.Values {
	q := url.Values{"$top": {strconv.Itoa(w.top)}}
	if filter := w.filter(); filter != "" {
		q.Set("$filter", filter)
	}
	if w.order != "" {
		q.Set("$orderby", w.order+" asc")
	}
	if w.resource.expand != "" {
		q.Set("$expand", w.resource.expand)
	}
	if w.skip > 0 {
		q.Set("$skip", strconv.Itoa(w.skip))
	}
	return q
}

func (w *walk) filter() string {
	switch {
	case w.after != "":
		return "id gt '" + strings.ReplaceAll(w.after, "'", "''") + "'"
	case w.property == "":
		return ""
	case w.upper.IsZero():
		return w.property + " ge " + odata(w.lower)
	default:
		return w.property + " ge " + odata(w.lower) + " and " + w.property + " lt " + odata(w.upper)
	}
}

// odata writes a time with at most 7 fractional digits (defender-api.md 3.2).
func odata(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// advance moves on behind a page, into the next window where it was the last.
func (w *walk) advance(p page, ended bool, window time.Duration) {
	switch {
	case ended:
		w.open(w.upper, window)
	case w.byID:
		w.after = max(w.after, p.last)
	case w.keyset && p.newest.After(w.lower):
		w.lower, w.skip = p.newest, 0
	default:
		w.skip += p.records
	}
}

// stands reports whether a page shows that the server does not move: it is the
// one before it though more was skipped, or does not lie behind the id asked.
func (w *walk) stands(p, former page) bool {
	return w.skip > 0 && p.digest == former.digest || w.byID && p.last <= w.after
}
