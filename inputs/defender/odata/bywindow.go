package odata

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// byWindow reads a timeline that the server does not sort: each window to its
// end by $skip. The cursor moves only then.
type byWindow struct {
	sweep
	window
	timeline *timeline
	property string    // by which windows are bounded; "" where the server does not filter
	past     time.Time // newest update time of the sweep that is not of the future
	retried  []gap     // that the sweep looks back to
	left     bool      // a record was left behind
}

// Request implements collect.Pager.
func (p *byWindow) Request() collect.Request {
	return collect.Request{Query: p.query(p.filter(p.property), ""), From: p.from, To: p.to}
}

// Next implements collect.Pager.
func (p *byWindow) Next(page collect.PageStats) (collect.Pager, error) {
	if p.probeSize(page) || p.retrySmaller(page) { // either changes the size
		return p, nil
	}
	switch {
	case page.Oldest.Before(p.from.Add(-filterTolerance)) && !page.Oldest.IsZero() && p.property == p.Updated:
		return p.timeline.ignores(anyFilter, errUnfiltered)
	case p.tooDeep(page):
		return p.deeper(because(errTooDeep, page.Err))
	case refused(page):
		return p.timeline.refuses(p.mayRefuse(), because(errUnfiltered, page.Err))
	case nothingCame(page):
		if again := p.noteFailure(page, "window from "+literal(p.from)); again {
			return p.closeIn(), nil
		}
		return nil, p.giveUp(page)
	}
	if err := p.check(page); err != nil {
		if p.skip > 0 && p.pages < maxPages { // it skips no further than that
			return p.deeper(err)
		}
		return nil, err
	}
	if !p.checked && p.timeline.correct(page.Asked) {
		return p.timeline.begin(true), nil
	}
	p.checked = true
	if p.skip == 0 {
		p.ask(page.Asked)
	}
	p.past = later(p.past, page.Past)
	ended := page.Records == 0 && page.Err == nil
	if p.passAgain(page.Fresh, ended) {
		return p, nil
	}
	if !ended {
		p.skip += page.Records
		return p, nil
	}
	return p.endWindow()
}

// endWindow moves the cursor over a window that was read.
func (p *byWindow) endWindow() (collect.Pager, error) {
	if p.last() {
		for _, g := range p.retried {
			if !p.left {
				p.timeline.heal(g)
			}
		}
		p.timeline.advance(p.past, p.stretch)
		return p.timeline.complete()
	}
	// What was met beyond the window is not all that is there.
	p.timeline.advance(earlier(p.past, p.to), p.stretch)
	p.reach(p.to, p.Overlap)
	p.caps.widen()
	p.open(p.to, p.caps.window)
	p.restart()
	return p, nil
}

// mayRefuse are the options of the query that the server may refuse.
func (p *byWindow) mayRefuse() option {
	switch p.property {
	case "":
		return expand
	case p.Updated:
		return expand | timeFilter | anyFilter
	}
	return expand | anyFilter
}

// deeper asks for windows of fewer records, or for more in a page.
func (p *byWindow) deeper(why error) (collect.Pager, error) {
	if p.narrow() {
		return p, nil
	}
	return p.timeline.deeper(why)
}

// narrow halves a window that holds more records than may be skipped, and
// begins it again.
func (p *byWindow) narrow() bool {
	if p.caps.window <= minWindow || p.property == "" {
		return false
	}
	p.caps.window = max(min(p.caps.window, p.Now().Sub(p.from))/2, minWindow)
	p.open(p.from, p.caps.window)
	p.restart()
	return true
}
