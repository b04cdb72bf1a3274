package defender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// retryAfter is the pause after a failed poll, where the interval is longer.
const retryAfter = 30 * time.Second

// collector reads one stream's resource. It is used by one goroutine.
type collector struct {
	resource *resource
	config   Config
	client   *api.Client
	env      inputs.Env
	key      inputs.Key
	log      *slog.Logger

	state    state
	restored bool
	changed  bool  // since it was saved
	unsaved  error // why it could not be saved
	envelope *envelope
	mapper   mapper
	batch    *inputs.Batch
	counts   inputs.Counts
	backlog  time.Duration // see inputs.Counts

	// late outlives a stop by the grace: for the batch in hand and the cursor.
	late context.Context //nolint:containedctx // it is that of run

	server  server // what the server is known to take
	hash    xxhash.Digest
	pending map[uint64]uint32 // met, but not in state.seen yet
	met     prints            // by the sweep under way, of a resource that is swept
}

// run polls until ctx ends, or once with env.Once.
func (c *collector) run(ctx context.Context) error {
	late, cancel := graceful(ctx, c.env.Grace)
	defer cancel()
	c.late = late
	if !pause(ctx, time.Until(c.env.FirstPoll), c.env.PollNow) {
		return nil
	}
	for {
		started := time.Now()
		err := c.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.env.Reporter.Report(err)
		if c.env.Once {
			return err
		}
		if !pause(ctx, c.wait(err)-time.Since(started), c.env.PollNow) {
			return nil
		}
	}
}

// wait is the time from one poll's start to the next.
func (c *collector) wait(err error) time.Duration {
	if err == nil {
		return c.config.Interval
	}
	wait := min(c.config.Interval, retryAfter)
	var refused *api.Error
	if errors.As(err, &refused) && refused.RetryAfter > wait {
		return refused.RetryAfter
	}
	return wait
}

// pause waits so long, or until it is woken; false means that ctx ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// poll reads everything from the cursor minus the overlap to the present.
func (c *collector) poll(ctx context.Context) error {
	if !c.restored {
		if err := c.restore(ctx); err != nil {
			return err
		}
	}
	if c.unsaved != nil {
		c.save()
	}
	err := c.sweep(ctx, c.walk())
	for c.server.learn(err, c.resource) {
		c.log.Warn("query refused, asking another way", "resource", c.resource.name, "error", err.Error())
		err = c.sweep(ctx, c.walk())
	}
	if err == nil {
		c.server.relax(c.config.BatchSize)
		c.backlog = 0
	}
	c.report()
	return errors.Join(err, c.unsaved)
}

// restore loads the cursor, or makes a first one and saves it, so that a crash
// before the first page does not move the look-back.
func (c *collector) restore(ctx context.Context) error {
	now := time.Now().UTC()
	b, err := c.env.Cursors.Load(ctx, c.key)
	if err == nil {
		c.state, err = unmarshalState(b, c.resource.name)
	}
	var unusable *inputs.UnusableCursor
	switch {
	case err == nil:
		c.restored = true
		if now.Before(c.state.cursor) { // the clock was set back
			c.log.Warn("cursor lies in the future, set back to the present")
			c.state.cursor = now
			c.save()
		}
		return nil
	case errors.As(err, &unusable):
		c.log.Warn("cursor not usable, starting afresh", "error", err.Error(), "initial_interval", c.config.InitialInterval.String())
	case !errors.Is(err, inputs.ErrNoCursor):
		return fmt.Errorf("load cursor: %w", err)
	}
	c.state = state{cursor: now.Add(-c.config.InitialInterval), seed: rand.Uint64()}
	c.restored = true
	c.save()
	return nil
}

// lookback is the time from which the next poll reads.
func (c *collector) lookback() time.Time {
	if c.server.byBirth {
		return c.state.cursor.Add(-max(c.config.Overlap, fallbackWindow))
	}
	return c.state.cursor.Add(-c.config.Overlap)
}

// advance moves the cursor over acknowledged records and saves what is new. It
// never goes back and never into the future.
func (c *collector) advance(to time.Time) {
	if to = earlier(to, time.Now().UTC()); to.After(c.state.cursor) {
		c.state.cursor, c.changed = to, true
		c.keep()
		c.state.prune(c.lookback()) // only what can be met again is kept
	}
	if c.changed {
		c.save()
	}
}

// complete ends the sweep of a resource that is swept: the seen set is what it
// met, and its cursor the time of its end. A list that was empty tells nothing
// of the records that were in it before.
func (c *collector) complete() {
	c.keep()
	if len(c.met.sums) > 0 {
		c.state.seen, c.met = c.met, c.state.seen
	}
	c.state.cursor = time.Now().UTC()
	c.save()
}

// save keeps the state. Collecting goes on where that fails (see the package's
// doc); the poll's error tells of it, and the next poll tries again.
func (c *collector) save() {
	c.keep()
	b, err := c.state.marshal(c.resource.name)
	if err == nil {
		err = c.env.Cursors.Save(c.late, c.key, b)
	}
	c.changed, c.unsaved = false, nil
	if err != nil {
		c.unsaved = fmt.Errorf("save cursor: %w", err)
	}
}

func (c *collector) report() {
	c.counts.Backlog = c.backlog
	c.env.Reporter.Count(c.counts)
	c.counts = inputs.Counts{}
}

// graceful outlives ctx by grace.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pause(out, grace, nil) {
			cancel()
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}
