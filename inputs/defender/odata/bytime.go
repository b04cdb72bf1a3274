package odata

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

const (
	// tick is the precision of the API's times.
	tick = 100 * time.Nanosecond
	// maxAhead is how far ahead of the server's clock a record may be to show that
	// a poll has caught up.
	maxAhead = time.Minute
	// filterTolerance is how far before the lower bound a record may be: a server
	// may compare whole seconds. An older one shows that it does not filter.
	filterTolerance = time.Minute
	// comparisonMargin is how far before the last record of a page the next one
	// begins. A server may show times less exactly than it compares them, as a
	// database with ticks of 1/300 s does, or leave out those that are equal: other
	// records of that time would be lost.
	comparisonMargin = 10 * time.Millisecond
)

// byTime asks in the order of the update time (keyset). The lower bound moves to
// the largest time of the page before, and $skip is used only while a full page
// carries that one time.
type byTime struct {
	sweep
	window
	timeline *timeline
	newest   time.Time // known, of all sweeps
	past     time.Time // newest record of the sweep that is not of the future
	begun    time.Time // when the sweep was first asked for
	timed    bool      // begun is by the server's clock
	// doubt is the answer that found the order of the page in hand wrong, once.
	doubt uint64
}

// Request implements collect.Pager.
func (p *byTime) Request() collect.Request {
	return collect.Request{Query: p.query(p.filter(p.Updated), p.Updated), From: p.from, To: p.to}
}

// Next implements collect.Pager.
func (p *byTime) Next(page collect.PageStats) (collect.Pager, error) {
	if p.askAgain(page) || p.probeSize(page) || p.retrySmaller(page) { // the latter two change the size
		return p, nil
	}
	switch {
	case page.Oldest.Before(p.from.Add(-filterTolerance)) && !page.Oldest.IsZero():
		return p.timeline.ignores(anyFilter, errUnfiltered)
	case page.Unsorted:
		return p.timeline.ignores(orderBy, errUnordered)
	case p.tooDeep(page):
		return &byTie{byTime: p, why: because(errTooDeep, page.Err)}, nil
	case refused(page):
		return p.timeline.refuses(orderBy|expand|timeFilter|anyFilter, because(errUnordered, page.Err))
	case nothingCame(page):
		if again := p.noteFailure(page, literal(p.from)); again {
			return p.closeIn(), nil
		}
		return nil, p.giveUp(page)
	}
	if err := p.check(page); err != nil {
		if p.skip > 0 && p.pages < maxPages { // it skips no further than that
			return &byTie{byTime: p, why: err}, nil
		}
		return nil, err
	}
	if !p.checked && p.timeline.correct(page.Asked) {
		return p.timeline.begin(true), nil
	}
	if !p.timed {
		// Ours, and at most a second off the server's, whose Date has no fractions.
		p.begun = later(page.Asked, earlier(p.begun, page.Asked.Add(time.Second)))
	}
	p.checked, p.timed = true, true
	if p.skip == 0 {
		p.ask(page.Asked)
	}
	if p.orderUnproven(page) {
		return &byCount{byTime: p, page: page}, nil
	}
	return p.move(page)
}

// move continues behind a page that was read, in the next window where it was
// the last.
func (p *byTime) move(page collect.PageStats) (collect.Pager, error) {
	ended := page.Err == nil && (page.Records == 0 || p.proves(page))
	p.newest, p.past = later(p.newest, page.Newest), later(p.past, page.Past)
	p.doubt = 0
	if p.passAgain(page.FreshAtFrom, ended || page.Newest.After(p.from)) {
		return p, nil
	}
	switch {
	case ended && p.last():
		p.timeline.advance(p.past, p.stretch)
		return p.timeline.complete()
	case ended:
		p.reach(p.to, p.Overlap)
		p.caps.widen()
		p.beginWindow(p.to)
	default: // an earlier pass may have seen later records
		p.timeline.advance(page.Past, p.stretch)
		p.reach(page.Newest, p.Overlap)
		if p.caughtUp(page) {
			return p.timeline.complete()
		}
		p.follow(page)
	}
	return p, nil
}

// follow begins behind a page in the same window.
func (p *byTime) follow(page collect.PageStats) {
	if page.Newest.After(p.from) {
		p.from, p.margin = page.Newest, comparisonMargin
		p.restart()
	} else {
		p.skipOver(page)
	}
}

// proves reports whether a page holds all there is: it is short, and the newest
// record that is known is in it.
func (p *byTime) proves(page collect.PageStats) bool {
	return p.skip == 0 && p.caps.short(page.Records, p.asked) &&
		!page.NewestKnown.IsZero() && !page.NewestKnown.Before(p.newest)
}

// caughtUp reports whether a page goes beyond the sweep's begin: what else is
// new is for the next poll. A full page may precede a backlog all the
// same, and times far ahead show that the server's clock is not ours.
func (p *byTime) caughtUp(page collect.PageStats) bool {
	return p.last() && page.Err == nil && page.Records < p.asked &&
		page.Newest.After(p.begun) && page.Newest.Before(page.Asked.Add(maxAhead))
}
