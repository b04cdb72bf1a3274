package component

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// inputHealth joins the states of a unit's streams into the unit's.
type inputHealth struct {
	log *slog.Logger

	mu      sync.Mutex
	report  Report
	order   []string
	streams map[string]*streamHealth
}

// streamHealth is one stream's state; it is the stream's inputs.Reporter.
type streamHealth struct {
	unit        *inputHealth
	id          string
	now         condition
	counts      inputs.Counts
	lastSuccess time.Time
}

var starting = condition{state: client.UnitStateConfiguring, text: "first poll under way"}

func newInputHealth(log *slog.Logger, report Report) *inputHealth {
	return &inputHealth{log: log, report: report, streams: map[string]*streamHealth{}}
}

// add makes a stream's reporter.
func (h *inputHealth) add(id string) *streamHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &streamHealth{unit: h, id: id, now: starting}
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
	for i := range h.order {
		if h.order[i] == id {
			h.order = append(h.order[:i], h.order[i+1:]...)
			return
		}
	}
}

// tell reports the unit as its streams are.
func (h *inputHealth) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellLocked()
}

func (h *inputHealth) tellLocked() {
	if len(h.streams) == 0 {
		h.report(client.UnitStateDegraded, "no stream is enabled; enable one in the policy", nil)
		return
	}
	worst, message := client.UnitStateHealthy, "collecting"
	streams := make(map[string]any, len(h.streams))
	for _, id := range h.order {
		s := h.streams[id]
		streams[id] = s.payload()
		if severity(s.now.state) > severity(worst) {
			worst, message = s.now.state, fmt.Sprintf("stream %s: %s", id, s.now.text)
		}
	}
	h.report(worst, message, map[string]any{"streams": streams})
}

// severity orders states as Beats do: FAILED, then DEGRADED, then what is not
// running yet.
func severity(s client.UnitState) int {
	switch s {
	case client.UnitStateFailed:
		return 3
	case client.UnitStateDegraded:
		return 2
	case client.UnitStateConfiguring:
		return 1
	default:
		return 0
	}
}

// Report implements inputs.Reporter.
func (s *streamHealth) Report(err error) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	next := conditionOf(err)
	if next != s.now {
		s.logChange(next, err)
	}
	s.now = next
	if err == nil {
		s.lastSuccess = time.Now()
	}
	s.unit.tellLocked()
}

func (s *streamHealth) logChange(next condition, err error) {
	log := s.unit.log.With("stream.id", s.id)
	switch next.state {
	case client.UnitStateHealthy:
		log.Info("stream healthy")
	case client.UnitStateFailed:
		log.Error("stream failed", "error", err.Error())
	default:
		log.Warn("stream degraded", "error", err.Error())
	}
}

// Count implements inputs.Reporter.
func (s *streamHealth) Count(c inputs.Counts) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.counts.Records += c.Records
	s.counts.Documents += c.Documents
	s.counts.Duplicates += c.Duplicates
	s.counts.Rejected += c.Rejected
	s.counts.Dropped += c.Dropped
	s.counts.Quarantined += c.Quarantined
	s.counts.Unknown += c.Unknown
	if c.Newest.After(s.counts.Newest) {
		s.counts.Newest = c.Newest
	}
	// A long backlog is collecting, not starting.
	if s.now == starting && c.Documents > 0 {
		s.now = healthy
		s.unit.tellLocked()
	}
}

// payload is the shape Beats report per stream (agent-contract.md 2.5), with
// counters beside it.
func (s *streamHealth) payload() map[string]any {
	p := map[string]any{
		"status":      s.now.state.String(),
		"error":       "",
		"records":     s.counts.Records,
		"documents":   s.counts.Documents,
		"duplicates":  s.counts.Duplicates,
		"rejected":    s.counts.Rejected,
		"dropped":     s.counts.Dropped,
		"quarantined": s.counts.Quarantined,
		"unknown":     s.counts.Unknown,
	}
	if s.now.state != client.UnitStateHealthy {
		p["error"] = s.now.text
	}
	if !s.counts.Newest.IsZero() {
		p["newest_record"] = s.counts.Newest.UTC().Format(time.RFC3339)
	}
	return p
}

// outputHealth is an output's output.Reporter.
type outputHealth struct {
	log *slog.Logger

	mu       sync.Mutex
	report   Report
	now      condition
	rejected int
}

func newOutputHealth(log *slog.Logger, report Report) *outputHealth {
	return &outputHealth{log: log, report: report}
}

// Report implements output.Reporter.
func (h *outputHealth) Report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := outputConditionOf(err)
	if next == h.now {
		return
	}
	if err != nil {
		h.log.Warn("output degraded", "error", err.Error())
	} else if h.now.text != "" {
		h.log.Info("output healthy")
	}
	h.now = next
	h.tellLocked()
}

// Rejected implements output.Reporter.
func (h *outputHealth) Rejected(r output.Rejection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rejected++
	h.log.Warn("document rejected", "target", r.Target, "document.id", r.ID, "status", r.Status, "error.type", r.Type)
	h.tellLocked()
}

func (h *outputHealth) tellLocked() {
	payload := map[string]any{"rejected": h.rejected}
	switch {
	case h.now.text != "":
		h.report(h.now.state, h.now.text, payload)
	case h.rejected > 0:
		h.report(client.UnitStateDegraded, "documents were rejected for good; the log names their ids and error types, mend the index template or pipeline", payload)
	default:
		h.report(client.UnitStateHealthy, "publishing", payload)
	}
}

// redirect makes states go to another unit object of the same unit.
func (h *outputHealth) redirect(report Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report = report
	h.tellLocked()
}

func (h *inputHealth) redirect(report Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report = report
}

var (
	_ inputs.Reporter = (*streamHealth)(nil)
	_ output.Reporter = (*outputHealth)(nil)
)
