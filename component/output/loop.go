package output

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Options bound a Loop.
type Options struct {
	BulkMax int // most documents in one Send; 0 is 1600
	Workers int // most Sends at once, over all Publish calls; 0 is 1
	// The wait after a failed attempt is random between nothing and a bound
	// that starts at BackoffInit (0 is 1s) and doubles up to BackoffMax (0 is 60s).
	BackoffInit, BackoffMax time.Duration
}

// Loop is a Publisher over a Sender: it splits batches, sends what was not
// taken again, sends what was refused in a lesser form, and calls the Reporter.
type Loop struct {
	sender   Sender
	options  Options
	reporter Reporter
	slots    chan struct{} // one element per Send under way
	passed   atomic.Uint64 // documents that got through, of all chunks
	spare    sync.Pool     // *scratch, without it +100 B for each document

	mu       sync.Mutex       // orders calls of Report
	troubled map[*chunk]error // whose failure was reported and that did not move since
	waiting  map[*chunk]error // before their next attempt, after that error
}

var _ inputs.Publisher = (*Loop)(nil)

// NewLoop makes a Loop. The Reporter's methods must not call the Loop.
func NewLoop(s Sender, o Options, r Reporter) *Loop {
	o.BulkMax = cmp.Or(max(o.BulkMax, 0), inputs.BatchDocuments)
	o.Workers = cmp.Or(max(o.Workers, 0), 1)
	o.BackoffInit = cmp.Or(max(o.BackoffInit, 0), time.Second)
	o.BackoffMax = max(cmp.Or(max(o.BackoffMax, 0), time.Minute), o.BackoffInit)
	return &Loop{
		sender: s, options: o, reporter: r, slots: make(chan struct{}, o.Workers),
		troubled: map[*chunk]error{}, waiting: map[*chunk]error{},
	}
}

// Publish implements inputs.Publisher.
func (l *Loop) Publish(ctx context.Context, b *inputs.Batch) error {
	memory, ok := l.spare.Get().(*scratch)
	if !ok {
		memory = &scratch{}
	}
	defer l.spare.Put(memory)
	chunks := l.split(b, memory.of(b.Len()))
	var group errgroup.Group
	group.SetLimit(l.options.Workers)
	for _, c := range chunks {
		group.Go(func() error { return c.deliver(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.Result = inputs.Result{}
	for _, c := range chunks {
		b.Result.Add(c.result)
	}
	if b.Len() > 0 {
		l.reporter.Delivered(b.Result)
	}
	return nil
}

// scratch is what the chunks of a batch work with.
type scratch struct {
	items     []item
	documents []inputs.Document
	verdicts  []Verdict
}

// of makes it as long as a batch.
func (s *scratch) of(n int) *scratch {
	s.items = slices.Grow(s.items[:0], n)[:n]
	s.documents = slices.Grow(s.documents[:0], n)[:n]
	s.verdicts = slices.Grow(s.verdicts[:0], n)[:n]
	return s
}

func (l *Loop) split(b *inputs.Batch, s *scratch) []*chunk {
	for i := range s.items {
		s.items[i] = item{position: i}
	}
	chunks := make([]*chunk, 0, b.Len()/l.options.BulkMax+1)
	for start := 0; start < b.Len(); {
		end := start + min(l.options.BulkMax, b.Len()-start)
		chunks = append(chunks, &chunk{
			loop: l, batch: b, fresh: s.items[start:end:end], documents: s.documents[start:end:end], verdicts: s.verdicts[start:end],
			most: end - start, bound: end - start, wake: make(chan struct{}, 1),
		})
		start = end
	}
	return chunks
}

func (l *Loop) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
