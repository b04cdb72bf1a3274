package inputs

import (
	"context"
	"slices"
	"sync"
	"time"
)

// DefaultBatches is how many batches a process has, some 9 MiB each when they
// were full once. More of them do not store more: eight fill an Elasticsearch.
const DefaultBatches = 8

// patienceStep is how much longer than one of the next kind a stream waits for a
// batch. It is no more, so that none waits for ever.
const patienceStep = 10 * time.Second

// Batches are those of a process, which its streams share: what is in memory does
// not depend on how many streams there are. Safe for concurrent use.
type Batches struct {
	mu      sync.Mutex
	free    []*Batch
	unmade  int
	waiting []*waiter // in the order of their turn
}

// waiter is a stream without a batch. Its turn is when it came, and later the
// less urgent it is.
type waiter struct {
	turn time.Time
	got  chan *Batch
}

// NewBatches makes a pool of so many batches, each when it is needed.
func NewBatches(n int) *Batches { return &Batches{unmade: n} }

// Take waits for a batch. A lower priority goes first. The batch is empty and
// has neither target nor fallback; Give returns it. The error is that of ctx.
func (p *Batches) Take(ctx context.Context, priority int) (*Batch, error) {
	w := &waiter{time.Now().Add(time.Duration(priority) * patienceStep), make(chan *Batch, 1)}
	p.mu.Lock()
	switch {
	case ctx.Err() != nil:
		p.mu.Unlock()
		return nil, context.Cause(ctx)
	case len(p.free) > 0:
		b := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.mu.Unlock()
		return b, nil
	case p.unmade > 0:
		p.unmade--
		p.mu.Unlock()
		return NewBatch(Target{}, BatchDocuments, BatchBytes), nil
	}
	i, _ := slices.BinarySearchFunc(p.waiting, w.turn, func(other *waiter, turn time.Time) int {
		if other.turn.After(turn) {
			return 1
		}
		return -1
	})
	p.waiting = slices.Insert(p.waiting, i, w)
	p.mu.Unlock()
	select {
	case b := <-w.got:
		return b, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i = slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it came meanwhile
		p.Give(<-w.got)
	}
	return nil, context.Cause(ctx)
}

// Give returns a batch, which goes to the one who waits.
func (p *Batches) Give(b *Batch) {
	b.Reset()
	b.Target, b.Fallback = Target{}, nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.free = append(p.free, b)
		return
	}
	p.waiting[0].got <- b
	p.waiting = slices.Delete(p.waiting, 0, 1)
}
