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

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

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

// Component runs what is wanted. Apply and Stop are called by one goroutine.
type Component struct {
	o      Options
	slot   *slot
	output *runningOutput
	inputs map[key]*runningInput
}

type runningOutput struct {
	unit   Unit
	config []byte // canonical
	health *outputHealth
	ok     bool // an output is plugged in
}

type runningInput struct {
	unit    Unit
	health  *inputHealth
	streams map[inputs.Key]*runningStream
}

type runningStream struct {
	stream inputs.Stream
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// New makes a component that runs nothing yet.
func New(o Options) *Component {
	return &Component{o: o, slot: newSlot(), inputs: map[key]*runningInput{}}
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
			delete(c.inputs, k)
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
			c.output = nil
		}
		return
	}
	config := canonical(wanted.Source)
	if c.output != nil && c.output.unit.Type == wanted.Type && bytes.Equal(c.output.config, config) {
		if c.output.unit.ID != wanted.ID || c.output.ok {
			c.output.health.redirect(wanted.Report)
		}
		c.output.unit = *wanted
		return
	}
	wanted.Report(client.UnitStateConfiguring, "configuring the output", nil)
	log := c.o.Log.With("unit.id", wanted.ID)
	next := &runningOutput{unit: *wanted, config: config, health: newOutputHealth(log, wanted.Report)}
	out, err := newOutput(*wanted, next.health, log)
	if err != nil {
		log.Error("output configuration refused", "error", err.Error())
		wanted.Report(client.UnitStateFailed, oneLine(err), nil)
		c.plug(nil)
		c.output = next
		return
	}
	next.ok = true
	c.plug(out)
	c.output = next
	next.health.redirect(wanted.Report)
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
		u.Report(client.UnitStateStarting, "starting", nil)
		log := c.o.Log.With("unit.id", u.ID)
		in = &runningInput{health: newInputHealth(log, u.Report), streams: map[inputs.Key]*runningStream{}}
		c.inputs[u.key()] = in
	}
	in.unit = u
	in.health.redirect(u.Report)
	if c.output == nil {
		u.Report(client.UnitStateStarting, "waiting for the output's configuration", nil)
		return
	}
	streams, err := c.o.Input.Streams(inputs.Unit{ID: u.InputID, Namespace: u.Namespace, Source: u.Source})
	if err != nil {
		in.health.log.Error("input configuration refused", "error", err.Error())
		stopStreams(in, func(inputs.Key) bool { return true })
		u.Report(client.UnitStateFailed, oneLine(err), nil)
		return
	}
	if len(in.streams) == 0 {
		u.Report(client.UnitStateConfiguring, "starting streams", nil)
	}
	c.applyStreams(ctx, in, streams)
	in.health.tell()
}

func (c *Component) applyStreams(ctx context.Context, in *runningInput, wanted []inputs.Stream) {
	same := map[inputs.Key]bool{}
	for _, s := range wanted {
		if r := in.streams[s.Key]; r != nil && reflect.DeepEqual(r.stream.Settings, s.Settings) && !r.ended() {
			same[s.Key] = true
		}
	}
	stopStreams(in, func(k inputs.Key) bool { return !same[k] })
	for _, s := range wanted {
		if !same[s.Key] {
			in.streams[s.Key] = c.start(ctx, in, s)
		}
	}
}

func (c *Component) start(ctx context.Context, in *runningInput, s inputs.Stream) *runningStream {
	ctx, cancel := context.WithCancel(ctx)
	r := &runningStream{stream: s, cancel: cancel, done: make(chan struct{})}
	health := in.health.add(s.Key.Stream)
	env := inputs.Env{
		Agent:     c.o.Agent(),
		Publisher: c.slot,
		Cursors:   c.o.Cursors,
		Reporter:  health,
		Log:       in.health.log.With("stream.id", s.Key.Stream),
		Once:      c.o.Once,
		Grace:     Grace,
	}
	go func() {
		defer close(r.done)
		defer cancel()
		if r.err = s.Run(ctx, env); r.err != nil {
			health.Report(r.err)
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
func stopStreams(in *runningInput, which func(inputs.Key) bool) {
	var stopping sync.WaitGroup
	for k, r := range in.streams {
		if !which(k) {
			continue
		}
		r.cancel()
		stopping.Go(func() { <-r.done })
		delete(in.streams, k)
		in.health.remove(k.Stream)
	}
	stopping.Wait()
}

func (c *Component) stopInput(in *runningInput) {
	in.unit.Report(client.UnitStateStopping, "stopping", nil)
	stopStreams(in, func(inputs.Key) bool { return true })
	in.unit.Report(client.UnitStateStopped, "stopped", nil)
}

// Stop ends everything: inputs first, all at once, then the output.
func (c *Component) Stop() {
	var stopping sync.WaitGroup
	for _, in := range c.inputs {
		stopping.Go(func() { c.stopInput(in) })
	}
	stopping.Wait()
	c.inputs = map[key]*runningInput{}
	if c.output != nil {
		c.output.unit.Report(client.UnitStateStopping, "stopping", nil)
		c.plug(nil)
		c.output.unit.Report(client.UnitStateStopped, "stopped", nil)
		c.output = nil
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
		if name == "revision" || name == "policy" || strings.HasPrefix(name, "policy.") || strings.HasPrefix(name, "__mark_redact_") {
			continue
		}
		if child, ok := v.(map[string]any); ok {
			v = without(child)
		}
		kept[name] = v
	}
	return kept
}

// oneLine joins the faults of a configuration for a unit's message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
