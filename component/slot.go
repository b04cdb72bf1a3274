package component

import (
	"context"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// slot holds the current output. Streams publish through it and do not notice
// when the output is swapped: what was in flight is sent again to the new one.
type slot struct {
	mu      sync.Mutex
	current *plugged      // nil while there is no output
	changed chan struct{} // closed at the next change
}

// plugged is an output in use.
type plugged struct {
	output output.Output
	life   context.Context // ends when the output is unplugged
	unplug context.CancelFunc
	users  sync.WaitGroup
}

func newSlot() *slot { return &slot{changed: make(chan struct{})} }

// plug puts an output in place of the former one, which it closes once nothing
// is using it any more. With nil, publishing waits.
func (s *slot) plug(out output.Output) error {
	var next *plugged
	if out != nil {
		life, cancel := context.WithCancel(context.Background())
		next = &plugged{output: out, life: life, unplug: cancel}
	}
	s.mu.Lock()
	former := s.current
	s.current = next
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if former == nil {
		return nil
	}
	former.unplug()
	former.users.Wait()
	return former.output.Close()
}

// Publish implements inputs.Publisher.
func (s *slot) Publish(ctx context.Context, b *inputs.Batch) error {
	for {
		p, err := s.take(ctx)
		if err != nil {
			return err
		}
		swapped, err := p.publish(ctx, b)
		if !swapped {
			return err
		}
	}
}

// take waits for an output.
func (s *slot) take(ctx context.Context) (*plugged, error) {
	for {
		s.mu.Lock()
		p, changed := s.current, s.changed
		if p != nil {
			p.users.Add(1)
		}
		s.mu.Unlock()
		if p != nil {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

func (p *plugged) publish(ctx context.Context, b *inputs.Batch) (swapped bool, err error) {
	defer p.users.Done()
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	err = p.output.Publish(both, b)
	return err != nil && ctx.Err() == nil && p.life.Err() != nil, err
}
