package odata

import (
	"slices"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// maxWithoutExpand is how many records in a row come without $expand only, before the
// server counts as one that refuses it.
const maxWithoutExpand = 2

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
	case !before && now && !t.withoutExpandFrom.IsZero() && t.cursor.After(t.withoutExpandFrom):
		t.gaps = append(t.gaps, gap{From: t.withoutExpandFrom, To: t.cursor.Add(tick), Since: t.Now().UTC()})
		t.withoutExpandFrom = time.Time{}
	}
}

// retryGap begins with a gap that is due, if there is one: with its records one by
// one, of which those that come are published. Then the sweep follows.
func (t *timeline) retryGap(then *byTime) collect.Pager {
	now := t.Now().UTC()
	t.gaps = slices.DeleteFunc(t.gaps, func(g gap) bool { return now.Sub(g.Since) > gapTTL })
	for i := range t.gaps {
		if now.Sub(t.gaps[i].Asked) < gapInterval {
			continue
		}
		t.gaps[i].Asked = now
		g := t.gaps[i]
		c := then.sweep.closeIn()
		c.ask = then.single(window{now: then.now, from: g.From, to: g.To}, 0)
		healed := true
		c.failed = func(error) (collect.Pager, error) { return then, nil }
		c.continueBehind = func(c *closeIn) (collect.Pager, error) {
			if !c.isolated {
				if c.read >= MaxPage {
					t.shortenGap(g, c.last.Newest)
				} else if healed {
					t.gaps = slices.DeleteFunc(t.gaps, func(o gap) bool { return o.From.Equal(g.From) && o.To.Equal(g.To) })
				}
				return then, nil
			}
			healed = false // it still cannot be served: read what is behind it
			c.read++
			c.phase, c.size, c.found, c.isolated = seeking, 1, false, false
			return c, nil
		}
		return c
	}
	return then
}
