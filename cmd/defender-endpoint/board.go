package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// board keeps the states of the units of a policy, as an agent would, and prints
// them and what was done.
type board struct {
	log    *slog.Logger
	screen *console
	// dead is closed when the output has FAILED: nothing can be published until the
	// policy is another one.
	dead chan struct{}

	mu     sync.Mutex
	states map[string]state
}

type state struct {
	state   client.UnitState
	message string
}

func newBoard(log *slog.Logger, screen *console) *board {
	return &board{log: log, screen: screen, dead: make(chan struct{}), states: map[string]state{}}
}

func (b *board) reporter(u component.Unit) component.Report {
	var once sync.Once
	return func(s client.UnitState, message string, _ map[string]any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		next := state{s, message}
		ending := s == client.UnitStateStopping || s == client.UnitStateStopped // says nothing to anyone who ended it
		if former := b.states[u.ID]; former != next && !ending {
			b.log.Info("unit state", "unit.id", u.ID, "state", s.String(), "reason", message)
		}
		b.states[u.ID] = next
		if u.Output && s == client.UnitStateFailed {
			once.Do(func() { close(b.dead) })
		}
	}
}

// troubled lists the units that failed and, where something else went wrong, every one
// that is not green: they say the same with the remedy. Without any it is what went
// wrong. Records that were quarantined and documents that were refused are stored.
func (b *board) troubled(wrong []error) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(b.states)) {
		s := b.states[id]
		if s.state == client.UnitStateFailed || s.state == client.UnitStateDegraded && len(wrong) > 0 {
			errs = append(errs, fmt.Errorf("unit %s: %s", id, s.message))
		}
	}
	if len(errs) == 0 {
		return wrong
	}
	return errs
}

// total is what all inputs together did.
func total(totals map[string]inputs.Counts) (t inputs.Counts) {
	for _, c := range totals {
		t.Records += c.Records
		t.Duplicates += c.Duplicates
		t.Documents += c.Documents
		t.Dropped += c.Dropped
		t.Quarantined += c.Quarantined
		t.Published.Add(c.Published)
		t.Backlog = max(t.Backlog, c.Backlog)
	}
	return t
}

// progress shows how far it is.
func (b *board) progress(totals map[string]inputs.Counts, taken time.Duration) {
	t := total(totals)
	text := fmt.Sprintf("%s  records %d, documents %d", taken.Round(time.Second), t.Records, t.Documents)
	if t.Backlog > 0 {
		text += fmt.Sprintf(", %s behind the present", t.Backlog.Round(time.Minute))
	}
	b.screen.show(text)
}

// sumUp writes the summary. Its numbers add up: a record was seen before or is
// mapped, and a document has one verdict.
func (b *board) sumUp(totals map[string]inputs.Counts, taken time.Duration) {
	b.screen.show("")
	t := total(totals)
	fmt.Fprintf(b.screen, "records %d = seen before %d + mapped %d (quarantined %d), documents %d = stored %d + already there %d + minimal %d + bare %d, in the failure store %d, dropped by processors %d, %.1f s\n",
		t.Records, t.Duplicates, t.Records-t.Duplicates, t.Quarantined,
		t.Documents, t.Published.Stored, t.Published.Existing, t.Published.Minimal, t.Published.Bare, t.Published.KeptAside, t.Dropped, taken.Seconds())
}
