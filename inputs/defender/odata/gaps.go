package odata

import (
	"slices"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

const (
	// gapInterval is how often a record that could not be served is asked for
	// again, and gapTTL for how long.
	gapInterval = time.Hour
	gapTTL      = 7 * 24 * time.Hour
	maxGaps     = 100
	// maxWithoutExpand is how many records come without $expand only, before a sweep
	// with others that came with it is complete, until the server counts as one that
	// refuses it.
	maxWithoutExpand = 2
)

// gap is a stretch of a timeline, from From and before To, with a record that
// the server cannot serve. Polls read around it.
type gap struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Since time.Time `json:"since"`
	Asked time.Time `json:"asked,omitzero"`
	// Unexpanded says that its records came without what $expand brings.
	Unexpanded bool `json:"unexpanded,omitzero"`
}

// noteGap adds a gap, or makes one larger that is there already.
func (t *timeline) noteGap(g gap) {
	for i := range t.gaps {
		if o := &t.gaps[i]; !o.Unexpanded && g.From.Before(o.To) && o.From.Before(g.To) {
			o.From, o.To = earlier(o.From, g.From), later(o.To, g.To)
			return
		}
	}
	g.Since = t.Now().UTC()
	t.gaps = append(t.gaps, g)
	if len(t.gaps) > maxGaps {
		t.gaps = t.gaps[1:]
	}
}

// due reports whether a gap is to be asked for again. In one that ends a moment
// ago records can still appear, as in every stretch that is as young.
func (t *timeline) due(g gap) bool {
	now, interval := t.Now(), gapInterval
	if now.Sub(g.To) < 2*t.Overlap {
		interval = min(interval, t.Overlap)
	}
	return now.Sub(g.Asked) >= interval
}

// retryByWindow looks back to the gaps that are due: what is read from there on
// has them in it.
func (t *timeline) retryByWindow(from time.Time) (back time.Time, retried []gap) {
	now := t.Now().UTC()
	t.expireGaps(now)
	for i := range t.gaps {
		if g := &t.gaps[i]; !g.Unexpanded && t.due(*g) {
			g.Asked = now
			retried = append(retried, *g)
			from = earlier(from, g.From)
		}
	}
	return from, retried
}

func (t *timeline) expireGaps(now time.Time) {
	t.gaps = slices.DeleteFunc(t.gaps, func(g gap) bool { return now.Sub(g.Since) > gapTTL })
}

// heal removes a gap whose records came.
func (t *timeline) heal(g gap) {
	t.gaps = slices.DeleteFunc(t.gaps, func(o gap) bool { return o.From.Equal(g.From) && o.To.Equal(g.To) })
}

// avoid lets a window begin behind the gap that it would begin in, and end
// before the next one.
func (w *window) avoid(gaps []gap) {
	for _, g := range gaps {
		if !w.from.Before(g.From) && w.from.Before(g.To) {
			w.from = g.To
			if !w.to.IsZero() && !w.from.Before(w.to) {
				w.to = time.Time{}
			}
		}
	}
	for _, g := range gaps {
		if w.from.Before(g.From) && (w.to.IsZero() || g.From.Before(w.to)) {
			w.to = g.From
		}
	}
}

// beginWindow begins to read a window from a time on.
func (p *byTime) beginWindow(from time.Time) {
	p.open(from, p.caps.window)
	p.avoid(p.timeline.gaps)
	p.restart()
}

// shortenGap lets a gap that was read in part begin later, for the next sweep.
func (t *timeline) shortenGap(g gap, from time.Time) {
	for i := range t.gaps {
		if t.gaps[i].From.Equal(g.From) && t.gaps[i].To.Equal(g.To) && from.After(g.From) {
			t.gaps[i].From, t.gaps[i].Asked = from, time.Time{}
		}
	}
}

// noteExpand notes from where on records come without what $expand brings, and asks
// for all of them again once the refusal is forgotten.
func (t *timeline) noteExpand(before bool) {
	switch now := t.caps.takes(expand); {
	case before && !now:
		t.withoutExpandFrom = t.lookback()
		t.gaps = slices.DeleteFunc(t.gaps, func(g gap) bool {
			if g.Unexpanded { // they still do
				t.withoutExpandFrom = earlier(t.withoutExpandFrom, g.From)
			}
			return g.Unexpanded
		})
	case !before && now:
		t.noteUnexpanded()
	}
}

// noteUnexpanded makes a gap of what came without what $expand brings.
func (t *timeline) noteUnexpanded() {
	if !t.withoutExpandFrom.IsZero() && t.cursor.After(t.withoutExpandFrom) {
		t.gaps = append(t.gaps, gap{From: t.withoutExpandFrom, To: t.cursor.Add(tick), Since: t.Now().UTC(), Unexpanded: true})
	}
	t.withoutExpandFrom = time.Time{}
}

// retryGap begins with a gap that is due, if there is one: with its records one by
// one, of which those that come are published. Then the sweep follows.
func (t *timeline) retryGap(then *byTime) collect.Pager {
	now := t.Now().UTC()
	t.expireGaps(now)
	for i := range t.gaps {
		if !t.due(t.gaps[i]) || t.gaps[i].Unexpanded && !t.caps.takes(expand) {
			continue
		}
		t.gaps[i].Asked = now
		g := t.gaps[i]
		c := then.sweep.closeIn()
		c.timed, c.accounted = true, true
		c.ask = then.single(window{now: then.now, from: g.From, to: g.To}, 0)
		healed := true
		c.failed = func(error) (collect.Pager, error) { return then, nil }
		c.continueBehind = func(c *closeIn) (collect.Pager, error) {
			switch {
			case c.isolated: // it still cannot be served: read what follows it
				healed = false
				c.seek(c.came)
				return c, nil
			case c.read >= MaxPage:
				t.shortenGap(g, c.last.Newest)
			case healed:
				t.heal(g)
			}
			return then, nil
		}
		return c
	}
	return then
}
