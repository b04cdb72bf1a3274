package component

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// runningStream is a stream of a unit; one with a Fault has ended from the start.
type runningStream struct {
	stream inputs.Stream
	health *health.Stream
	poll   chan struct{}  // asks for a poll at once
	again  chan time.Time // asks to collect again; its next run has it too
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// collectFrom asks the stream to collect again from a time. Of two requests that
// wait the earlier one counts. Component.mu is held, since nobody else may send.
func (r *runningStream) collectFrom(from time.Time) {
	select {
	case waiting := <-r.again:
		if waiting.Before(from) {
			from = waiting
		}
	default:
	}
	r.again <- from
	select {
	case r.poll <- struct{}{}:
	default: // is asked for already
	}
}

func (r *runningStream) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// is reports whether the stream is what is wanted, so that it can be left alone.
func (r *runningStream) is(wanted inputs.Stream) bool {
	former := r.stream.Fault
	if former != nil || wanted.Fault != nil {
		return former != nil && wanted.Fault != nil && former.Error() == wanted.Fault.Error()
	}
	return reflect.DeepEqual(r.stream.Settings, wanted.Settings) && !r.ended()
}

// applyStreams makes an input's streams equal to those wanted and leaves alone
// what did not change.
func (c *Component) applyStreams(ctx context.Context, in *runningInput, wanted []inputs.Stream) {
	same := map[inputs.Key]bool{}
	for _, s := range wanted {
		if r := in.streams[s.Key]; r != nil && r.is(s) {
			same[s.Key] = true
		}
	}
	stopped := c.stopStreams(in, func(k inputs.Key) bool { return !same[k] })
	for _, s := range wanted {
		if !same[s.Key] {
			r := c.start(ctx, in, s, stopped[s.Key])
			c.locked(func() { in.streams[s.Key] = r })
		}
	}
}

// start runs a stream; former is the same stream before it was stopped, or nil.
func (c *Component) start(ctx context.Context, in *runningInput, s inputs.Stream, former *runningStream) *runningStream {
	ctx, cancel := context.WithCancel(ctx)
	r := &runningStream{
		stream: s, health: in.health.Add(s), cancel: cancel,
		poll: make(chan struct{}, 1), again: make(chan time.Time, 1), done: make(chan struct{}),
	}
	switch {
	case former != nil:
		if r.again = former.again; len(r.again) > 0 {
			r.poll <- struct{}{}
		}
	case !c.o.Since.IsZero():
		r.again <- c.o.Since
	}
	if s.Fault != nil {
		r.err = s.Fault
		r.health.Refuse(s.Fault)
		cancel()
		close(r.done)
		return r
	}
	env := inputs.Env{
		Agent:       c.o.Agent(),
		Publisher:   c.slot,
		Batches:     c.batches,
		Cursors:     namedCursors{c.o.Cursors, r.health},
		Reporter:    r.health,
		Log:         in.health.Log.With("stream.id", s.Key.Stream),
		Once:        c.o.Once,
		PollNow:     r.poll,
		CollectFrom: r.again,
		Overview:    func() []inputs.StreamStatus { return c.statusesOf(in) },
		FirstPoll:   r.resume(former),
		Grace:       Grace,
	}
	go func() {
		defer close(r.done)
		defer cancel()
		if r.err = s.Run(ctx, env); r.err != nil {
			r.health.Report(r.err)
		}
	}()
	return r
}

// resume takes over from the stream's former run and returns when the next poll is
// due: at once, unless the former one polled well what this one reads.
func (r *runningStream) resume(former *runningStream) time.Time {
	if former == nil || former.stream.Fault != nil {
		return time.Time{}
	}
	var due time.Time
	if r.stream.Reads != nil && reflect.DeepEqual(r.stream.Reads, former.stream.Reads) {
		due = r.health.TakeOver(former.health)
	}
	r.health.Log().Info("stream restarted", "polls_at_once", due.IsZero())
	return due
}

func everyStream(inputs.Key) bool { return true }

// stopStreams ends the streams that which chooses, all at once, and waits for
// them: each publishes the batch in hand and saves its checkpoint. Until then they
// count as the unit's streams: what they still report is true of it.
func (c *Component) stopStreams(in *runningInput, which func(inputs.Key) bool) map[inputs.Key]*runningStream {
	stopped := map[inputs.Key]*runningStream{}
	var stopping sync.WaitGroup
	c.locked(func() {
		for k, r := range in.streams {
			if which(k) {
				stopped[k] = r
				r.cancel()
				stopping.Go(func() { <-r.done })
			}
		}
	})
	stopping.Wait()
	c.locked(func() {
		for k := range stopped {
			delete(in.streams, k)
			in.health.Remove(k.Stream)
		}
	})
	return stopped
}
