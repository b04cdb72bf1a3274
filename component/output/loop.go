package output

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
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
// taken again, and tells the Reporter.
type Loop struct {
	sender   Sender
	options  Options
	reporter Reporter
	slots    chan struct{} // one element per Send under way

	mu      sync.Mutex // orders calls of Report
	trouble int        // chunks whose failure was reported and that did not move since
}

var _ inputs.Publisher = (*Loop)(nil)

// NewLoop makes a Loop. The Reporter's Report must not call the Loop.
func NewLoop(s Sender, o Options, r Reporter) *Loop {
	o.BulkMax = cmp.Or(max(o.BulkMax, 0), inputs.BatchDocuments)
	o.Workers = cmp.Or(max(o.Workers, 0), 1)
	o.BackoffInit = cmp.Or(max(o.BackoffInit, 0), time.Second)
	o.BackoffMax = max(cmp.Or(max(o.BackoffMax, 0), time.Minute), o.BackoffInit)
	return &Loop{sender: s, options: o, reporter: r, slots: make(chan struct{}, o.Workers)}
}

// Publish implements inputs.Publisher.
func (l *Loop) Publish(ctx context.Context, b *inputs.Batch) error {
	chunks := l.split(b)
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
		b.Result.Stored += c.result.Stored
		b.Result.Existing += c.result.Existing
		b.Result.FailureStore += c.result.FailureStore
		b.Result.Rejected += c.result.Rejected
	}
	return nil
}

func (l *Loop) split(b *inputs.Batch) []*chunk {
	positions, verdicts := make([]int, b.Len()), make([]Verdict, b.Len())
	for i := range positions {
		positions[i] = i
	}
	chunks := make([]*chunk, 0, b.Len()/l.options.BulkMax+1)
	for start := 0; start < b.Len(); {
		end := start + min(l.options.BulkMax, b.Len()-start)
		chunks = append(chunks, &chunk{
			loop: l, batch: b, positions: positions[start:end], verdicts: verdicts[start:end], bound: end - start,
		})
		start = end
	}
	return chunks
}

// chunk is the part of a batch that one goroutine delivers.
type chunk struct {
	loop      *Loop
	batch     *inputs.Batch
	positions []int     // of the documents without a verdict yet
	verdicts  []Verdict // scratch, at least as long as positions
	bound     int       // most documents in one Send; smaller after TooLarge
	result    inputs.Result

	failures int           // attempts in a row that moved nothing
	wait     time.Duration // upper bound of the next wait
	reported bool          // counted in loop.trouble
}

// deliver sends until no document is left or ctx ends.
func (c *chunk) deliver(ctx context.Context) error {
	defer c.forget()
	for len(c.positions) > 0 {
		if err := c.loop.acquire(ctx); err != nil {
			return err
		}
		sent := min(c.bound, len(c.positions))
		err := c.send(ctx, sent)
		<-c.loop.slots
		if len(c.positions) == 0 {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if KindOf(err) == TooLarge {
			c.shrink(sent)
			continue
		}
		if err == nil {
			continue
		}
		if err := c.pause(ctx, err); err != nil {
			return err
		}
	}
	c.loop.healed(c)
	return nil
}

// send tries the first n documents once and keeps those that must be sent
// again. It returns an error where some of them were left.
func (c *chunk) send(ctx context.Context, n int) error {
	verdicts := c.verdicts[:n]
	clear(verdicts)
	err := c.loop.sender.Send(ctx, c.batch, c.positions[:n], verdicts)
	left := c.positions[:0]
	for i, v := range verdicts {
		if v == Retry {
			left = append(left, c.positions[i])
		}
		count(&c.result, v)
	}
	kept := len(left)
	c.positions = append(left, c.positions[n:]...)
	if kept < n {
		c.moved()
	}
	switch {
	case kept == 0:
		return nil
	case err == nil:
		return &Error{Op: "publish", Kind: Busy}
	default:
		return err
	}
}

// moved notes that documents got through: what failed before is over.
func (c *chunk) moved() {
	c.failures, c.wait = 0, 0
	if c.reported {
		c.loop.healed(c)
	}
}

func count(r *inputs.Result, v Verdict) {
	switch v {
	case Stored:
		r.Stored++
	case Existing:
		r.Existing++
	case FailureStore:
		r.FailureStore++
	case Rejected:
		r.Rejected++
	}
}

// shrink halves the next request after one of n documents was too large. Of a
// single document there is no half: it is refused for good, and since it may
// have been the cause alone, the next request is of full size again.
func (c *chunk) shrink(n int) {
	if n > 1 {
		c.bound = n / 2
		return
	}
	d := c.batch.At(c.positions[0])
	c.positions, c.bound = c.positions[1:], c.loop.options.BulkMax
	c.moved()
	c.result.Rejected++
	c.loop.reporter.Rejected(Rejection{
		Target: c.batch.Target.Name(), ID: d.ID,
		Status: http.StatusRequestEntityTooLarge, Type: "request_too_large",
	})
}

// pause waits before the next attempt, and reports from the second failure on.
func (c *chunk) pause(ctx context.Context, err error) error {
	o := c.loop.options
	c.wait = min(max(2*c.wait, o.BackoffInit), o.BackoffMax)
	if c.failures++; c.failures > 1 {
		c.loop.failed(c, err)
		if needsPerson(KindOf(err)) {
			c.wait = o.BackoffMax
		}
	}
	timer := time.NewTimer(rand.N(c.wait + 1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func needsPerson(k Kind) bool { return k == Unauthorized || k == Forbidden || k == Refused }

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

// failed reports trouble of a chunk that does not move.
func (l *Loop) failed(c *chunk, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.reported {
		c.reported = true
		l.trouble++
	}
	l.reporter.Report(err)
}

// healed reports that a chunk got through, unless another one is in trouble.
func (l *Loop) healed(c *chunk) {
	c.forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble == 0 {
		l.reporter.Report(nil)
	}
}

// forget takes the chunk out of those in trouble: it got through, or its
// Publish was given up.
func (c *chunk) forget() {
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if c.reported {
		c.reported = false
		c.loop.trouble--
	}
}
