package health

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Refuse makes the stream show that its settings cannot be used. The unit reports
// when all of its streams are there.
func (s *Stream) Refuse(fault error) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.failures, s.last = 1, causedBy(badSetting, fault)
	s.become(s.last, nil)
}

// TakeOver continues where the stream's former run ended, and returns when the
// next poll is due: an interval after the end of the last one, which is later
// than without the restart by no more than that poll took. Before the end of the first
// one it is due at once: so it is after a poll that failed, of which nothing is taken
// over.
func (s *Stream) TakeOver(former *Stream) (due time.Time) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	if former.failures > 0 {
		return time.Time{}
	}
	s.counts, s.lastSuccess, s.checkpoint = former.counts, former.lastSuccess, former.checkpoint
	s.quarantined, s.untilForgotten = former.quarantined, former.untilForgotten
	if s.now = former.now; former.now == former.well {
		s.now = s.well
	}
	if s.lastSuccess.IsZero() {
		return time.Time{}
	}
	return s.lastSuccess.Add(s.interval)
}

// headLimit is how much is kept of a checkpoint, bytes: place and time are at
// its beginning.
const headLimit = 1 << 10

// checkpoint is what is remembered of a stream's newest checkpoint.
type checkpoint struct {
	head  []byte
	size  int
	saved time.Time // by this process; zero where it was only loaded
}

// Checkpointed notes the stream's newest checkpoint, for diagnostics. saved is
// the zero time where it was only loaded.
func (s *Stream) Checkpointed(value []byte, saved time.Time) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.checkpoint = checkpoint{append(s.checkpoint.head[:0:0], value[:min(len(value), headLimit)]...), len(value), saved}
}

// Details is the stream's state for diagnostics, and the beginning of its newest
// checkpoint.
func (s *Stream) Details() (state map[string]any, saved []byte) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	p := s.payload()
	p["failed_polls"] = s.failures
	if s.failures > 0 {
		p["last_failure"] = s.last.text
	}
	p["checkpoint_bytes"] = s.checkpoint.size
	if !s.checkpoint.saved.IsZero() {
		p["checkpoint_saved"] = Stamp(s.checkpoint.saved)
	}
	return p, s.checkpoint.head
}

// Outcome is how the last poll ended.
func (s *Stream) Outcome() (result map[string]any, fault string) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	if s.failures > 0 {
		fault = s.last.text
	}
	return s.payload(), fault
}

// Status is what the stream shows; its key is that of the stream it was made for.
func (s *Stream) Status() inputs.StreamStatus {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	return inputs.StreamStatus{
		State: s.now.state.String(), Healthy: s.now.state == Healthy, Reason: s.now.text,
		Counts: s.counts, LastSuccess: s.lastSuccess,
	}
}
