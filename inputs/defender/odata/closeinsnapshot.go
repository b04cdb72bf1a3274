package odata

import "github.com/defender-endpoint/defender-endpoint/inputs/collect"

// closeIn begins to look for the record that stops a snapshot. It is not
// part of the place: every snapshot asks for it again.
func (p *bySkip) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	skip := p.skip
	if c.byIDs = p.order == "id"; c.byIDs && p.skip > 0 {
		c.after = p.former.LastID
	}
	c.ask = func(more, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part("", p.order, skip+more, top, withoutExpand)}
	}
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		c.resume()
		p.skip += c.passed()
		return p, nil
	}
	return c
}

// closeIn begins to look for the record that stops a snapshot by id.
func (p *byID) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	filter := p.filter()
	c.byIDs, c.after = true, p.from
	c.ask = func(skip, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part(filter, "id", skip, top, withoutExpand)}
	}
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		c.resume()
		switch {
		case c.isolated && c.next.Records == 0:
			return p.snapshot.complete()
		case c.isolated:
			p.from = c.next.LastID
		case c.ended && c.read > 0: // all came: a server that fails now and then may fail at the same page again
			return p.snapshot.complete()
		case c.last.LastID != "":
			p.from = c.last.LastID
		}
		return p, nil
	}
	return c
}

// between are the ids around the record, where records come in their order.
func (c *closeIn) between() *collect.Between {
	if !c.byIDs {
		return nil
	}
	return &collect.Between{After: max(c.after, c.last.LastID), Before: c.next.LastID}
}
