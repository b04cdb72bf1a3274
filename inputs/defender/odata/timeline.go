package odata

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// fallbackWindow is how long after its creation a record that cannot be read by
// update time may still change: a machine action times out after 3 days and 14
// minutes (defender-api.md 3.5).
const fallbackWindow = 4 * 24 * time.Hour

// timeline reads what has an update time, from a cursor to the present.
type timeline struct {
	Options
	can    *capabilities
	cursor time.Time
}

// Timeline pages through a list whose records have a time of their last update,
// Options.Updated: by time, and by $skip where the server does not sort.
func Timeline(o Options) collect.Strategy {
	ladder := []option{0, orderBy, expand, orderBy | expand}
	if o.Created != "" {
		ladder = append(ladder, orderBy|timeFilter, orderBy|timeFilter|expand)
	}
	const none = orderBy | timeFilter | anyFilter
	return &timeline{Options: o, can: newCapabilities(o, append(ladder, none, none|expand)...)}
}

// Restore implements collect.Strategy.
func (t *timeline) Restore(saved jsontext.Value) (err error) {
	t.cursor, err = t.restore(saved)
	return err
}

// Place implements collect.Strategy.
func (t *timeline) Place() collect.Place {
	return collect.Place{JSON: writePlace(t.cursor), From: t.lookback()}
}

// Begin implements collect.Strategy.
func (t *timeline) Begin() collect.Pager {
	t.can.begin()
	s := sweep{Options: t.Options, can: t.can}
	w := window{now: t.Now}
	w.open(t.lookback(), t.can.window)
	switch {
	case !t.can.takes(anyFilter):
		w.to = time.Time{}
		return &byWindow{sweep: s, line: t, window: w}
	case !t.can.takes(timeFilter):
		return &byWindow{sweep: s, line: t, property: t.Created, window: w}
	case !t.can.takes(orderBy):
		return &byWindow{sweep: s, line: t, property: t.Updated, window: w}
	default:
		return &byTime{sweep: s, line: t, window: w, begun: t.Now(), newest: t.cursor}
	}
}

// refuses begins a sweep again without one of the options that were asked for,
// where that is another way.
func (t *timeline) refuses(asked option, why error) (collect.Pager, error) {
	if !t.can.refuse(asked) {
		return nil, t.can.exhausted(why)
	}
	return t.Begin(), why
}

// ignores begins a sweep again without an option.
func (t *timeline) ignores(o option, why error) (collect.Pager, error) {
	if !t.can.ignore(o) {
		return nil, why
	}
	return t.Begin(), why
}

// deeper begins a sweep again with pages that need less skipping.
func (t *timeline) deeper(why error) (collect.Pager, error) {
	if !t.can.enlarge() {
		return nil, why
	}
	return t.Begin(), why
}

// lookback is the time from which the next sweep reads.
func (t *timeline) lookback() time.Time {
	if !t.can.takes(timeFilter) && t.can.takes(anyFilter) {
		return t.cursor.Add(-max(t.Overlap, fallbackWindow))
	}
	return t.cursor.Add(-t.Overlap)
}

// advance moves the cursor over acknowledged records. It never goes back and
// never into the future.
func (t *timeline) advance(to time.Time) {
	t.cursor = later(t.cursor, earlier(to, t.Now().UTC()))
}

// complete ends a sweep.
func (t *timeline) complete() (collect.Pager, error) {
	t.can.relax()
	return nil, nil
}

// window bounds a query by time.
type window struct {
	now  func() time.Time
	from time.Time // inclusive
	to   time.Time // exclusive; zero = the present and whatever comes
}

// open begins a window. The last one has no end: what is updated while it is
// being read is met there.
func (w *window) open(from time.Time, length time.Duration) {
	w.from, w.to = from, from.Add(length)
	if !w.to.Before(w.now()) {
		w.to = time.Time{}
	}
}

func (w *window) last() bool { return w.to.IsZero() }

// filter is the $filter of a window, none without a property.
func (w *window) filter(property string) string {
	if property == "" {
		return ""
	}
	if w.last() {
		return property + " ge " + literal(w.from)
	}
	return property + " ge " + literal(w.from) + " and " + property + " lt " + literal(w.to)
}
