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
	// maxAhead is how far ahead of ours the server's clock may be for its times to
	// tell that a poll has caught up.
	maxAhead = time.Minute
	// fallbackWindow is how long after its creation a record that cannot be read
	// by update time may still change: a machine action times out after 3 days
	// and 14 minutes (defender-api.md 3.5).
	fallbackWindow = 4 * 24 * time.Hour
	// trust is how long a refusal is remembered: it may have been an odd one.
	trust = time.Hour
)

// server is what is known of the server: each refusal leaves one way less to
// ask.
type server struct {
	unsorted bool          // it refuses $orderby or ignores it
	byBirth  bool          // it does not filter by update time
	bySkip   bool          // it does not go on behind an id
	top      int           // records asked for in a page
	window   time.Duration // time that a query spans
	largest  int           // page it gave
	since    time.Time     // of the first refusal
}

func newServer(batchSize int) server { return server{top: batchSize, window: maxWindow} }

// learn takes in why a query was refused, and reports whether there is another
// way to ask.
func (s *server) learn(err error, r *resource) bool {
	switch {
	case errors.Is(err, errUnordered) && !s.unsorted:
		s.unsorted, s.bySkip = true, true
	case errors.Is(err, errUnfiltered) && r.updated == "" && !s.bySkip:
		s.bySkip = true
	case errors.Is(err, errUnfiltered) && r.created != "" && !s.byBirth:
		s.byBirth = true
	case errors.Is(err, errTooDeep) && s.top < maxBatchSize: // more records share one time than may be skipped
		s.top = maxBatchSize
		return true
	default:
		return false
	}
	s.since = time.Now()
	return true
}

// relax goes back towards the usual page after a success, and forgets refusals
// after some time.
func (s *server) relax(batchSize int) {
	s.top = min(s.top*2, batchSize)
	if !s.since.IsZero() && time.Since(s.since) > trust {
		*s = newServer(batchSize)
	}
}

// walk is the way through one sweep: which page to ask for next.
//
// Keyset: the lower bound moves to the largest time of the page before, and
// $skip is used only while a full page carries that one time. By id: a page
// begins behind the last id of the one before. Otherwise the bounds stay, where
// there are any, and $skip alone moves.
//
// $skip passes over a record when one before it leaves the bounds meanwhile, by
// an update. So bounds that took more than one page by $skip are passed again,
// until no record within them is new.
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
	begun    time.Time // by our clock

	inside int // fresh records within the bounds in this pass
	passes int // over the same bounds, before this one
	same   int // pages in a row that were the one before
}

// walk plans a sweep with what the server is known to take.
func (c *collector) walk() *walk {
	w := &walk{resource: c.resource, property: c.resource.updated, begun: time.Now()}
	if w.property == "" {
		if w.byID = !c.server.bySkip; !c.server.unsorted {
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
	w.bound(lower)
	w.upper = lower.Add(length)
	if !w.upper.Before(time.Now()) {
		w.upper = time.Time{}
	}
}

// bound moves the lower bound, from where nothing was read yet.
func (w *walk) bound(lower time.Time) {
	w.lower, w.skip, w.inside, w.passes = lower, 0, 0, 0
}

// narrow halves a window that holds more records than may be skipped, and
// begins it again.
func (w *walk) narrow(s *server) bool {
	if w.keyset || w.property == "" || s.window <= minWindow {
		return false
	}
	s.window = max(min(s.window, time.Since(w.lower))/2, minWindow)
	w.open(w.lower, s.window)
	return true
}

// repeat begins the same bounds again after a pass over them by $skip in which
// something new was met. A keyset has passed them with the first later record.
func (w *walk) repeat(p page, ended bool) bool {
	w.inside += p.inside
	passed := ended || w.keyset && p.newest.After(w.lower)
	if !passed || w.skip == 0 || w.inside == 0 || w.passes == maxPasses {
		return false
	}
	w.skip, w.inside = 0, 0
	w.passes++
	return true
}

// caughtUp reports whether a page goes beyond the sweep's begin: what else is
// new is for the next poll. A full page may stand in front of a backlog all the
// same, and times far ahead tell that the server's clock is not ours.
func (w *walk) caughtUp(p page) bool {
	return w.keyset && w.upper.IsZero() && p.records < w.top &&
		p.newest.After(w.begun) && p.newest.Before(time.Now().Add(maxAhead))
}

// stands reports whether the server does not move although more is skipped.
func (w *walk) stands(p, former page) bool {
	if p.records == 0 || w.skip == 0 || p.digest != former.digest {
		w.same = 0
	} else {
		w.same++
	}
	return w.same == maxSame
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
func (w *walk) advance(p page, ended bool, s *server) {
	switch {
	case ended:
		s.window = min(s.window*2, maxWindow)
		w.open(w.upper, s.window)
	case w.byID:
		w.after = max(w.after, p.last)
	case w.keyset && p.newest.After(w.lower):
		w.bound(p.newest)
	default:
		w.skip += p.records
	}
}
