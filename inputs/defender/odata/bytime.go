package odata

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

const (
	// tick is the precision of the API's times.
	tick = 100 * time.Nanosecond
	// maxAhead is how far ahead of the server's clock a record may be to tell that
	// a poll has caught up.
	maxAhead = time.Minute
)

// byTime asks in the order of the update time (keyset). The lower bound moves to
// the largest time of the page before, and $skip is used only while a full page
// carries that one time.
type byTime struct {
	sweep
	window
	line  *timeline
	past  time.Time // newest record of the sweep that is not of the future
	begun time.Time // when the sweep was first asked for
	timed bool      // begun is by the server's clock
}

// Request implements collect.Pager.
func (p *byTime) Request() collect.Request {
	return collect.Request{Query: p.query(p.filter(p.Updated), p.Updated), From: p.from, To: p.to}
}

// Next implements collect.Pager.
func (p *byTime) Next(page collect.PageStats) (collect.Pager, error) {
	switch {
	case page.Oldest.Before(p.from.Truncate(tick)) && !page.Oldest.IsZero():
		return nil, p.malformed("the server ignores $filter")
	case page.Unsorted:
		return p.line.without(orderBy, errUnordered)
	case p.tooDeep(page):
		if p.former.Records < p.can.largest && p.last() {
			return p.line.complete() // of one time, and fewer than it gives: nothing was cut
		}
		return p.line.deeper(because(errTooDeep, page.Err))
	case refused(page):
		return p.line.without(orderBy, because(errUnordered, page.Err))
	case page.Err != nil:
		return nil, p.failed(page)
	}
	if err := p.check(page); err != nil {
		return nil, err
	}
	if !p.checked && p.line.correct(page.Asked) {
		return p.line.begin(true), nil
	}
	if !p.timed {
		// Ours, and at most a second off the server's, whose Date has no fractions.
		p.begun = later(page.Asked, earlier(p.begun, page.Asked.Add(time.Second)))
	}
	p.checked, p.timed = true, true
	if p.skip == 0 {
		p.ask(page.Asked)
	}
	return p.move(page)
}

// move continues behind a page that was read, in the next window where it was
// the last.
func (p *byTime) move(page collect.PageStats) (collect.Pager, error) {
	p.past = later(p.past, page.Past)
	ended := page.Records == 0
	if p.again(page.FreshAtFrom, ended || page.Newest.After(p.from)) {
		return p, nil
	}
	switch {
	case ended && p.last():
		p.line.advance(p.past, p.stretch)
		return p.line.complete()
	case ended:
		p.reach(p.to, p.Overlap)
		p.can.widen()
		p.open(p.to, p.can.window)
		p.restart()
	default: // an earlier pass may have seen later records
		p.line.advance(page.Past, p.stretch)
		p.reach(page.Newest, p.Overlap)
		if p.caughtUp(page) {
			return p.line.complete()
		}
		p.follow(page)
	}
	return p, nil
}

// follow begins behind a page in the same window.
func (p *byTime) follow(page collect.PageStats) {
	if page.Newest.After(p.from) {
		p.from = page.Newest
		p.restart()
	} else {
		p.skip += page.Records
	}
}

// caughtUp reports whether a page goes beyond the sweep's begin: what else is
// new is for the next poll. A full page may stand in front of a backlog all the
// same, and times far ahead tell that the server's clock is not ours.
func (p *byTime) caughtUp(page collect.PageStats) bool {
	return p.last() && page.Records < p.can.top &&
		page.Newest.After(p.begun) && page.Newest.Before(page.Asked.Add(maxAhead))
}
