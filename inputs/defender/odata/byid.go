package odata

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// byID asks in the order of the ids: a page begins behind the last id of the
// one before.
type byID struct {
	sweep
	list  *snapshot
	after string // id behind which the page begins
}

// Request implements collect.Pager.
func (p *byID) Request() collect.Request {
	filter := ""
	if p.after != "" {
		filter = "id gt '" + strings.ReplaceAll(p.after, "'", "''") + "'"
	}
	return collect.Request{Query: p.query(filter, "id")}
}

// Next implements collect.Pager.
func (p *byID) Next(page collect.PageStats) (collect.Pager, error) {
	switch {
	case page.UnsortedIDs:
		return p.list.without(orderBy, errUnordered)
	case noRecords(page):
		page = collect.PageStats{}
	case refused(page) && p.after != "":
		return p.list.without(idFilter, because(errUnfiltered, page.Err))
	case refused(page):
		return p.list.without(orderBy, because(errUnordered, page.Err))
	case page.Err != nil:
		return nil, p.failed(page)
	}
	if err := p.check(page); err != nil {
		return nil, err
	}
	switch {
	case page.Records == 0:
		return p.list.complete()
	case page.LastID <= p.after:
		return p.list.without(idFilter, errUnfiltered)
	}
	p.after = page.LastID
	return p, nil
}
