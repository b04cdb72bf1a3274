package component

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Grace is how long a stopping stream may take for the batch in hand: half of
// what the agent grants before a successor may start (agent-contract.md 1.6).
const Grace = 8 * time.Second

// Options are what a Component needs from its process.
type Options struct {
	Input   inputs.Input
	Cursors inputs.Cursors
	Log     *slog.Logger
	Level   *slog.LevelVar // set to the most verbose level of all units
	// Agent is who collects. It is asked at each start of a stream, because
	// the agent's id can come later than the first unit.
	Agent func() inputs.Agent
	// Once makes streams end when they have caught up.
	Once bool
	// OnOutput, if set, is told of each output that is plugged in, nil where
	// there is none any more, before the former one is closed.
	OnOutput func(output.Output)
}

// Component runs what is wanted. Apply and Stop are called by one goroutine;
// diagnostics and actions look from others.
type Component struct {
	o       Options
	slot    *slot
	batches *inputs.Batches

	// mu guards what follows, with the fields of what it leads to that change.
	// It is never held while something is waited for.
	mu     sync.Mutex
	output *runningOutput
	inputs map[key]*runningInput
}

type runningOutput struct {
	unit   Unit
	config []byte // canonical
	level  *slog.LevelVar
	health *outputHealth
	ok     bool // an output is plugged in
}

type runningInput struct {
	unit    Unit
	level   *slog.LevelVar
	health  *inputHealth
	streams map[inputs.Key]*runningStream
}

