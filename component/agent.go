package component

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// debounce is how long changes are collected before they are applied: the
// units of one policy arrive one by one.
const debounce = 500 * time.Millisecond

// stopLimit ends the process when stopping takes too long: a disk or network
// that holds up a checkpoint for ever. It is a Grace and time to spare.
const stopLimit = Grace + time.Second

// lastWords is the time that the client is given to send the last states before
// its connection ends; it does not say when it has.
const lastWords = 100 * time.Millisecond

// forgetLimit bounds how long deleting checkpoints may hold up other changes.
const forgetLimit = 5 * time.Second

// RunUnderAgent serves Elastic Agent until ctx ends: then it stops every
// stream, saves and returns. Streams are stopped at once, even while a change is
// being applied, so that a Grace is all that the batches in hand take.
func RunUnderAgent(ctx context.Context, v2 client.V2, c *Component) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	w := &watch{log: c.o.Log, units: map[*client.Unit]bool{}, changed: make(chan struct{}, 1), orphaned: make(chan struct{})}
	stopped := make(chan struct{})
	var draining sync.WaitGroup
	draining.Go(func() { w.drain(v2, stopped) })
	defer draining.Wait()
	defer close(stopped) // only after the client has stopped sending
	c.describeProcess(v2)
	if err := v2.Start(life); err != nil {
		return err
	}
	defer v2.Stop()

	work, quit := context.WithCancel(ctx)
	defer quit()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.reconcile(work, c)
		c.Stop()
	}()
	select {
	case <-w.orphaned:
		quit()
	case <-ctx.Done():
	}
	select {
	case <-done:
		time.Sleep(lastWords)
		return w.orphan()
	case <-time.After(stopLimit):
		return errors.New("stop: streams did not end in time")
	}
}

// watch is what the agent wants, as last heard.
type watch struct {
	log      *slog.Logger
	changed  chan struct{} // holds one token when something changed
	orphaned chan struct{} // closed when the agent is gone
	outage   outage

	mu      sync.Mutex
	units   map[*client.Unit]bool // true once it is described
	removed []*client.Unit
}

// drain takes changes and errors off the client as long as it may send any.
// It must not block and does no work.
func (w *watch) drain(v2 client.V2, stopped <-chan struct{}) {
	for {
		select {
		case change := <-v2.UnitChanges():
			w.note(change)
		case err := <-v2.Errors():
			if !isNoise(err) {
				w.log.Warn("control protocol", "error", err.Error())
			}
			if w.outage.failed(time.Now()) {
				close(w.orphaned)
			}
		case <-stopped:
			return
		}
	}
}

// orphan is the error of a component whose agent is gone.
func (w *watch) orphan() error {
	select {
	case <-w.orphaned:
		return errors.New("the agent is gone: no control connection for too long")
	default:
		return nil
	}
}

const (
	// orphanAfter is how long the control connection may fail. An agent that
	// lives kills a component that is silent for half of that; one that is gone
	// will not come back to this process, since each has a certificate authority
	// of its own. Where the system does not end us with our parent, a process
	// that stayed would hold the state directory against its successor.
	orphanAfter = 3 * time.Minute
	// betweenFailures is longer than the client waits between two attempts.
	betweenFailures = time.Minute
)

// outage watches for failures of the control connection that do not end.
type outage struct {
	first, last time.Time
	over        bool
}

// failed notes a failure and reports, once, that they have lasted too long.
func (o *outage) failed(now time.Time) bool {
	if now.Sub(o.last) > betweenFailures {
		o.first = now
	}
	o.last = now
	if o.over || now.Sub(o.first) < orphanAfter {
		return false
	}
	o.over = true
	return true
}

// isNoise reports whether an error is only that of a stream that ends at shutdown.
func isNoise(err error) bool {
	return err == nil || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled
}

func (w *watch) note(change client.UnitChanged) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if change.Type == client.UnitChangedRemoved {
		delete(w.units, change.Unit)
		w.removed = append(w.removed, change.Unit)
	} else if _, known := w.units[change.Unit]; !known {
		w.units[change.Unit] = false
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// reconcile applies what is wanted, some time after the last change, until ctx
// ends, and streams with it.
func (w *watch) reconcile(ctx context.Context, c *Component) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
			timer.Reset(debounce)
		case <-timer.C:
			w.describe(c)
			wanted, unwanted, removed := w.wanted()
			c.Apply(ctx, wanted)
			w.reportStopped(unwanted)
			for _, u := range removed {
				c.forget(context.WithoutCancel(ctx), u)
			}
		}
	}
}

// reportStopped reports units that should not run and never did as stopped; Apply has
// stopped the others.
func (w *watch) reportStopped(unwanted []*client.Unit) {
	for _, u := range unwanted {
		if state, _, _ := u.State(); state != client.UnitStateStopped {
			w.report(u)(client.UnitStateStopped, stoppedText, nil)
		}
	}
}

// describe registers diagnostics and actions of units that are new.
func (w *watch) describe(c *Component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u, described := range w.units {
		if !described {
			c.describeUnit(u)
			w.units[u] = true
		}
	}
}

// wanted lists the units that should run, those that should not, and those that
// are gone for good.
func (w *watch) wanted() (wanted []Unit, unwanted, removed []*client.Unit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u := range w.units {
		expected := u.Expected()
		if expected.State == client.UnitStateStopped {
			unwanted = append(unwanted, u)
			continue
		}
		if expected.Config == nil {
			continue
		}
		wanted = append(wanted, w.unit(u, expected))
	}
	removed, w.removed = w.removed, nil
	return wanted, unwanted, removed
}

func (w *watch) unit(u *client.Unit, expected client.Expected) Unit {
	config := expected.Config
	return Unit{
		ID:        u.ID(),
		Output:    u.Type() == client.UnitTypeOutput,
		Type:      config.GetType(),
		InputID:   config.GetId(),
		Namespace: config.GetDataStream().GetNamespace(),
		Source:    config.GetSource().AsMap(),
		Level:     levelOf(expected.LogLevel),
		Report:    w.report(u),
	}
}

func (w *watch) report(u *client.Unit) Report {
	return func(state client.UnitState, message string, payload map[string]any) {
		if err := u.UpdateState(state, message, payload); err != nil {
			w.log.Error("report state", "unit.id", u.ID(), "error", err.Error())
		}
	}
}

// levelOf translates the agent's log levels; trace is debug.
func levelOf(l client.UnitLogLevel) slog.Level {
	switch l {
	case client.UnitLogLevelError:
		return slog.LevelError
	case client.UnitLogLevelWarn:
		return slog.LevelWarn
	case client.UnitLogLevelInfo:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// forget deletes the checkpoints of an input the agent has removed for good.
func (c *Component) forget(ctx context.Context, u *client.Unit) {
	expected := u.Expected()
	if u.Type() == client.UnitTypeOutput || expected.Config == nil {
		return
	}
	config := expected.Config
	for k := range c.inputs {
		if k.id == u.ID() {
			return // the same unit is back
		}
	}
	ctx, cancel := context.WithTimeout(ctx, forgetLimit)
	defer cancel()
	if err := c.o.Cursors.Delete(ctx, config.GetId()); err != nil {
		c.o.Log.Warn("delete checkpoints", "unit.id", u.ID(), "error", err.Error())
	}
}
