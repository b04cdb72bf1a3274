package odata

import "github.com/defender-endpoint/defender-endpoint/inputs/collect"

// bySkip reads a whole list by $skip alone, until a pass over it meets nothing
// new. An empty page is believed when it comes twice.
type bySkip struct {
	sweep
	list  *snapshot
	order string // of $orderby; "" where the server does not sort
	empty bool   // the former page was
}

// Request implements collect.Pager.
func (p *bySkip) Request() collect.Request {
	return collect.Request{Query: p.query("", p.order)}
}

// Next implements collect.Pager.
func (p *bySkip) Next(page collect.PageStats) (collect.Pager, error) {
	switch {
	case noRecords(page) && p.skip == 0:
		return p.list.complete()
	case p.smaller(page):
		return p, nil
	case p.tooDeep(page):
		return p.list.deeper(because(errTooDeep, page.Err))
	case refused(page):
		return p.list.refuses(orderBy, because(errUnordered, page.Err))
	case p.broke(page):
		return p, nil
	case page.Err != nil && page.Records == 0:
		return nil, p.failed(page)
	}
	if err := p.check(page); err != nil {
		if p.skip > 0 && p.can.enlarge() { // it skips no further than that
			return p.list.Begin(), err
		}
		return nil, err
	}
	ended := page.Records == 0 && page.Err == nil
	switch {
	case ended && !p.empty && p.skip > 0:
		p.empty = true
		return p, nil
	case p.again(page.Fresh, ended):
	case ended:
		return p.list.complete()
	default:
		p.skip += page.Records
	}
	p.empty = false
	return p, nil
}
