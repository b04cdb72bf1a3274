package collect

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// failedPollPause is the pause after a failed poll, where the interval is longer.
	failedPollPause = 30 * time.Second
	// backlogAge is how old records are that make a poll a backlog, which gives
	// way to polls of what is new.
	backlogAge = time.Hour
	// floorTolerance is how far before a place a record may be and still be
	// published: sources compare times less exactly than they show them.
	floorTolerance = time.Minute
)

// Config says what a loop collects, how, and where to.
type Config struct {
	Resource string // in the checkpoint and in log lines
	Key      inputs.Key
	// Identify, if set, is asked for the key in place of Key, until it answers.
	Identify  func(context.Context) (inputs.Key, error)
	Target    inputs.Target
	Priority  int           // for a batch: lower goes first
	Interval  time.Duration // from one poll's start to the next
	Source    Source
	Strategy  Strategy
	Mapper    Mapper
	Retention Retention
	Fallback  inputs.Fallback  // makes what replaces a refused document; see inputs.Batch
	Now       func() time.Time // the clock
	Env       inputs.Env
}

// Loop collects one stream. It is used by one goroutine.
type Loop struct {
	Config

	seen     *seenSet
	batch    *inputs.Batch             // while a page is read
	original jsontext.Value            // the record being mapped
	emit     func(*ecs.Document) error // add, bound once
	counts   inputs.Counts
	backlog  time.Duration // see inputs.Counts
	restored bool
	whole    bool           // see Sweep.Whole
	floor    time.Time      // records from before it are not published; see outdated
	saved    jsontext.Value // the place that was saved
	unsaved  error          // why the checkpoint could not be saved
	age      ageClock       // of the seen set

	// grace outlives a stop by Env.Grace: for the batch in hand and the checkpoint.
	grace context.Context //nolint:containedctx // it is that of Run
}

// New makes a loop.
func New(c Config) *Loop {
	l := &Loop{
		Config: c,
	}
	l.seen = newSeenSet(c.Retention, l.age.time)
	if l.Env.Batches == nil {
		l.Env.Batches = inputs.NewBatches(1)
	}
	l.emit = l.add
	return l
}

// Run polls until ctx ends, or once with Env.Once.
func (l *Loop) Run(ctx context.Context) error {
	grace, cancel := graceful(ctx, l.Env.Grace)
	defer cancel()
	l.grace = grace
	if wait := l.Env.FirstPoll.Sub(l.Now()); wait > 0 && !pause(ctx, wait, l.Env.PollNow) {
		return nil
	}
	for {
		started := l.Now()
		err := l.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.Env.Reporter.Report(err)
		if l.Env.Once {
			return err
		}
		if !pause(ctx, l.wait(err, started)-l.Now().Sub(started), l.Env.PollNow) {
			return nil
		}
	}
}

// wait is the time from a poll's start to the next poll.
func (l *Loop) wait(err error, started time.Time) time.Duration {
	if err == nil {
		if due := l.Strategy.Place().Due; !due.IsZero() {
			return min(l.Interval, due.Sub(started))
		}
		return l.Interval
	}
	return max(min(l.Interval, failedPollPause), l.Source.RetryAfter(err))
}

// poll reads everything from the place to the present.
func (l *Loop) poll(ctx context.Context) error {
	if !l.restored {
		if err := l.restore(ctx); err != nil {
			return err
		}
	}
	l.rewind()
	if l.unsaved != nil {
		l.save()
	}
	err := l.sweep(ctx)
	l.report()
	return errors.Join(err, l.unsaved)
}

// sweep asks for page after page until the pager has no more to ask for. This
// is the one way that a record takes, for every source.
func (l *Loop) sweep(ctx context.Context) error {
	pager := l.Strategy.Begin()
	l.begin()
	var page PageStats
	for pager != nil {
		// Ask. The pager knows what was read and what the source takes.
		request := pager.Request()
		request.Backlog = l.behind(request, page)

		// Read: each record is mapped, and published with its batch. When read
		// returns, all documents of the page are acknowledged.
		var err error
		if page, err = l.read(ctx, request); err != nil {
			return err
		}

		// Pass to the pager what the page showed. It moves the place, and returns
		// itself, another pager where the source refused, or nil at the end.
		next, err := pager.Next(page)
		if next == nil {
			return l.end(request, err)
		}
		if err != nil {
			l.Env.Log.Warn("query refused, asking another way", "resource", l.Resource, "error", err.Error())
			l.begin()
		}

		// Save the place, where it moved.
		l.saveIfMoved(request)
		pager = next
	}
	return nil
}

// begin starts a sweep from the place, for the first time or again.
func (l *Loop) begin() {
	place := l.Strategy.Place()
	if l.whole = place.Whole; l.whole {
		l.saveIfMoved(Request{}) // before a document has an id of this sweep
	}
	l.Mapper.Begin(place.Sweep)
	l.floor = place.From.Add(-floorTolerance)
	l.seen.begin()
}

// end ends a sweep: complete without an error, else broken off.
func (l *Loop) end(last Request, err error) error {
	if err == nil {
		l.backlog = 0
		l.seen.complete()
	}
	if !l.saveIfMoved(last) && l.seen.changed {
		l.save() // the place did not move, but something was published
	}
	return err
}

// saveIfMoved saves the place where it moved, and forgets what is before it and
// before what was last asked for: the sweep may still be there.
func (l *Loop) saveIfMoved(last Request) (moved bool) {
	place := l.Strategy.Place()
	if bytes.Equal(place.JSON, l.saved) {
		return false
	}
	if last.From.IsZero() {
		last.From = place.From
	}
	l.seen.forget(earlier(place.From, last.From).Add(-floorTolerance))
	l.save()
	return true
}

// behind notes how far behind the present reading is while it still finds what
// is new to us, or has whole windows before it. It reports whether this is a
// backlog.
func (l *Loop) behind(r Request, former PageStats) bool {
	switch {
	case !former.Opened: // nothing is known: as before
	case r.From.IsZero():
		l.backlog = 0
	default:
		l.backlog = l.Now().Sub(later(r.From, former.Newest))
		if l.backlog <= backlogAge || former.Fresh == 0 && r.To.IsZero() {
			l.backlog = 0
		}
	}
	return l.backlog > 0
}

func (l *Loop) report() {
	l.counts.Backlog = l.backlog
	l.Env.Reporter.Count(l.counts)
	l.counts = inputs.Counts{}
}
