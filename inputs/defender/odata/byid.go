package odata

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// byID asks in the order of the ids: a page begins with the last record of the
// one before. Where only that one comes, the list has ended; where nothing
// comes, the page failed.
type byID struct {
	sweep
	list *snapshot
	from string // id with which the page begins
}

// Request implements collect.Pager.
func (p *byID) Request() collect.Request {
	return collect.Request{Query: p.query(p.filter(), "id")}
}

func (p *byID) filter() string {
	if p.from == "" {
		return ""
	}
	return "id ge '" + strings.ReplaceAll(p.from, "'", "''") + "'"
}

// Next implements collect.Pager.
func (p *byID) Next(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil && page.LastID == p.from {
		page.Records = 0 // nothing came but the record that was known
	}
	switch {
	case page.UnsortedIDs:
		return p.list.ignores(orderBy, errUnordered)
	case noRecords(page) && p.from == "":
		return p.list.complete()
	case p.smaller(page):
		return p, nil
	case refused(page) && p.from != "":
		return p.list.refuses(idFilter, because(errUnfiltered, page.Err))
	case refused(page):
		return p.list.refuses(orderBy, because(errUnordered, page.Err))
	case p.broke(page):
		return p, nil
	case page.Err != nil && page.Records == 0 && p.stuck(page, "from "+p.from):
		return p.closeIn(), nil
	case page.Err != nil && page.Records == 0:
		return nil, p.failed(page)
	}
	if err := p.check(page); err != nil {
		return nil, err
	}
	switch {
	case page.Records == 0 && p.from == "":
		return p.list.complete()
	case page.Records == 0:
		return nil, p.malformed("the list ends before a record that it had")
	case page.Err == nil && p.ended(page):
		return p.list.complete()
	case page.LastID <= p.from && page.Records > 1 || page.LastID < p.from:
		return p.list.ignores(idFilter, errUnfiltered)
	}
	p.from = page.LastID
	return p, nil
}

// ended reports whether a page that begins with the record known holds all
// there is behind it.
func (p *byID) ended(page collect.PageStats) bool {
	return p.from != "" && page.FirstID == p.from && (page.Records == 1 && p.asked > 1 || p.can.short(page.Records, p.asked))
}
