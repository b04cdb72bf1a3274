package odata

import (
	"errors"
	"fmt"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// byTie reads the records of one time by their ids, where there are more of them
// than the server skips. Then byTime continues after that time.
type byTie struct {
	*byTime
	why  error  // what the server said to $skip
	id   string // with which the page begins
	read int
}

// Request implements collect.Pager.
func (p *byTie) Request() collect.Request {
	tie := window{now: p.now, from: p.from, to: p.from.Add(tick)}
	filter := tie.filter(p.Updated)
	if p.id != "" {
		filter += " and id ge " + quote(p.id)
	}
	q := p.query(filter, "id")
	q.Del("$skip")
	return collect.Request{Query: q, From: p.from, To: tie.to}
}

// Next implements collect.Pager.
func (p *byTie) Next(page collect.PageStats) (collect.Pager, error) {
	if p.askAgain(page) || p.probeSize(page) {
		return p, nil
	}
	switch {
	case refused(page), page.UnsortedIDs, page.Err == nil && page.LastID <= p.id && page.Records > 1:
		return p.unread()
	case page.Err != nil && (page.Records == 0 || page.LastID == p.id):
		return nil, p.giveUp(page)
	}
	if p.pages++; p.pages == maxPages {
		return nil, p.endless()
	}
	p.read += page.Records
	if page.Err != nil || page.Records > 1 || p.id == "" && page.Records > 0 {
		p.id = page.LastID
		return p, nil
	}
	if p.read == 0 { // although there were some before: it filters by other times than it shows
		return nil, p.why
	}
	p.from, p.margin = p.from.Add(tick), 0
	p.restart()
	return p.byTime, nil
}

// unread begins again with larger pages, where there are any: records of one time
// can be read neither by $skip nor by id. Those pages may be cut where the former
// one ended, so that one as small does not prove the end.
func (p *byTie) unread() (collect.Pager, error) {
	read := max(p.read, p.skip)
	p.caps.noteCut(p.former.Records)
	why := p.why
	if refused, ok := errors.AsType[*api.Error](why); ok {
		named := *refused
		named.Hint = fmt.Sprintf("more records share one time than the API gives, only the first %d of them can be read", read)
		why = fmt.Errorf("%w: %w", errTooDeep, &named)
	}
	return p.timeline.deeper(fmt.Errorf("%w: of more than %d records of one time", why, read))
}
