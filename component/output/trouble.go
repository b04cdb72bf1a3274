package output

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// silence is after how long without a document getting through trouble shows,
// regardless of the time-outs.
const silence = 45 * time.Second

// needsPerson reports whether only a person can end the trouble.
func needsPerson(r Reason) bool {
	switch r {
	case Unauthorized, Forbidden, RequestRefused, IndexMissing, PipelineMissing, NoShards, WriteBlocked, DiskFull, FormsRefused:
		return true
	default:
		return false
	}
}

// pause waits before the next attempt, and reports from the second failure on. It
// ends early where others show that the trouble is over.
func (c *chunk) pause(ctx context.Context, err error) error {
	o := c.loop.options
	c.wait = min(max(2*c.wait, o.BackoffInit), o.BackoffMax)
	c.proven = false // of what comes after the wait
	if c.failures++; c.failures > 1 || isLong(c.since) || isLong(c.stalled) {
		c.loop.failed(c, err)
		if needsPerson(ReasonOf(err)) {
			c.wait = o.BackoffMax
		}
	}
	c.loop.wait(c, err)
	defer c.loop.wait(c, nil)
	timer := time.NewTimer(rand.N(c.wait + 1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-c.wake:
		c.wait, c.woken, c.since = 0, true, time.Now()
	}
	return nil
}

// isLong reports whether what began then is trouble, no matter how often it failed.
func isLong(since time.Time) bool { return !since.IsZero() && time.Since(since) >= silence }

// wait notes that a chunk waits after an error, and with nil that it no longer
// does.
func (l *Loop) wait(c *chunk, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.waiting[c] = err
		return
	}
	delete(l.waiting, c)
	select {
	case <-c.wake: // came too late
	default:
	}
}

// sending notes that a Send of a chunk is under way, or no longer, and returns
// whether its trouble is reported already.
func (l *Loop) sending(c *chunk, under bool) (reported bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.sending = under
	_, reported = l.troubled[c]
	return reported
}

// silent reports a Send that takes too long. It still waits for it.
func (l *Loop) silent(c *chunk) {
	err := error(&Error{Op: "publish", Reason: Silent, Err: ErrSilent})
	if w, ok := l.sender.(Waiter); ok {
		if known := w.Waiting(); known != nil {
			err = known
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.sending {
		l.failedLocked(c, err)
	}
}

// failed reports trouble of a chunk that does not move.
func (l *Loop) failed(c *chunk, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failedLocked(c, err)
}

func (l *Loop) failedLocked(c *chunk, err error) {
	c.own = c.woken
	l.troubled[c] = err
	l.reporter.Report(err)
}

// moved notes that documents of a chunk got through. Trouble of the whole output
// is over with them, and trouble of an index with a document that it takes: who
// waits for its end need not wait on.
func (l *Loop) moved(c *chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, err := range l.waiting {
		if other != c && other.endsWith(c, err) {
			select {
			case other.wake <- struct{}{}:
			default:
			}
		}
	}
	c.own, c.woken = false, false
	if len(l.troubled) > 0 {
		l.healedLocked(c)
	}
}

// healed reports that a chunk got through, unless another one is in trouble that
// does not end with it.
func (l *Loop) healed(c *chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healedLocked(c)
}

func (l *Loop) healedLocked(c *chunk) {
	before := len(l.troubled)
	var lasting error
	for other, err := range l.troubled {
		if other == c || other.endsWith(c, err) {
			delete(l.troubled, other)
			continue
		}
		lasting = err
	}
	switch {
	case lasting == nil:
		l.reporter.Report(nil)
	case len(l.troubled) < before:
		l.reporter.Report(lasting)
	}
}

// endsWith reports whether the chunk's trouble is over when documents of another
// one get through. What is still there after others got through is its own.
func (c *chunk) endsWith(other *chunk, err error) bool {
	if c.own {
		return false
	}
	var e *Error
	return !errors.As(err, &e) || e.Target == "" || e.Target == other.batch.Target.Name()
}

// forget takes the chunk out of those in trouble: its Publish ends.
func (l *Loop) forget(c *chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.troubled, c)
}
