package odata

import "time"

const (
	// refusalTTL is how long a refusal is remembered: it may have been an odd one.
	refusalTTL = time.Hour
	// minTop is the smallest page asked for when larger ones keep breaking.
	minTop = 10
	// maxWindow is the longest time that one query spans, and minWindow the
	// shortest where the server does not skip far enough for longer ones.
	maxWindow = 7 * 24 * time.Hour
	minWindow = time.Second
)

// option is a part of a query that a server may refuse, or ignore.
type option uint8

const (
	orderBy    option = 1 << iota // $orderby
	timeFilter                    // $filter by the update time
	idFilter                      // $filter by ids above one
)

// capabilities are what a server is known to take. They outlive a sweep, and
// the pagers of a stream share them.
type capabilities struct {
	now      func() time.Time
	pageSize int // as configured

	refused option
	since   time.Time     // of the last refusal
	top     int           // records asked for in a page
	window  time.Duration // time that a query spans
	largest int           // page that the server gave
}

func newCapabilities(o Options) *capabilities {
	c := &capabilities{now: o.Now, pageSize: o.PageSize}
	c.reset()
	return c
}

func (c *capabilities) reset() {
	c.refused, c.since, c.top, c.window, c.largest = 0, time.Time{}, c.pageSize, maxWindow, 0
}

func (c *capabilities) takes(o option) bool { return c.refused&o == 0 }

// refuse remembers that the server refuses an option, or ignores it.
func (c *capabilities) refuse(o option) {
	c.refused |= o
	c.since = c.now()
}

// shrink asks for smaller pages after one that broke.
func (c *capabilities) shrink() { c.top = min(c.top, max(minTop, c.top/2)) }

// enlarge asks for the largest page there is, and reports whether that is more
// than before: more records share one time than may be skipped.
func (c *capabilities) enlarge() bool {
	if c.top >= MaxPage {
		return false
	}
	c.top = MaxPage
	return true
}

// relax goes back towards the usual page after a complete sweep, and forgets
// refusals after some time.
func (c *capabilities) relax() {
	c.top = min(c.top*2, c.pageSize)
	if !c.since.IsZero() && c.now().Sub(c.since) > refusalTTL {
		c.reset()
	}
}

// widen lets a query span more time again after a window was read.
func (c *capabilities) widen() { c.window = min(c.window*2, maxWindow) }
