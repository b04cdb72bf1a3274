package odata

import "github.com/defender-endpoint/defender-endpoint/inputs/collect"

// bySkip reads a whole list by $skip alone, until a pass over it meets nothing
// new.
type bySkip struct {
	sweep
	list  *snapshot
	order string // of $orderby; "" where the server does not sort
}

// Request implements collect.Pager.
func (p *bySkip) Request() collect.Request {
	return collect.Request{Query: p.query("", p.order)}
}

// Next implements collect.Pager.
func (p *bySkip) Next(page collect.PageStats) (collect.Pager, error) {
	switch {
	case noRecords(page) && p.skip == 0:
		page = collect.PageStats{}
	case p.tooDeep(page):
		if !p.can.enlarge() {
			return nil, because(errTooDeep, page.Err)
		}
		return p.list.Begin(), because(errTooDeep, page.Err)
	case refused(page) && p.order != "":
		return p.list.without(orderBy, because(errUnordered, page.Err))
	case refused(page):
		return nil, because(errUnfiltered, page.Err)
	case page.Err != nil:
		return nil, p.failed(page)
	}
	if err := p.check(page); err != nil {
		return nil, err
	}
	ended := page.Records == 0
	switch {
	case p.again(page.Fresh, ended):
	case ended:
		return p.list.complete()
	default:
		p.skip += page.Records
	}
	return p, nil
}
