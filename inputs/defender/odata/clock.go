package odata

import "time"

// clockTolerance is how far servers of one service may differ about the time.
const clockTolerance = time.Minute

// stretch is what a sweep has read so far without a gap, and when the newest
// part of it was asked for.
type stretch struct {
	asked time.Time
	// inOverlap says that the stretch reaches into the overlap, where records could
	// still appear when it was asked for. What follows was asked for later, and
	// does not make up for that.
	inOverlap bool
}

// ask notes when what follows the stretch was asked for.
func (s *stretch) ask(at time.Time) {
	if !s.inOverlap {
		s.asked = at
	}
}

// reach notes how far the stretch reaches; zero is the present.
func (s *stretch) reach(to time.Time, overlap time.Duration) {
	s.inOverlap = s.inOverlap || to.IsZero() || to.After(s.asked.Add(-overlap))
}

// present is the server's time when it was last asked, or ours before that.
func (t *timeline) present() time.Time {
	if t.asked.IsZero() {
		return t.Now().UTC()
	}
	return t.asked
}

// correct looks at the cursor by the server's clock. It reports whether the
// cursor was moved: the sweep then begins in the wrong place.
func (t *timeline) correct(asked time.Time) (moved bool) {
	t.asked = asked.UTC()
	first := t.initial
	t.initial = false
	limit := t.asked.Add(clockTolerance)
	switch {
	case first: // the first look-back was reckoned by our clock
		moved = t.cursor.Add(t.InitialInterval).After(limit)
		if moved {
			t.cursor = t.asked.Add(-t.InitialInterval)
		}
		return moved
	case !t.cursor.After(limit):
		t.ahead = time.Time{}
		return false
	case t.ahead.IsZero() && !t.cursor.After(t.Now().Add(clockTolerance)):
		t.ahead = t.asked // one of the clocks is wrong, perhaps only this once
		return false
	}
	if t.ahead.IsZero() {
		t.ahead = t.asked
	}
	t.cursor, t.ahead = earlier(t.asked, t.ahead).Add(-t.Overlap), time.Time{}
	t.Log.Warn("cursor lies in the future, set back to the present")
	return true
}
