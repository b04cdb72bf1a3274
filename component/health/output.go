package health

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// refusalsKept is how many refused documents diagnostics show.
	refusalsKept = 100
	// refusalsEvery is how often a kind of refusal makes a log line.
	refusalsEvery = time.Minute
)

// Output is an output's output.Reporter.
type Output struct {
	log  *slog.Logger
	kind *output.Kind

	mu             sync.Mutex
	report         Report
	now            shown
	total          inputs.Result
	refused        int
	shownRefused   int                       // refused, in the last report
	reportedAt     time.Time                 // of the last report
	recent         []output.Refusal          // the newest, oldest first
	lines          map[refusalKind]*unlogged // log lines that are due
	loss           *inputs.Condition         // what the newest refusal is shown as; nil where there is no row for it
	fresh          bool                      // there was a refusal since the last delivery
	untilForgotten int                       // deliveries until a refusal is forgotten
}

// refusalKind is what refusals in one log line have in common.
type refusalKind struct{ target, kind string }

// unlogged are the refusals of a kind that no log line has reported.
type unlogged struct {
	newest output.Refusal
	count  int
	logged time.Time // when the last line was written
}

// NewOutput makes the tracker of an output unit.
func NewOutput(kind *output.Kind, log *slog.Logger, report Report) *Output {
	return &Output{kind: kind, log: log, report: report, now: publishing, lines: map[refusalKind]*unlogged{}}
}

// Report implements output.Reporter.
func (h *Output) Report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var next shown
	if err == nil {
		next = h.afterDelivery()
	} else {
		next = showOutput(h.kind, err)
	}
	h.logRefusals(false)
	if next == h.now {
		if h.shownRefused != h.refused {
			h.reportLocked()
		}
		return
	}
	if err != nil {
		h.log.Warn("output degraded", "reason", next.text, "error", err.Error())
	} else if next == publishing {
		h.log.Info("output healthy")
	}
	h.now = next
	h.reportLocked()
}

func (h *Output) afterDelivery() shown {
	if !h.fresh && h.untilForgotten > 0 {
		h.untilForgotten--
	}
	h.fresh = false
	if h.untilForgotten > 0 && h.loss != nil {
		return show(inputs.Diagnosis{Condition: h.loss})
	}
	return publishing
}

// Refused implements output.Reporter.
func (h *Output) Refused(r output.Refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused++
	h.fresh, h.untilForgotten = true, output.CleanDeliveries
	if len(h.recent) == refusalsKept {
		h.recent = slices.Delete(h.recent, 0, 1)
	}
	h.recent = append(h.recent, r)
	h.note(r)
	h.loss = h.kind.Refused
	if r.KeptAside {
		h.loss = cmp.Or(h.kind.KeptAside, h.loss)
	}
	if h.loss != nil && h.now == publishing {
		h.now = show(inputs.Diagnosis{Condition: h.loss})
		h.reportLocked()
	}
}

// note counts a refusal for its log line.
func (h *Output) note(r output.Refusal) {
	k := refusalKind{r.Target, r.Type}
	t := h.lines[k]
	if t == nil {
		if len(h.lines) == refusalsKept {
			h.logRefusals(true)
			clear(h.lines)
		}
		t = &unlogged{}
		h.lines[k] = t
	}
	t.newest = r
	t.count++
}

// logRefusals writes a line for each kind of refusal, at most one a minute unless
// all are to be logged.
func (h *Output) logRefusals(all bool) {
	for _, t := range h.lines {
		if t.count == 0 || !all && time.Since(t.logged) < refusalsEvery {
			continue
		}
		r := &t.newest
		h.log.Warn("documents refused and stored in a lesser form",
			"target", r.Target, "error.type", cmp.Or(r.Type, "unknown"), "status", r.Status, "field", r.Field, "count", t.count)
		t.count, t.logged = 0, time.Now()
	}
}

// Delivered implements output.Reporter.
func (h *Output) Delivered(r inputs.Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total.Add(r)
	if r.Minimal+r.Bare > 0 || time.Since(h.reportedAt) >= refusalsEvery {
		h.reportLocked()
	}
}

func (h *Output) reportLocked() {
	h.shownRefused, h.reportedAt = h.refused, time.Now()
	h.report(h.now.state, h.now.text, Published(map[string]any{}, h.total))
}

// Now is the output's state and its words.
func (h *Output) Now() (State, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now.state, h.now.text
}

// End logs the refusals that no line has reported yet.
func (h *Output) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logRefusals(true)
}

// Refuse makes the output show that its settings are refused.
func (h *Output) Refuse(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = causedBy(badOutput, err)
	h.log.Error("output configuration refused", "error", err.Error())
	h.reportLocked()
}

// Refusals are how many documents were refused, what became of all, and the
// newest refusals.
func (h *Output) Refusals() (total int, published inputs.Result, newest []output.Refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused, h.total, slices.Clone(h.recent)
}

// Redirect makes states go to another unit object of the same unit.
func (h *Output) Redirect(report Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report = report
	h.reportLocked()
}

var _ output.Reporter = (*Output)(nil)
