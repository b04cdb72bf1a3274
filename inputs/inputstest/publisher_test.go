package inputstest_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// gate is what a Publisher waits at while it is closed.
type gate struct {
	mu    sync.Mutex
	open  chan struct{} // nil: open
	tried chan<- struct{}
}

func (g *gate) pass(ctx context.Context, _ *inputs.Batch) error {
	g.mu.Lock()
	open, tried := g.open, g.tried
	g.mu.Unlock()
	if open == nil {
		return nil
	}
	select {
	case tried <- struct{}{}:
	default:
	}
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) down(tried chan<- struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.tried = make(chan struct{}), tried
}

func (g *gate) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		return
	}
	close(g.open)
	g.open = nil
}

func TestPublisherContract(t *testing.T) {
	inputstest.RunPublisherContract(t, func(*testing.T) inputstest.Subject {
		g, bad, refused := &gate{}, []string(nil), []string(nil)
		p := &inputstest.Publisher{Before: g.pass, Refuse: func(d inputs.Document) bool {
			if slices.Contains(bad, d.ID) {
				refused = append(refused, d.ID)
			}
			return slices.Contains(bad, d.ID)
		}}
		return inputstest.Subject{
			Publisher: p, Documents: p.Documents, Down: g.down, Heal: func() { bad = nil; g.heal() },
			Refuse: func(ids ...string) { bad = ids }, Refusals: func() []string { return refused }, KnowsIDs: true,
		}
	})
}
