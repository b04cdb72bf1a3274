package odata

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

const (
	// gapInterval is how often a record that could not be served is asked for
	// again, and gapTTL for how long.
	gapInterval = time.Hour
	gapTTL      = 7 * 24 * time.Hour
	maxGaps     = 100
)

// gap is a stretch of a timeline, from From and before To, with a record that
// the server cannot serve. Polls read around it.
type gap struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Since time.Time `json:"since"`
	Asked time.Time `json:"asked,omitzero"`
}

var errUnserved = errors.New("the API cannot serve this record")

// phase is what closeIn asks for.
type phase uint8

const (
	seeking       phase = iota // records in front of the one that cannot be served
	peek                       // whether that one comes without $expand
	withExpand                 // it once more with $expand, after it came without
	withoutExpand              // it without $expand, to be published so
	neighbour                  // the one behind it
	confirm                    // it once more, after the one behind it came
	account                    // nothing: a document stands for it
)

// closeIn finds the one record that keeps a page from coming. It begins where a
// page failed twice: with one record, then with more of them, then with half as
// many after each failure. A single one that fails is only left behind when the
// one behind it comes, because else it is the server that fails, and when it fails
// once more then: the server may have recovered meanwhile. For the same reason one
// that comes without $expand is only published so when it fails once more with it.
type closeIn struct {
	*sweep
	ask func(skip, top int, withoutExpand bool) collect.Request
	// continueBehind continues behind the record, or behind the list where all came.
	continueBehind func(c *closeIn) (collect.Pager, error)
	// failed decides where nothing comes.
	failed func(error) (collect.Pager, error)

	atEnd bool // the last record may be left behind: those in front of it came

	phase      phase
	read, size int
	found      bool // something failed
	isolated   bool // what failed is one record
	last, next collect.PageStats
	cause      error
}

func (s *sweep) closeIn() *closeIn {
	return &closeIn{sweep: s, size: 1, failed: func(err error) (collect.Pager, error) { return nil, err }}
}

// noteFailure notes where a page failed, and reports whether the failure before
// was there, too.
func (s *sweep) noteFailure(page collect.PageStats, at string) (again bool) {
	if !maybeTooLarge(page.Err) {
		return false
	}
	again = s.caps.failedAt == at
	s.caps.failedAt = at
	return again
}

// Request implements collect.Pager.
func (c *closeIn) Request() collect.Request {
	switch c.phase {
	case peek:
		request := c.ask(c.read, 1, true)
		request.Peek = true
		return request
	case withExpand:
		return c.ask(c.read, 1, false)
	case withoutExpand:
		return c.ask(c.read, 1, true)
	case neighbour:
		return c.ask(c.read+1, 1, false)
	case account:
		return collect.Request{Unserved: &collect.Unserved{Record: c.known(), Cause: errUnserved}}
	}
	return c.ask(c.read, c.size, false)
}

// known is what is known of the record: where it stands, and what asking for it
// gave.
func (c *closeIn) known() []byte {
	b, err := json.Marshal(struct {
		List    string    `json:"list"`
		After   string    `json:"after_id,omitzero"`
		Before  string    `json:"before_id,omitzero"`
		From    time.Time `json:"not_before,omitzero"`
		To      time.Time `json:"not_after,omitzero"`
		Message string    `json:"message"`
	}{c.List, c.last.LastID, c.next.LastID, c.last.Newest, c.next.Newest, c.cause.Error()})
	if err != nil {
		panic(err) // texts and times of records: years of four digits
	}
	return b
}

// Next implements collect.Pager.
func (c *closeIn) Next(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil && !maybeTooLarge(page.Err) {
		return c.failed(page.Err)
	}
	came := page.Err == nil && page.Records == 1
	switch {
	case c.phase == account:
		return c.continueBehind(c)
	case c.phase == peek && came:
		c.phase = withExpand
	case c.phase == withExpand && page.Err != nil:
		c.phase = withoutExpand
	case c.phase == withoutExpand && came:
		c.isolated, c.next = true, page
		return c.continueBehind(c)
	case c.phase == peek, c.phase == withoutExpand:
		c.phase = neighbour
	case c.phase == neighbour && (page.Err != nil || page.Records == 0 && (c.read == 0 || !c.atEnd)):
		return c.failed(c.cause)
	case c.phase == neighbour:
		c.next, c.phase = page, confirm
	case c.phase == confirm && page.Err == nil, c.phase == withExpand:
		c.phase, c.found, c.size, c.last = seeking, false, 1, page
		c.read += page.Records
	case c.phase == confirm:
		c.isolated, c.phase = true, account
	case page.Err != nil:
		c.halve(page)
	case page.Records == 0, c.read >= MaxPage:
		return c.continueBehind(c)
	default:
		c.last = page
		c.read += page.Records
		if !c.found {
			c.size = min(2*c.size, c.caps.most)
		}
	}
	return c, nil
}

// halve asks for less after a failure, down to one record.
func (c *closeIn) halve(page collect.PageStats) {
	c.found = true
	switch {
	case page.Records > 0:
		c.last, c.size = page, 1
		c.read += page.Records
	case c.size > 1:
		c.size /= 2
	case c.Expand != "" && c.caps.takes(expand):
		c.cause, c.phase = page.Err, peek
	default:
		c.cause, c.phase = page.Err, neighbour
	}
}

// closeIn begins to look for the record that stops a timeline.
func (p *byTime) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	skip := p.skip
	c.ask = p.single(p.window, skip)
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		p.caps.limit, p.caps.top = 0, p.caps.most
		if !c.isolated {
			return p, nil // all came this time
		}
		if c.phase == withoutExpand {
			p.timeline.withoutExpand++
			if p.timeline.withoutExpand > maxWithoutExpand { // they are no exceptions
				return p.timeline.refuses(expand, fmt.Errorf("$expand=%s: %w", p.Expand, c.cause))
			}
		}
		g := gap{From: later(p.from, c.last.Newest), To: c.next.Newest.Add(tick), Since: p.Now().UTC()}
		p.timeline.gaps = append(p.timeline.gaps, g)
		if len(p.timeline.gaps) > maxGaps {
			p.timeline.gaps = p.timeline.gaps[1:]
		}
		p.reach(g.To, p.Overlap)
		p.beginWindow(g.To)
		return p, nil
	}
	return c
}

// single asks for records of a window by their number.
func (p *byTime) single(w window, from int) func(skip, top int, withoutExpand bool) collect.Request {
	return func(skip, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part(w.filter(p.Updated), p.Updated, from+skip, top, withoutExpand), From: w.from, To: w.to}
	}
}

// closeIn begins to look for the record that stops a snapshot. It is not
// remembered: every snapshot asks for it again.
func (p *byID) closeIn() collect.Pager {
	c := p.sweep.closeIn()
	c.atEnd = true
	filter := p.filter()
	c.ask = func(skip, top int, withoutExpand bool) collect.Request {
		return collect.Request{Query: p.part(filter, "id", skip, top, withoutExpand)}
	}
	c.continueBehind = func(c *closeIn) (collect.Pager, error) {
		p.caps.limit, p.caps.top = 0, p.caps.most
		switch {
		case c.isolated && c.next.Records == 0:
			return p.snapshot.complete()
		case c.isolated:
			p.from = c.next.LastID
		}
		return p, nil
	}
	return c
}
