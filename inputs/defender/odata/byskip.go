package odata

import "github.com/defender-endpoint/defender-endpoint/inputs/collect"

// bySkip reads a whole list by $skip alone, until a pass over it meets nothing
// new. An empty page is believed when it comes twice.
type bySkip struct {
	sweep
	snapshot *snapshot
	order    string // of $orderby; "" where the server does not sort
	empty    bool   // the former page was
}

// Request implements collect.Pager.
func (p *bySkip) Request() collect.Request {
	return collect.Request{Query: p.query("", p.order)}
}

// Next implements collect.Pager.
func (p *bySkip) Next(page collect.PageStats) (collect.Pager, error) {
	if p.probeSize(page) || p.retrySmaller(page) { // either changes the size
		return p, nil
	}
	switch {
	case noRecords(page) && p.skip == 0:
		return p.snapshot.complete()
	case p.tooDeep(page):
		return p.snapshot.deeper(because(errTooDeep, page.Err))
	case refused(page):
		return p.snapshot.refuses(orderBy, because(errUnordered, page.Err))
	case nothingCame(page):
		if again := p.noteFailure(page, "list"); again {
			return p.closeIn(), nil
		}
		return nil, p.giveUp(page)
	}
	if err := p.check(page); err != nil {
		if p.skip > 0 && p.caps.enlarge() { // it skips no further than that
			return p.snapshot.Begin(), err
		}
		return nil, err
	}
	ended := page.Records == 0 && page.Err == nil
	if ended && !p.empty && p.skip > 0 {
		p.empty = true
		return p, nil
	}
	p.empty = false
	if p.passAgain(page.Fresh, ended) {
		return p, nil
	}
	if ended {
		return p.snapshot.complete()
	}
	p.skip += page.Records
	return p, nil
}
