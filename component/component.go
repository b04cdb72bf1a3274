package component

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Grace is how long a stopping stream may take for the batch in hand. Agents up
// to 9.2.8 kill everything 5 s after the request to stop, so the process is to
// be gone after 3.5 s, even where the output hangs.
const Grace = 2 * time.Second

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
	// Since makes each stream collect again from that time when it starts for the
	// first time; zero means that it continues where it was.
	Since time.Time
	// OnOutput, if set, is called with each output that is plugged in, nil where
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
	health *health.Output
	ok     bool // an output is plugged in
}

type runningInput struct {
	unit    Unit
	log     *slog.Logger
	level   *slog.LevelVar
	health  *health.Input
	strays  string // the unknown settings that were logged
	streams map[inputs.Key]*runningStream
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
	c.stopInputs(func(k key) bool { return !running[k] })
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
		c.stopOutput()
		return
	}
	config := canonical(wanted.Source)
	if c.output != nil && c.output.unit.Type == wanted.Type && bytes.Equal(c.output.config, config) {
		c.output.level.Set(wanted.Level)
		c.output.health.Redirect(wanted.Report.health())
		c.locked(func() { c.output.unit = *wanted })
		return
	}
	if c.output != nil {
		c.output.health.Redirect(silent)
	}
	wanted.Report(client.UnitStateConfiguring, configuringOutputText, nil)
	log, level := unitLog(c.o.Log, wanted)
	c.warn(log, wanted, "")
	next := &runningOutput{
		unit: *wanted, config: config, level: level, health: health.NewOutput(kindOf(wanted.Type), log, wanted.Report.health()),
	}
	out, err := newOutput(*wanted, next.health, log)
	if err != nil {
		next.health.Refuse(err)
		c.plug(nil)
		c.setOutput(next)
		return
	}
	next.ok = true
	c.plug(out)
	c.setOutput(next)
	next.health.Redirect(wanted.Report.health())
}

// warn logs the settings of a unit that nobody knows. said is what was logged of it
// before; the result is what has been now.
func (c *Component) warn(log *slog.Logger, u *Unit, said string) string {
	found := Strays(c.o.Input, *u)
	text := strings.Join(found, "\n")
	if text != said {
		for _, s := range found {
			log.Warn("unknown setting in the policy", "setting", s)
		}
	}
	return text
}

func (c *Component) setOutput(next *runningOutput) {
	if c.output != nil {
		c.output.health.End()
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

func (c *Component) applyInput(ctx context.Context, u Unit) {
	in := c.inputs[u.key()]
	if in == nil {
		u.Report(client.UnitStateStarting, startingText, nil)
		log, level := unitLog(c.o.Log, &u)
		in = &runningInput{
			log: log, level: level, health: health.NewInput(log, c.o.Input.Diagnose, u.Report.health()), streams: map[inputs.Key]*runningStream{},
		}
	}
	in.level.Set(u.Level)
	in.strays = c.warn(in.log, &u, in.strays)
	c.locked(func() {
		in.unit = u
		c.inputs[u.key()] = in
	})
	in.health.Redirect(u.Report.health())
	if c.output == nil {
		u.Report(client.UnitStateStarting, waitingText, nil)
		return
	}
	streams, err := c.o.Input.Streams(inputs.Unit{ID: u.InputID, Namespace: u.Namespace, Source: u.Source})
	if err != nil {
		c.stopStreams(in, everyStream)
		in.health.Refuse(err)
		return
	}
	if len(in.streams) == 0 && len(streams) > 0 {
		u.Report(client.UnitStateConfiguring, configuringText, nil)
	}
	c.applyStreams(ctx, in, streams)
	in.health.Refuse(nil)
}

// stopInputs ends the inputs that which chooses, all at once: each may take a Grace.
func (c *Component) stopInputs(which func(key) bool) {
	var stopping sync.WaitGroup
	for k, in := range c.inputs {
		if which(k) {
			stopping.Go(func() { c.stopInput(in) })
		}
	}
	stopping.Wait()
	c.locked(func() { maps.DeleteFunc(c.inputs, func(k key, _ *runningInput) bool { return which(k) }) })
}

func (c *Component) stopInput(in *runningInput) {
	in.health.Redirect(silent)
	in.unit.Report(client.UnitStateStopping, stoppingText, nil)
	c.stopStreams(in, everyStream)
	in.unit.Report(client.UnitStateStopped, stoppedText, nil)
}

func (c *Component) stopOutput() {
	if c.output == nil {
		return
	}
	c.output.health.Redirect(silent)
	c.output.unit.Report(client.UnitStateStopping, stoppingText, nil)
	c.plug(nil)
	c.output.unit.Report(client.UnitStateStopped, stoppedText, nil)
	c.setOutput(nil)
}

// Stop ends everything: inputs first, then the output.
func (c *Component) Stop() {
	c.stopInputs(func(key) bool { return true })
	c.stopOutput()
}

// Wait returns when every stream that runs now has ended, with the error of
// each. It is for Options.Once, and another goroutine may Stop meanwhile.
func (c *Component) Wait() []error {
	var running []*runningStream
	c.locked(func() {
		for _, in := range c.inputs {
			for _, r := range in.streams {
				running = append(running, r)
			}
		}
	})
	var errs []error
	if len(running) == 0 {
		errs = append(errs, errors.New("no stream is enabled; enable one in the policy"))
	}
	for _, r := range running {
		<-r.done
		if r.err != nil {
			errs = append(errs, fmt.Errorf("stream %s: %w", r.stream.Key.Stream, r.err))
		}
	}
	return errs
}

// Totals are the counters of all streams that run or have ended by themselves, for
// each input by its id in the policy.
func (c *Component) Totals() map[string]inputs.Counts {
	totals := map[string]inputs.Counts{}
	c.locked(func() {
		for _, in := range c.inputs {
			totals[in.unit.InputID] = in.health.Totals()
		}
	})
	return totals
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
