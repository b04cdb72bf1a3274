package odata

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// maxUnserved is how many records in a row may not be served, and a few less are
// left behind. Where none up to there comes it is the server that fails.
const maxUnserved = 16

var errUnserved = errors.New("the API cannot serve this record")

// phase is what closeIn asks for.
type phase uint8

const (
	seeking       phase = iota // records before the one that cannot be served
	peek                       // whether that one comes without $expand
	withExpand                 // it twice more with $expand, after it came without
	withoutExpand              // it without $expand, to be published so
	neighbour                  // the ones after it, up to one that comes
	confirm                    // those before that one twice more
	account                    // nothing: a document represents it
)

// closeIn finds the one record that keeps a page from coming. It begins where a
// page failed twice: with one record, then with more of them, then with half as
// many after each failure. A single record that fails is only left behind when a
// later one comes, or the list ends there, because else the server itself fails; and
// when it then fails twice more: the server may have recovered meanwhile, or fail at
// every other call. Those between the two must fail as well. For the same reason a
// record that comes without $expand is only published so when it fails twice more
// with it.
type closeIn struct {
	*sweep
	ask func(skip, top int, withoutExpand bool) collect.Request
	// continueBehind continues after the record, or after the list where all came.
	continueBehind func(c *closeIn) (collect.Pager, error)
	// failed decides where nothing comes.
	failed func(error) (collect.Pager, error)

	timed     bool // records come in the order of their times
	accounted bool // a document reports them already

	byIDs bool   // records come in the order of their ids
	after string // id of the last record before all of them, with byIDs

	phase      phase
	read, size int
	largest    int  // page that came, of those asked for so
	found      bool // something failed
	isolated   bool // what failed is one record, or some in a row
	ended      bool // an empty page came after all others
	// These are distances from that record: behind of the record that is asked for,
	// failing of the farthest that did not come, came of the nearest that did; 0 = none.
	behind, failing, came int
	failures              int // of what is being confirmed
	last, next            collect.PageStats
	cause                 error
}

func (s *sweep) closeIn() *closeIn {
	return &closeIn{sweep: s, size: 1, failed: func(err error) (collect.Pager, error) { return nil, err }}
}

// noteFailure notes where a page failed, and reports whether one failed there before:
// then its records are asked for one by one, but once in a sweep.
func (s *sweep) noteFailure(page collect.PageStats, at string) (again bool) {
	if !maybeTooLarge(page.Err) {
		return false
	}
	s.failedSpot = spot{at, s.skip}
	again = s.caps.failedAt[at] && s.cameSpot != s.failedSpot
	if len(s.caps.failedAt) == maxGaps {
		clear(s.caps.failedAt)
	}
	s.caps.failedAt[at] = true
	return again
}

// resume sets the size of the page behind what was looked for. Where no record was the
// cause it was the size: what came is asked for.
func (c *closeIn) resume() {
	if c.isolated {
		c.caps.limit, c.caps.top = 0, c.caps.most
		return
	}
	c.cameSpot = c.failedSpot
	c.caps.noteCame(c.largest, c.found)
}

// Request implements collect.Pager.
func (c *closeIn) Request() collect.Request {
	switch c.phase {
	case peek:
		request := c.ask(c.read, 1, true)
		request.Peek = true
		return request
	case withExpand:
		return c.ask(c.read, 1, false)
	case withoutExpand:
		return c.ask(c.read, 1, true)
	case neighbour, confirm:
		return c.ask(c.read+c.behind, 1, false)
	case account:
		return collect.Request{Unserved: &collect.Unserved{Record: c.known(), Cause: errUnserved, Between: c.between()}}
	}
	return c.ask(c.read, c.size, false)
}

// known is what is known of the record: where it is, and what asking for it
// gave.
func (c *closeIn) known() []byte {
	known := struct {
		List    string    `json:"list"`
		Records int       `json:"records,omitzero"` // where there are several
		After   string    `json:"after_id,omitzero"`
		Before  string    `json:"before_id,omitzero"`
		From    time.Time `json:"not_before,omitzero"`
		To      time.Time `json:"not_after,omitzero"`
		Message string    `json:"message"`
	}{List: c.List, After: c.last.LastID, Before: c.next.LastID, Message: c.cause.Error()}
	if c.came > 1 {
		known.Records = c.came
	}
	if c.timed {
		known.From, known.To = c.last.Newest, c.next.Newest
	}
	b, err := json.Marshal(known)
	if err != nil {
		panic(err) // texts and times of records: years of four digits
	}
	return b
}

// Next implements collect.Pager.
func (c *closeIn) Next(page collect.PageStats) (collect.Pager, error) {
	switch {
	case refused(page) && !c.accounted: // the pager knows what to leave out
		return c.continueBehind(c)
	case page.Err != nil && !maybeTooLarge(page.Err):
		return c.failed(page.Err)
	}
	alone := page.Err == nil && page.Records == 1
	switch {
	case c.phase == account:
		return c.continueBehind(c)
	case c.phase == peek && alone:
		c.phase = withExpand
	case c.phase == withExpand && page.Err != nil:
		if c.confirmed() {
			c.phase = withoutExpand
		}
	case c.phase == withoutExpand && alone:
		c.isolated, c.came, c.next = true, 1, page
		return c.continueBehind(c)
	case c.phase == peek, c.phase == withoutExpand:
		c.lookBehind()
	case c.phase == neighbour:
		return c.neighbour(page)
	case c.phase == confirm && (c.behind > 0 || page.Err != nil):
		return c.confirm(page)
	case c.phase == confirm, c.phase == withExpand:
		c.size, c.last = 1, page
		c.seek(page.Records)
	case page.Err != nil:
		c.halve(page)
	case page.Records == 0, c.read >= MaxPage:
		c.ended = page.Records == 0
		return c.continueBehind(c)
	default:
		c.last, c.largest = page, max(c.largest, c.size)
		c.read += page.Records
		if !c.found {
			c.size = min(2*c.size, c.caps.most)
		}
	}
	return c, nil
}

