package component

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

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

// inputHealth joins the states of a unit's streams into the unit's.
type inputHealth struct {
	log *slog.Logger

	mu      sync.Mutex
	report  Report
	fault   condition // of the unit as a whole: settings; row is nil without one
	order   []string
	streams map[string]*streamHealth
	counted time.Time // when counters alone were last reported
}

// streamHealth is one stream's state; it is the stream's inputs.Reporter.
type streamHealth struct {
	unit     *inputHealth
	id       string
	interval time.Duration
	well     condition // what it is without trouble
	now      condition

	counts      inputs.Counts
	lastSuccess time.Time
	failures    int       // polls in a row
	last        condition // of the last poll, shown or not
	quarantined int       // counted since the last full poll
	tainted     int       // full polls until a quarantined record is forgotten

	// The poll under way: when it began to read, and how far behind the present
	// it was then.
	since time.Time
	lag   time.Duration

	checkpoint checkpoint

	polls chan struct{} // closed and replaced when a poll ends
}

func newInputHealth(log *slog.Logger, report Report) *inputHealth {
	return &inputHealth{log: log, report: report, streams: map[string]*streamHealth{}}
}

// add makes a stream's reporter.
func (h *inputHealth) add(stream inputs.Stream) *streamHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := stream.Key.Stream
	s := &streamHealth{
		unit: h, id: id, interval: stream.Interval, well: collecting.with(), now: firstPoll.with(),
		polls: make(chan struct{}),
	}
	if stream.Notice != "" {
		s.well = tracing.with("{cause}", stream.Notice)
	}
	if h.streams[id] == nil {
		h.order = append(h.order, id)
	}
	h.streams[id] = s
	return s
}

func (h *inputHealth) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, id)
	h.order = slices.DeleteFunc(h.order, func(other string) bool { return other == id })
}

// blame makes the unit show a fault of its own, and with nil its streams again.
func (h *inputHealth) blame(fault condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = fault
	h.tellLocked()
}

func (h *inputHealth) tellLocked() {
	if h.fault.row != nil {
		h.report(h.fault.state(), h.fault.text, nil)
		return
	}
	if len(h.streams) == 0 {
		noStreams.report(h.report)
		return
	}
	first := h.streams[h.order[0]]
	for _, id := range h.order {
		if s := h.streams[id]; s.now.weight() > first.now.weight() {
			first = s
		}
	}
	message := first.now.text
	if first.now.row != collecting {
		message = fmt.Sprintf("stream %s: %s", first.id, message)
	}
	streams, leftOut := h.payloads()
	payload := map[string]any{"streams": streams}
	if leftOut > 0 {
		payload["streams_left_out"] = leftOut
	}
	h.report(first.now.state(), message, payload)
}

// weight decides which stream speaks for its unit: the worst, and among those
// that are well one with a notice.
func (c condition) weight() int {
	w := 2 * severity(c.state())
	if c.row == tracing {
		w++
	}
	return w
}

// Report implements inputs.Reporter.
func (s *streamHealth) Report(err error) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	close(s.polls)
	s.polls = make(chan struct{})
	s.since = time.Time{}
	next := conditionOf(err)
	if next.row == throttled && s.now.row == quotaGone {
		next = s.now // the same hold, nearer to its end
	}
	s.last = next
	if err == nil {
		s.failures, s.lastSuccess = 0, time.Now()
		s.log().Debug("poll ended", "records", s.counts.Records, "documents", s.counts.Documents)
		next = s.afterSuccess()
	} else if s.failures++; next.row.Lasting && s.now.state() == client.UnitStateHealthy && s.failures < damping {
		s.log().Warn("poll failed, trying again", "error", err.Error())
		next = s.now
	}
	s.become(next, err)
	s.unit.tellLocked()
}

// afterSuccess is the condition after a full poll: well, unless records had to
// be quarantined not long ago.
func (s *streamHealth) afterSuccess() condition {
	if s.quarantined > 0 {
		s.tainted = clean
	} else if s.tainted > 0 {
		s.tainted--
	}
	s.quarantined = 0
	if s.tainted > 0 {
		return quarantined.with()
	}
	return s.well
}

func (s *streamHealth) log() *slog.Logger { return s.unit.log.With("stream.id", s.id) }

// become takes over a condition and logs a change. err, if any, says more than
// the condition's text may.
func (s *streamHealth) become(next condition, err error) {
	if next == s.now {
		return
	}
	s.now = next
	log := s.log()
	if err != nil {
		log = log.With("error", err.Error())
	}
	switch next.state() {
	case client.UnitStateHealthy:
		log.Info("stream healthy")
	case client.UnitStateFailed:
		log.Error("stream failed", "reason", next.text)
	default:
		log.Warn("stream degraded", "reason", next.text)
	}
}

// Count implements inputs.Reporter.
func (s *streamHealth) Count(c inputs.Counts) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.add(c)
	now := time.Now()
	switch {
	case s.now.row == firstPoll && c.Documents > 0: // a long backlog is collecting, not starting
		s.become(s.well, nil)
		s.unit.tellLocked()
	case s.noteLag(c.Newest, now):
		s.unit.tellLocked()
	case now.Sub(s.unit.counted) >= countEvery:
		s.unit.counted = now
		s.unit.tellLocked()
	}
}

func (s *streamHealth) add(c inputs.Counts) {
	s.counts.Records += c.Records
	s.counts.Documents += c.Documents
	s.counts.Duplicates += c.Duplicates
	s.counts.Published.Add(c.Published)
	s.counts.Dropped += c.Dropped
	s.counts.Quarantined += c.Quarantined
	s.counts.Unknown += c.Unknown
	s.counts.Backlog = c.Backlog
	s.quarantined += c.Quarantined
	if c.Newest.After(s.counts.Newest) {
		s.counts.Newest = c.Newest
	}
	if c.Quota != nil {
		s.counts.Quota = c.Quota
	}
}

// noteLag watches a poll that lasts: one that is no nearer to the present after
// many intervals is falling behind, one that gets nearer no longer is. It
// reports whether the condition changed.
func (s *streamHealth) noteLag(newest, now time.Time) bool {
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
	if lag >= s.lag && s.now.state() != client.UnitStateFailed {
		s.become(fallingBehind.with(), nil)
	} else if s.now.row == fallingBehind {
		s.become(s.well, nil)
	}
	s.since, s.lag = now, lag
	return s.now != former
}

// ended is closed when the poll under way, or the next one, has ended.
func (s *streamHealth) ended() <-chan struct{} {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	return s.polls
}

func (h *inputHealth) redirect(report Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report = report
}

var _ inputs.Reporter = (*streamHealth)(nil)
