package componenttest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
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
	close(g.open)
	g.open = nil
}

func TestPublisherContract(t *testing.T) {
	componenttest.RunPublisherContract(t, func(*testing.T) componenttest.Subject {
		g, bad, rejected := &gate{}, "", []string(nil)
		p := &componenttest.Publisher{Before: g.pass, Reject: func(d inputs.Document) bool {
			if d.ID == bad {
				rejected = append(rejected, d.ID)
			}
			return d.ID == bad
		}}
		return componenttest.Subject{
			Publisher: p, Documents: p.Documents, Down: g.down, Heal: g.heal,
			Reject: func(id string) { bad = id }, Rejections: func() []string { return rejected }, KnowsIDs: true,
		}
	})
}
