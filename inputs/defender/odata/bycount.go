package odata

import (
	"strconv"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// byCount proves the order of a page that another follows, before the cursor
// moves over it: behind as many records as the page has, there is none that is
// older than its newest one. A server that sorts only within the page, or by
// something else, has one there that nobody has seen.
type byCount struct {
	*byTime
	page collect.PageStats // in question
}

// orderUnproven reports whether the cursor would move over a page's neighbours that
// another page has to show.
func (p *byTime) orderUnproven(page collect.PageStats) bool {
	return !p.caps.noAnswer && page.Newest.After(p.from) && p.skip+page.Records > 1 &&
		(page.Err != nil || !p.caps.short(page.Records, p.asked))
}

// believes takes note of what became of the question about the order, and reports
// whether the order is believed without an answer: the server refused, or failed twice
// in a row although the page came before each time. It is not asked for an hour then:
// else nobody would ever read what follows the page.
func (s *sweep) believes(answer collect.PageStats) bool {
	again := s.unanswered
	s.unanswered = answer.Err != nil
	if answer.Err == nil || !again && !refused(answer) {
		return false
	}
	s.caps.noteNoAnswer()
	s.Log.Warn("the order of pages is believed for an hour: the API does not answer the question that proves it", "list", s.List, "error", answer.Err.Error())
	return true
}

// Request implements collect.Pager.
func (p *byCount) Request() collect.Request {
	before := window{now: p.now, from: p.from, to: p.page.Newest, margin: p.margin}
	q := p.query(before.filter(p.Updated), "")
	q.Set("$top", "1")
	q.Set("$skip", strconv.Itoa(p.skip+p.page.Records-1))
	return collect.Request{Query: q, From: p.from, To: p.page.Newest}
}

// Next implements collect.Pager. An answer that is known, or not older, is one
// to another question, and proves nothing.
func (p *byCount) Next(answer collect.PageStats) (collect.Pager, error) {
	switch {
	case p.believes(answer):
	case answer.Err != nil: // the page shows whether the server itself fails
		return p.byTime, nil
	case answer.Records == 0 || !answer.Oldest.Before(p.page.Newest):
	case answer.Digest == p.doubt || answer.Fresh > 0 && p.doubt != 0:
		return p.timeline.ignores(orderBy, errUnordered)
	case answer.Fresh > 0: // it may have appeared meanwhile
		p.doubt = answer.Digest
		return p.byTime, nil
	}
	return p.move(p.page)
}
