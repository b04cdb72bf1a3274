package odata

import "time"

const (
	// refusalTTL is how long a refusal is remembered: it may have been an odd one.
	refusalTTL = time.Hour
	// maxWindow is the longest time that one query spans, and minWindow the
	// shortest where the server does not skip far enough for longer ones.
	maxWindow = 7 * 24 * time.Hour
	minWindow = time.Second
)

// option is a part of a query that a server may refuse, or ignore.
type option uint8

const (
	orderBy    option = 1 << iota // $orderby
	expand                        // $expand
	timeFilter                    // $filter by the update time
	idFilter                      // $filter by ids from one on
	anyFilter                     // $filter by any property
)

var optionNames = map[option]string{
	orderBy: "$orderby", expand: "$expand", timeFilter: "$filter by update time", idFilter: "$filter by id", anyFilter: "$filter",
}

// capabilities are what a server is known to take. They outlive a sweep, and
// the pagers of a stream share them.
type capabilities struct {
	pageSize
	show func(Ways)

	// variants are the forms of the query, each by the options that it leaves out,
	// the best one first; inUse is the index of the present one.
	variants     []option
	inUse        int
	ignored      option    // what the server showed to ignore
	since        time.Time // of the last refusal
	countRefused bool      // the question by which byCount proves an order is refused
	window       time.Duration
	failedAt     map[string]bool // where pages failed
	expanded     bool            // records came with $expand since a sweep was complete
}

func newCapabilities(o Options, variants ...option) *capabilities {
	c := &capabilities{pageSize: pageSize{now: o.Now, most: o.PageSize, top: o.PageSize}, show: o.Show, variants: variants, failedAt: map[string]bool{}}
	if o.Expand == "" {
		c.variants = nil
		for _, left := range variants {
			if left&expand == 0 {
				c.variants = append(c.variants, left)
			}
		}
	}
	c.reset()
	return c
}

// reset forgets what was refused. Which pages a server cut is no refusal.
func (c *capabilities) reset() {
	c.inUse, c.ignored, c.since, c.countRefused, c.window = 0, 0, time.Time{}, false, maxWindow
}

// begin starts a sweep.
func (c *capabilities) begin() {
	c.sweeps++
	c.showWays()
}

func (c *capabilities) takes(o option) bool { return c.variants[c.inUse]&o == 0 }

// refuse remembers that the server refuses a query with these options. It
// reports whether there is another way that leaves out one of them.
func (c *capabilities) refuse(asked option) bool {
	return c.leave(func(left option) bool { return left&^c.variants[c.inUse]&asked != 0 })
}

// ignore remembers that the server ignores an option.
func (c *capabilities) ignore(o option) bool {
	c.ignored |= o
	return c.leave(func(option) bool { return true })
}

// leave takes the next way that fits, and that leaves out what is ignored.
func (c *capabilities) leave(fits func(option) bool) bool {
	for i := c.inUse + 1; i < len(c.variants); i++ {
		if left := c.variants[i]; left&c.ignored == c.ignored && fits(left) {
			c.inUse, c.since = i, c.now()
			return true
		}
	}
	return false
}

// relax goes back towards the usual page after a complete sweep, and forgets
// refusals after some time.
func (c *capabilities) relax() {
	c.grow()
	c.top = min(c.top, max(c.most, minTop))
	if !c.since.IsZero() && c.now().Sub(c.since) > refusalTTL {
		c.reset()
	}
	c.showWays()
}

// widen lets a query span more time again after a window was read.
func (c *capabilities) widen() { c.window = min(c.window*2, maxWindow) }

// Ways say how a server is asked, and since when not in the best way.
type Ways struct {
	PageSize int
	LeftOut  []string // options, in words
	Since    time.Time
}

func (c *capabilities) showWays() {
	if c.show == nil {
		return
	}
	c.show(Ways{PageSize: c.top, LeftOut: c.variants[c.inUse].names(), Since: c.since})
}

func (o option) names() []string {
	var names []string
	for bit := orderBy; bit <= anyFilter; bit <<= 1 {
		if o&bit != 0 {
			names = append(names, optionNames[bit])
		}
	}
	return names
}
