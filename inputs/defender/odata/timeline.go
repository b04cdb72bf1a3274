package odata

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// timeline reads what has an update time, from a cursor to the present.
type timeline struct {
	Options
	caps   *capabilities
	cursor time.Time
	// read is when the newest stretch was asked for, by the server's clock; zero
	// where that is not known. See stretch.
	read              time.Time
	initial           bool      // nothing was read yet
	ahead             time.Time // see place
	asked             time.Time // the server's time at the last page; zero before
	gaps              []gap     // in the order of time in which they were found
	withoutExpandFrom time.Time // from where on records lack what $expand brings
	withoutExpand     int       // records that came without $expand only; see complete
	ended             time.Time // of the last complete sweep, by our clock; zero before
}

// Timeline pages through a list whose records have a time of their last update,
// Options.Updated: by time, and by $skip where the server does not sort.
func Timeline(o Options) collect.Strategy {
	variants := []option{0, orderBy, expand, orderBy | expand}
	if o.Created != "" {
		variants = append(variants, orderBy|timeFilter, orderBy|timeFilter|expand)
	}
	const none = orderBy | timeFilter | anyFilter
	return &timeline{Options: o, caps: newCapabilities(o, append(variants, none, none|expand)...)}
}

// Restore implements collect.Strategy.
func (t *timeline) Restore(saved jsontext.Value) error {
	p := place{Cursor: t.Now().UTC().Add(-t.InitialInterval), Initial: true}
	if saved != nil {
		var err error
		if p, err = readPlace(saved); err != nil {
			return err // the place in hand stays as it is
		}
	}
	*t = timeline{Options: t.Options, caps: t.caps}
	t.cursor, t.read, t.initial, t.ahead = p.Cursor, p.Read, p.Initial, p.Ahead
	t.gaps, t.withoutExpandFrom = p.Gaps, p.WithoutExpandFrom
	t.noteUnexpanded() // the server is asked in the best way again, and at once
	for i := range t.gaps {
		if t.gaps[i].Unexpanded {
			t.gaps[i].Asked = time.Time{}
		}
	}
	return nil
}

// Rewind implements collect.Strategy. A sweep looks back an overlap before the
// cursor, and so begins at from.
func (t *timeline) Rewind(from time.Time) {
	t.cursor, t.ended = earlier(t.cursor, from.Add(t.Overlap)), time.Time{}
}

// Place implements collect.Strategy. From does not follow a cursor into the
// future, from where it will be set back.
func (t *timeline) Place() collect.Place {
	p := place{
		Cursor: t.cursor, Initial: t.initial, Ahead: t.ahead, Gaps: t.gaps,
		WithoutExpandFrom: t.withoutExpandFrom,
	}
	if t.read.Before(t.cursor) {
		p.Read = t.read
	}
	from := earlier(t.lookback(), t.Now().Add(-t.Overlap))
	if !t.withoutExpandFrom.IsZero() {
		from = earlier(from, t.withoutExpandFrom)
	}
	for _, g := range t.gaps { // what is beside it is met again when it is asked for
		from = earlier(from, g.From)
	}
	return collect.Place{JSON: p.write(), From: from}
}

// Begin implements collect.Strategy.
func (t *timeline) Begin() collect.Pager {
	t.caps.begin()
	return t.begin(false)
}

// begin begins a sweep; checked says that the cursor was looked at by the
// server's clock.
func (t *timeline) begin(checked bool) collect.Pager {
	s := sweep{Options: t.Options, caps: t.caps}
	w := window{now: t.present, checked: checked}
	w.open(t.lookback(), t.caps.window)
	if t.Now().Sub(t.ended) < maxWindow {
		w.to = time.Time{} // there is no backlog, however old the last record is
	}
	switch {
	case !t.caps.takes(anyFilter):
		w.to = time.Time{}
		return &byWindow{sweep: s, timeline: t, window: w}
	case !t.caps.takes(timeFilter):
		return &byWindow{sweep: s, timeline: t, property: t.Created, window: w}
	case !t.caps.takes(orderBy):
		from, retried := t.retryByWindow(w.from)
		if from.Before(w.from) {
			w.open(from, t.caps.window)
		}
		return &byWindow{sweep: s, timeline: t, property: t.Updated, window: w, retried: retried}
	default:
		w.avoid(t.gaps)
		return t.retryGap(&byTime{sweep: s, timeline: t, window: w, begun: t.Now(), newest: t.cursor})
	}
}

// refuses begins a sweep again without one of the options that were asked for,
// where that is another way.
func (t *timeline) refuses(asked option, why error) (collect.Pager, error) {
	before := t.caps.takes(expand)
	if !t.caps.refuse(asked) {
		return nil, t.caps.exhausted(why)
	}
	t.noteExpand(before)
	return t.Begin(), why
}

// ignores begins a sweep again without an option.
func (t *timeline) ignores(o option, why error) (collect.Pager, error) {
	if !t.caps.ignore(o) {
		return nil, why
	}
	return t.Begin(), why
}

// deeper begins a sweep again with pages that need less skipping.
func (t *timeline) deeper(why error) (collect.Pager, error) {
	if !t.caps.enlarge() {
		return nil, why
	}
	return t.Begin(), why
}

// lookback is the time from which the next sweep reads: the overlap before the
// newest stretch was asked for, or before the cursor where that is earlier.
func (t *timeline) lookback() time.Time {
	from := t.cursor
	if !t.read.IsZero() {
		from = earlier(from, t.read)
	}
	if !t.caps.takes(timeFilter) && t.caps.takes(anyFilter) {
		return from.Add(-max(t.Overlap, t.ChangesFor))
	}
	return from.Add(-t.Overlap)
}

// advance moves the cursor over acknowledged records, the newest of which that
// is not of the future has this time. It never goes back.
func (t *timeline) advance(past time.Time, s stretch) {
	t.cursor = later(t.cursor, past)
	if t.ahead.IsZero() { // else the server's time is in doubt
		t.read = s.asked
	}
}

// complete ends a sweep.
func (t *timeline) complete() (collect.Pager, error) {
	before := t.caps.takes(expand)
	t.caps.relax()
	t.noteExpand(before)
	if t.ended = t.Now(); t.caps.expanded {
		t.withoutExpand, t.caps.expanded = 0, false // it takes $expand for others
	}
	return nil, nil
}

// window bounds a query by time.
type window struct {
	now  func() time.Time
	from time.Time // inclusive
	to   time.Time // exclusive; zero = the present and what comes meanwhile
	stretch
	checked bool // see timeline.begin
	// margin is how far before from is asked for: see comparisonMargin.
	margin time.Duration
}

// open begins a window. The last one has no end: what is updated while it is
// being read is met there.
func (w *window) open(from time.Time, length time.Duration) {
	w.from, w.to, w.margin = from, from.Add(length), 0
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
	from := literal(w.from.Add(-w.margin))
	if w.last() {
		return property + " ge " + from
	}
	return property + " ge " + from + " and " + property + " lt " + literal(w.to)
}