// seek continues to look, behind so many records more.
func (c *closeIn) seek(records int) {
	c.read += records
	c.phase, c.found, c.isolated, c.size, c.failures = seeking, false, false, 1, 0
}

// lookBehind begins to look for one that comes behind the one that does not.
func (c *closeIn) lookBehind() {
	c.phase, c.behind, c.failing, c.came = neighbour, 1, 0, 0
}

// neighbour looks for the nearest record that comes: the one behind, else one far
// behind, else the server fails; then by halves between the two.
func (c *closeIn) neighbour(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil {
		c.failing = c.behind
	} else {
		c.came, c.next = c.behind, page
	}
	switch {
	case c.came == 0 && c.failing == 1:
		c.behind = maxUnserved
	case c.came == 0:
		return c.failed(c.cause)
	case c.came-c.failing > 1:
		c.behind = (c.came + c.failing) / 2
	default:
		c.phase, c.behind = confirm, c.came-1
	}
	return c, nil
}

// confirmed reports whether something failed twice in a row.
func (c *closeIn) confirmed() bool {
	c.failures++
	if c.failures < 2 {
		return false
	}
	c.failures = 0
	return true
}

// confirm asks for those that did not come twice more, the farthest first. One that
// comes now, after the server failed, ends the row.
func (c *closeIn) confirm(page collect.PageStats) (collect.Pager, error) {
	if page.Err == nil {
		c.came, c.next, c.failures = c.behind, page, 0
	} else if !c.confirmed() {
		return c, nil
	}
	if c.behind > 0 {
		c.behind--
		return c, nil
	}
	c.isolated, c.phase = true, account
	if c.accounted {
		return c.continueBehind(c)
	}
	return c, nil
}

// halve asks for less after a failure, down to one record.
func (c *closeIn) halve(page collect.PageStats) {
	c.found = true
	switch {
	case page.Records > 0:
		c.last, c.size = page, 1
		c.read += page.Records
	case c.size > 1:
		c.size /= 2
	case c.Expand != "" && c.caps.takes(expand):
		c.cause, c.phase = page.Err, peek
	default:
		c.cause = page.Err
		c.lookBehind()
	}
}

// closeIn begins to look for the record that stops a timeline.
func (p *byTime) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	c.timed = true
	c.ask = p.single(p.window, p.skip)
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		c.resume()
		if !c.isolated {
			return p, nil // all came this time
		}
		g := p.gapAround(c)
		if pager, err := p.timeline.leave(c, g); pager != nil {
			return pager, err
		}
		p.reach(g.To, p.Overlap)
		p.beginWindow(g.To)
		return p, nil
	}
	return c
}

// gapAround is the stretch between the neighbours of what was isolated. A neighbour
// may be of the future: a gap up to there would hide what is updated until then.
func (p *byTime) gapAround(c *closeIn) gap {
	g := gap{From: later(p.from, c.last.Newest), To: p.end(c.next)}
	if c.next.Records == 0 {
		return g
	}
	behind := earlier(c.next.Newest.Add(tick), latest)
	if !g.To.After(g.From) {
		g.To = behind
	}
	g.To = earlier(g.To, behind)
	return g
}

// latest is the last time that a place can hold.
var latest = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_900, time.UTC)

// end is that of a window, which for the last one is when its end was asked for.
func (w *window) end(page collect.PageStats) time.Time {
	if w.last() {
		return page.Asked
	}
	return w.to
}

// leave leaves behind what closeIn found in a stretch. It begins the sweep again
// in another way where too many come without $expand alone: they are no exceptions.
func (t *timeline) leave(c *closeIn, g gap) (collect.Pager, error) {
	if c.phase == withoutExpand {
		t.withoutExpand++
		if t.withoutExpand > maxWithoutExpand {
			return t.refuses(expand, fmt.Errorf("$expand=%s: %w", t.Expand, c.cause))
		}
	}
	t.noteGap(g)
	return nil, nil
}

// single asks for records of a window by their number.
func (p *byTime) single(w window, from int) func(skip, top int, withoutExpand bool) collect.Request {
	return func(skip, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part(w.filter(p.Updated), p.Updated, from+skip, top, withoutExpand), From: w.from, To: w.to}
	}
}

// closeIn begins to look for the record that stops a timeline that is not sorted.
func (p *byWindow) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	filter, skip := p.filter(p.property), p.skip
	c.ask = func(more, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part(filter, "", skip+more, top, withoutExpand), From: p.from, To: p.to}
	}
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		c.resume()
		p.skip += c.passed()
		if !c.isolated || p.property != p.Updated { // by creation time it is asked for again and again
			return p, nil
		}
		p.left = true
		if pager, err := p.timeline.leave(c, gap{From: p.from, To: p.end(c.next)}); pager != nil {
			return pager, err
		}
		return p, nil
	}
	return c
}

// passed is how many records were read or are left behind.
func (c *closeIn) passed() int {
	if c.isolated {
		return c.read + c.came
	}
	return c.read
}
