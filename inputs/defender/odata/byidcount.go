package odata

import (
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// byIDCount proves that a server sorts by id, as byCount does for times: behind as
// many records as the page has, there is none with an id before its last one.
type byIDCount struct {
	*byID
	page collect.PageStats // in question
}

// orderUnproven reports whether a page is to be asked about: one that another
// follows, in the sweeps that doubt.
func (p *byID) orderUnproven(page collect.PageStats) bool {
	return p.caps.doubts() && !p.proven && !p.caps.noAnswer && page.Records > 1 &&
		(page.Err != nil || !p.caps.short(page.Records, p.asked))
}

// Request implements collect.Pager.
func (p *byIDCount) Request() collect.Request {
	filter := "id lt " + quote(p.page.LastID)
	if p.from != "" {
		filter = p.filter() + " and " + filter
	}
	return collect.Request{Query: p.part(filter, "", p.page.Records-1, 1, false)}
}

// Next implements collect.Pager. An answer that is known, or not from before, is one
// to another question, and proves nothing.
func (p *byIDCount) Next(answer collect.PageStats) (collect.Pager, error) {
	switch {
	case noRecords(answer):
	case p.believes(answer):
	case answer.Err != nil: // as in byCount
		return p.byID, nil
	case answer.Records == 0 || answer.FirstID >= p.page.LastID || answer.FirstID < p.from:
	case answer.Digest == p.doubt || answer.Fresh > 0 && p.doubt != 0:
		return p.snapshot.ignores(orderBy, errUnordered)
	case answer.Fresh > 0: // it may have appeared meanwhile
		p.doubt = answer.Digest
		return p.byID, nil
	}
	p.proven = true
	p.from = p.page.LastID
	return p.byID, nil
}
