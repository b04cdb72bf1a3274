package health

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Report receives a state, a message for people and a payload that fits
// structpb. It must not block.
type Report func(state State, message string, payload map[string]any)

// Input joins the states of a unit's streams into the unit's.
type Input struct {
	Log      *slog.Logger
	diagnose Diagnose

	mu      sync.Mutex
	report  Report
	fault   shown // of the unit as a whole: settings; the zero value without one
	order   []string
	streams map[string]*Stream
	counted time.Time // when counters alone were last reported
}

// NewInput makes the tracker of an input unit. diagnose knows the input's rows.
func NewInput(log *slog.Logger, diagnose Diagnose, report Report) *Input {
	return &Input{Log: log, diagnose: diagnose, report: report, streams: map[string]*Stream{}}
}

// Add makes a stream's tracker.
func (h *Input) Add(stream inputs.Stream) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := stream.Key.Stream
	s := &Stream{
		unit: h, id: id, interval: stream.Interval, well: collectingWith(stream.Notice), now: firstPoll,
		polls: make(chan struct{}),
	}
	if h.streams[id] == nil {
		h.order = append(h.order, id)
	}
	h.streams[id] = s
	return s
}

// Remove forgets a stream.
func (h *Input) Remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, id)
	h.order = slices.DeleteFunc(h.order, func(other string) bool { return other == id })
}

// Totals are the counters of all streams together; Backlog is the longest of theirs.
// The payload has no room for those of many streams.
func (h *Input) Totals() inputs.Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	var total inputs.Counts
	for _, s := range h.streams {
		sum(&total, s.counts)
		total.Backlog = max(total.Backlog, s.counts.Backlog)
	}
	return total
}

// Refuse makes the unit show that its settings cannot be used at all. After nil
// it shows its streams again.
func (h *Input) Refuse(fault error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = shown{}
	if fault != nil {
		h.Log.Error("input configuration refused", "error", fault.Error())
		h.fault = causedBy(badInput, fault)
	}
	h.tellLocked()
}

// Redirect makes states go to another unit object of the same unit.
func (h *Input) Redirect(report Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report = report
}

func (h *Input) tellLocked() {
	now, message := h.nowLocked()
	if h.fault.row != nil || len(h.streams) == 0 {
		h.report(now.state, message, nil)
		return
	}
	streams, leftOut := h.payloads()
	payload := map[string]any{"streams": streams}
	if leftOut > 0 {
		payload["streams_left_out"] = leftOut
	}
	h.report(now.state, message, payload)
}

// nowLocked is what the unit shows, and its words.
func (h *Input) nowLocked() (now shown, message string) {
	if h.fault.row != nil {
		return h.fault, h.fault.text
	}
	if len(h.streams) == 0 {
		none := show(inputs.Diagnosis{Condition: noStreams})
		return none, none.text
	}
	first := h.streams[h.order[0]]
	for _, id := range h.order {
		if s := h.streams[id]; s.now.weight() > first.now.weight() {
			first = s
		}
	}
	if first.now == collecting {
		return first.now, first.now.text
	}
	return first.now, fmt.Sprintf("stream %s: %s", first.id, first.now.text)
}

// Now is the unit's state and its words.
func (h *Input) Now() (State, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, message := h.nowLocked()
	return now.state, message
}

// weight decides which stream speaks for its unit: the worst, and among those
// that are well one with a notice.
func (s shown) weight() int {
	w := 2 * int(s.state)
	if s.notice {
		w++
	}
	return w
}
