package defender

import (
	"net/url"
	"strconv"
	"time"
)

// walk is the way through one sweep: which page to ask for next.
//
// Keyset: the lower bound moves to the largest time of the page before, and
// $skip is used only while a full page carries that one time. Otherwise the
// bound stays, where there is one, and $skip alone moves.
type walk struct {
	resource *resource
	property string // that is filtered by; "" = no filter
	order    string // of $orderby; "" = none
	keyset   bool
	lower    time.Time // inclusive
	skip     int
	top      int // records asked for
}

// query asks for the next page. Times carry at most 7 fractional digits, whole
// numbers no exponent (defender-api.md 3.2).
func (w *walk) query() url.Values {
	q := url.Values{"$top": {strconv.Itoa(w.top)}}
	if w.property != "" {
		q.Set("$filter", w.property+" ge "+w.lower.UTC().Format("2006-01-02T15:04:05.9999999Z"))
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

// advance moves on after a page of n records whose largest time is last.
func (w *walk) advance(n int, last time.Time) {
	if w.keyset && last.After(w.lower) {
		w.lower, w.skip = last, 0
		return
	}
	w.skip += n
}