type runningStream struct {
	stream inputs.Stream
	health *streamHealth
	poll   chan struct{} // asks for a poll at once
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// New makes a component that runs nothing yet.
func New(o Options) *Component {
	return &Component{o: o, slot: newSlot(), batches: inputs.NewBatches(inputs.DefaultBatches), inputs: map[key]*runningInput{}}
}

// Apply makes what runs equal to what is wanted. Streams run until they are no
// longer wanted or ctx ends.
func (c *Component) Apply(ctx context.Context, wanted []Unit) {
	c.setLevel(wanted)
	var out *Unit
	running := map[key]bool{}
	for i := range wanted {
		running[wanted[i].key()] = true
		if wanted[i].Output {
			out = &wanted[i]
		}
	}
	for k, in := range c.inputs {
		if !running[k] {
			c.stopInput(in)
			c.locked(func() { delete(c.inputs, k) })
		}
	}
	c.applyOutput(out)
	for _, u := range wanted {
		if !u.Output {
			c.applyInput(ctx, u)
		}
	}
}

func (c *Component) setLevel(wanted []Unit) {
	level := slog.LevelInfo
	for i, u := range wanted {
		if i == 0 || u.Level < level {
			level = u.Level
		}
	}
	c.o.Level.Set(level)
}

func (c *Component) applyOutput(wanted *Unit) {
	if wanted == nil {
		if c.output != nil {
			c.plug(nil)
			c.setOutput(nil)
		}
		return
	}
	config := canonical(wanted.Source)
	if c.output != nil && c.output.unit.Type == wanted.Type && bytes.Equal(c.output.config, config) {
		c.output.level.Set(wanted.Level)
		c.output.health.redirect(wanted.Report)
		c.locked(func() { c.output.unit = *wanted })
		return
	}
	configuringOutput.report(wanted.Report)
	log, level := unitLog(c.o.Log, wanted)
	next := &runningOutput{unit: *wanted, config: config, level: level, health: newOutputHealth(wanted.Type, log, wanted.Report)}
	out, err := newOutput(*wanted, next.health, log)
	if err != nil {
		next.health.fail(err)
		c.plug(nil)
		c.setOutput(next)
		return
	}
	next.ok = true
	c.plug(out)
	c.setOutput(next)
	next.health.redirect(wanted.Report)
}

func (c *Component) setOutput(next *runningOutput) {
	if c.output != nil {
		c.output.health.end()
	}
	c.locked(func() { c.output = next })
}

// locked does something short to what others look at.
func (c *Component) locked(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
}

func (c *Component) plug(out output.Output) {
	if c.o.OnOutput != nil {
		c.o.OnOutput(out)
	}
	if err := c.slot.plug(out); err != nil {
		c.o.Log.Warn("close former output", "error", err.Error())
	}
}

// newOutput builds the output a unit asks for. The unit's type decides.
func newOutput(u Unit, r output.Reporter, log *slog.Logger) (output.Output, error) {
	switch u.Type {
	case "elasticsearch":
		return elasticsearch.New(u.Source, r, log)
	case "shipper":
		return shipper.New(u.Source, u.ID, r, log)
	default:
		return nil, fmt.Errorf("type: output %q is not supported, want elasticsearch or shipper", u.Type)
	}
}

func (c *Component) applyInput(ctx context.Context, u Unit) {
	in := c.inputs[u.key()]
	if in == nil {
		starting.report(u.Report)
		log, level := unitLog(c.o.Log, &u)
		in = &runningInput{level: level, health: newInputHealth(log, u.Report), streams: map[inputs.Key]*runningStream{}}
	}
	in.level.Set(u.Level)
	c.locked(func() {
		in.unit = u
		c.inputs[u.key()] = in
	})
	in.health.redirect(u.Report)
	if c.output == nil {
		waiting.report(u.Report)
		return
	}
	streams, err := c.o.Input.Streams(inputs.Unit{ID: u.InputID, Namespace: u.Namespace, Source: u.Source})
	if err != nil {
		in.health.log.Error("input configuration refused", "error", err.Error())
		c.stopStreams(in, func(inputs.Key) bool { return true })
		in.health.blame(badSetting.causedBy(err))
		return
	}
	if len(in.streams) == 0 && len(streams) > 0 {
		configuring.report(u.Report)
	}
	c.applyStreams(ctx, in, streams)
	in.health.blame(condition{})
}

func (c *Component) applyStreams(ctx context.Context, in *runningInput, wanted []inputs.Stream) {
	same := map[inputs.Key]bool{}
	for _, s := range wanted {
		if r := in.streams[s.Key]; r != nil && reflect.DeepEqual(r.stream.Settings, s.Settings) && !r.ended() {
			same[s.Key] = true
		}
	}
	c.stopStreams(in, func(k inputs.Key) bool { return !same[k] })
	for _, s := range wanted {
		if !same[s.Key] {
			r := c.start(ctx, in, s)
			c.locked(func() { in.streams[s.Key] = r })
		}
	}
}

func (c *Component) start(ctx context.Context, in *runningInput, s inputs.Stream) *runningStream {
	ctx, cancel := context.WithCancel(ctx)
	r := &runningStream{
		stream: s, health: in.health.add(s), cancel: cancel,
		poll: make(chan struct{}, 1), done: make(chan struct{}),
	}
	env := inputs.Env{
		Agent:     c.o.Agent(),
		Publisher: c.slot,
		Batches:   c.batches,
		Cursors:   namedCursors{c.o.Cursors, r.health},
		Reporter:  r.health,
		Log:       in.health.log.With("stream.id", s.Key.Stream),
		Once:      c.o.Once,
		PollNow:   r.poll,
		Grace:     Grace,
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

func (r *runningStream) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stopStreams ends the streams that which chooses, all at once, and waits for
// them: each publishes the batch in hand and saves its cursor.
func (c *Component) stopStreams(in *runningInput, which func(inputs.Key) bool) {
	var stopping sync.WaitGroup
	c.mu.Lock()
	for k, r := range in.streams {
		if !which(k) {
			continue
		}
		r.cancel()
		stopping.Go(func() { <-r.done })
		delete(in.streams, k)
		in.health.remove(k.Stream)
	}
	c.mu.Unlock()
	stopping.Wait()
}

func (c *Component) stopInput(in *runningInput) {
	stoppingInput.report(in.unit.Report)
	c.stopStreams(in, func(inputs.Key) bool { return true })
	stoppedInput.report(in.unit.Report)
}

// Stop ends everything: inputs first, all at once, then the output.
func (c *Component) Stop() {
	var stopping sync.WaitGroup
	for _, in := range c.inputs {
		stopping.Go(func() { c.stopInput(in) })
	}
	stopping.Wait()
	c.locked(func() { c.inputs = map[key]*runningInput{} })
	if c.output != nil {
		stoppingOutput.report(c.output.unit.Report)
		c.plug(nil)
		stoppedOutput.report(c.output.unit.Report)
		c.setOutput(nil)
	}
}

// Wait returns when every stream has ended by itself, with the first error of
// each. It is for Options.Once.
func (c *Component) Wait() []error {
	var errs []error
	for _, in := range c.inputs {
		for _, r := range in.streams {
			<-r.done
			if r.err != nil {
				errs = append(errs, fmt.Errorf("stream %s: %w", r.stream.Key.Stream, r.err))
			}
		}
	}
	return errs
}

// canonical is a configuration in a form that is equal where the meaning is:
// without the policy's revision, which changes with every save, and without
// the agent's redaction markers.
func canonical(source map[string]any) []byte {
	b, err := json.Marshal(without(source)) // sorts keys
	if err != nil {
		return nil
	}
	return b
}

func without(source map[string]any) map[string]any {
	kept := make(map[string]any, len(source))
	for name, v := range source {
		if name == "revision" || name == "policy" || strings.HasPrefix(name, "policy.") || strings.HasPrefix(name, markPrefix) {
			continue
		}
		kept[name] = withoutIn(v)
	}
	return kept
}

func withoutIn(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return without(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutIn(v[i])
		}
		return out
	default:
		return v
	}
}

// oneLine joins the faults of a configuration for a unit's message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
