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
	snapshot *snapshot
	from     string // id with which the page begins
	proven   bool   // that the server sorts by id
	larger   bool   // a page had more than one record
	// doubt is the answer that found the order of the page in hand wrong, once.
	doubt uint64
}

// Request implements collect.Pager.
func (p *byID) Request() collect.Request {
	return collect.Request{Query: p.query(p.filter(), "id")}
}

func (p *byID) filter() string {
	if p.from == "" {
		return ""
	}
	return "id ge " + quote(p.from)
}

// quote writes a text as OData does.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Next implements collect.Pager.
func (p *byID) Next(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil && page.LastID == p.from {
		page.Records = 0 // nothing came but the record that was known
	}
	if page.UnsortedIDs {
		return p.snapshot.ignores(orderBy, errUnordered)
	}
	if p.askAgain(page) || p.probeSize(page) || p.retrySmaller(page) { // the latter two change the size
		return p, nil
	}
	switch {
	case noRecords(page) && (p.from == "" || p.skip > 0):
		return p.snapshot.complete()
	case refused(page) && p.from != "":
		return p.snapshot.refuses(idFilter, because(errUnfiltered, page.Err))
	case refused(page):
		return p.snapshot.refuses(orderBy, because(errUnordered, page.Err))
	case nothingCame(page):
		if again := p.noteFailure(page, "from "+p.from); again {
			return p.closeIn(), nil
		}
		return nil, p.giveUp(page)
	}
	if err := p.check(page); err != nil {
		return nil, err
	}
	switch {
	case page.Records == 0 && (p.from == "" || p.skip > 0):
		return p.snapshot.complete()
	case page.Records == 0:
		return nil, p.malformed("the list ends before a record that it had")
	case p.onlyOne(page):
		p.skip = 1
		return p, nil
	case page.Err == nil && p.ended(page):
		return p.snapshot.complete()
	case page.LastID <= p.from && page.Records > 1 || page.LastID < p.from:
		return p.snapshot.ignores(idFilter, errUnfiltered)
	case p.orderUnproven(page):
		return &byIDCount{byID: p, page: page}, nil
	}
	p.from = page.LastID
	return p, nil
}

// onlyOne reports whether a page is as small as the known record that it begins
// with, and all before were, too: the server may give no more at a time.
func (p *byID) onlyOne(page collect.PageStats) bool {
	p.larger = p.larger || page.Records > 1
	return !p.larger && p.skip == 0 && p.from != "" && p.asked > 1
}

// ended reports whether a page that begins with the record known holds all
// that follow it.
func (p *byID) ended(page collect.PageStats) bool {
	return p.from != "" && page.FirstID == p.from && (page.Records == 1 && p.asked > 1 || p.caps.short(page.Records, p.asked))
}
