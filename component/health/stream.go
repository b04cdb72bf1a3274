package health

import (
	"log/slog"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// countEvery bounds how often counters alone make a report while a poll is
	// under way; its end reports in any case.
	countEvery = 5 * time.Second
	// behind is after how many intervals a poll that gets no nearer to the
	// present is falling behind.
	behind = 10
	// damping is how many polls in a row must fail before trouble that may be
	// over with the next one is shown by a unit that was well.
	damping = 2
)

// Stream is one stream's state; it is the stream's inputs.Reporter.
type Stream struct {
	unit     *Input
	id       string
	interval time.Duration
	well     shown // what it is without trouble
	now      shown

	counts         inputs.Counts
	lastSuccess    time.Time
	failures       int   // polls in a row
	last           shown // of the last poll, shown or not
	quarantined    int   // counted since the last full poll
	untilForgotten int   // full polls until a quarantined record is forgotten

	// The stretch of the poll under way that noteLag looks at: when it began, zero
	// before the poll counted a record, and how far behind the present it was then.
	since time.Time
	lag   time.Duration

	checkpoint checkpoint

	polls chan struct{} // closed and replaced when a poll ends
}

// Report implements inputs.Reporter.
func (s *Stream) Report(err error) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	close(s.polls)
	s.polls = make(chan struct{})
	s.since = time.Time{}
	next := collecting
	if err != nil {
		next = s.unit.diagnose.show(err)
	}
	if now := s.now.row; now != nil && next.row != nil && now.Covers == next.row {
		next = s.now // the same trouble, nearer to its end
	}
	s.last = next
	if err == nil || next.row.Worked {
		s.failures, s.lastSuccess = 0, time.Now()
		s.Log().Debug("poll ended", "records", s.counts.Records, "documents", s.counts.Documents)
		if after := s.afterSuccess(); err == nil || after.state > next.state {
			next = after
		}
	} else if s.failures++; next.row.Lasting && s.now.state == Healthy && s.failures < damping {
		s.Log().Warn("poll failed, trying again", "error", err.Error())
		next = s.now
	}
	s.become(next, err)
	s.unit.tellLocked()
}

// afterSuccess is the condition after a full poll: well, unless records had to
// be quarantined not long ago.
func (s *Stream) afterSuccess() shown {
	if s.quarantined > 0 {
		s.untilForgotten = clean
	} else if s.untilForgotten > 0 {
		s.untilForgotten--
	}
	s.quarantined = 0
	if s.untilForgotten > 0 {
		return show(inputs.Diagnosis{Condition: quarantined})
	}
	return s.well
}

// Log is the logger of the stream.
func (s *Stream) Log() *slog.Logger { return s.unit.Log.With("stream.id", s.id) }

// become takes over a condition and logs a change. err, if any, says more than
// the condition's text may.
func (s *Stream) become(next shown, err error) {
	if next == s.now {
		return
	}
	s.now = next
	log := s.Log()
	if err != nil {
		log = log.With("error", err.Error())
	}
	switch next.state {
	case Healthy:
		log.Info("stream healthy")
	case Failed:
		log.Error("stream failed", "reason", next.text)
	default:
		log.Warn("stream degraded", "reason", next.text)
	}
}

// Count implements inputs.Reporter.
func (s *Stream) Count(c inputs.Counts) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.add(c)
	now := time.Now()
	switch {
	case s.now == firstPoll && c.Documents > 0: // a long backlog is collecting, not starting
		s.become(s.well, nil)
		s.unit.tellLocked()
	case s.noteLag(c.Newest, now):
		s.unit.tellLocked()
	case now.Sub(s.unit.counted) >= countEvery:
		s.unit.counted = now
		s.unit.tellLocked()
	}
}

func (s *Stream) add(c inputs.Counts) {
	sum(&s.counts, c)
	s.counts.Backlog = c.Backlog
	s.quarantined += c.Quarantined
	if c.Quota != nil {
		s.counts.Quota = c.Quota
	}
	if !c.CredentialsEnd.IsZero() {
		s.counts.CredentialsEnd = c.CredentialsEnd
	}
}

// sum adds the counters of which there are totals.
func sum(to *inputs.Counts, c inputs.Counts) {
	to.Records += c.Records
	to.Documents += c.Documents
	to.Duplicates += c.Duplicates
	to.Published.Add(c.Published)
	to.Dropped += c.Dropped
	to.Quarantined += c.Quarantined
	to.Unknown += c.Unknown
	if c.Newest.After(to.Newest) {
		to.Newest = c.Newest
	}
}

// noteLag watches a poll that lasts: one that is no nearer to the present after
// many intervals is falling behind, one that gets nearer no longer is. It
// reports whether the condition changed.
func (s *Stream) noteLag(newest, now time.Time) bool {
	if newest.IsZero() {
		return false
	}
	lag := now.Sub(newest)
	if s.since.IsZero() {
		s.since, s.lag = now, lag
	}
	if now.Sub(s.since) < behind*max(s.interval, time.Second) {
		return false
	}
	former := s.now
	if lag >= s.lag && s.now.state != Failed {
		s.become(show(inputs.Diagnosis{Condition: fallingBehind}), nil)
	} else if s.now.row == fallingBehind {
		s.become(s.well, nil)
	}
	s.since, s.lag = now, lag
	return s.now != former
}

// Ended is closed when the poll under way, or the next one, has ended.
func (s *Stream) Ended() <-chan struct{} {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	return s.polls
}

var _ inputs.Reporter = (*Stream)(nil)
