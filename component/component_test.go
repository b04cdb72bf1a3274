package component_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is an input whose streams report what their setting "say" says.
type scripted struct {
	mu     sync.Mutex
	starts map[string]int
	ends   map[string]int
	first  map[string]time.Time // Env.FirstPoll of the newest start
}

// late is what a stream says that counts only while it is being stopped.
type late struct{ name string }

// slow is what a stream says that takes its time to stop.
type slow struct{ time.Duration }

func (s *scripted) Type() string { return "scripted" }

func (s *scripted) Streams(u inputs.Unit) ([]inputs.Stream, error) {
	if u.Source["bad"] != nil {
		return nil, errors.New("bad: not a setting")
	}
	var streams []inputs.Stream
	for _, entry := range u.Source["streams"].([]any) {
		source := entry.(map[string]any)
		id := source["id"].(string)
		if fault, ok := source["fault"].(string); ok {
			streams = append(streams, inputs.Stream{Key: inputs.Key{Input: u.ID, Stream: id}, Fault: errors.New(fault)})
			continue
		}
		streams = append(streams, inputs.Stream{
			Key: inputs.Key{Input: u.ID, Stream: id}, Settings: fmt.Sprint(source["say"]),
			Reads: fmt.Sprint(source["reads"]), Interval: time.Hour,
			Run: func(ctx context.Context, env inputs.Env) error { return s.run(ctx, env, id, source["say"]) },
		})
	}
	return streams, nil
}

// denied is an error that the scripted input has a row for.
type denied struct{}

func (denied) Error() string { return "denied" }

var permissionMissing = &inputs.Condition{Name: "permission", Message: "{call}: permission missing ({code}); {remedy}"}

func (s *scripted) Settings() []any { return []any{&scriptedKeys{}} }

type scriptedKeys struct {
	_ any `config:"bad"`
	_ any `config:"say"`
	_ any `config:"reads"`
	_ any `config:"fault"`
}

func (s *scripted) Conditions() []*inputs.Condition { return []*inputs.Condition{permissionMissing} }

func (s *scripted) Diagnose(err error) inputs.Diagnosis {
	if _, ok := errors.AsType[denied](err); !ok {
		return inputs.Diagnosis{}
	}
	return inputs.Diagnosis{
		Condition: permissionMissing, Call: "get /api/toys", Code: "HTTP 403, Forbidden", Remedy: "grant Toy.Read.All",
	}
}

func (s *scripted) run(ctx context.Context, env inputs.Env, id string, say any) error {
	s.count(s.starts, id)
	defer s.count(s.ends, id)
	s.mu.Lock()
	s.first[id] = env.FirstPoll
	s.mu.Unlock()
	switch say := say.(type) {
	case error:
		env.Reporter.Report(say)
	case late:
		<-ctx.Done()
		env.Reporter.Count(inputs.Counts{Documents: 1})
	case slow:
		<-ctx.Done()
		time.Sleep(say.Duration)
	default:
		env.Reporter.Report(nil)
	}
	<-ctx.Done()
	return nil
}

func (s *scripted) count(m map[string]int, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m[id]++
}

func (s *scripted) started(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts[id]
}

// record keeps the states of one unit.
type record struct {
	mu     sync.Mutex
	states []client.UnitState
	last   string
	events chan struct{}
}

func newRecord() *record { return &record{events: make(chan struct{}, 100)} }

func (r *record) report(s client.UnitState, message string, _ map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.states); n == 0 || r.states[n-1] != s {
		r.states = append(r.states, s)
	}
	r.last = message
	select {
	case r.events <- struct{}{}:
	default: // anyone who waits has been woken
	}
}

// wait waits for a state and returns its message.
func (r *record) wait(t *testing.T, want client.UnitState) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		n, last := len(r.states), r.last
		now := client.UnitState(-1)
		if n > 0 {
			now = r.states[n-1]
		}
		r.mu.Unlock()
		if now == want {
			return last
		}
		select {
		case <-r.events:
		case <-limit:
			t.Fatalf("state %v %q, want %v", now, last, want)
		}
	}
}

func newComponent(t *testing.T) (*component.Component, *scripted) {
	in := &scripted{starts: map[string]int{}, ends: map[string]int{}, first: map[string]time.Time{}}
	c := component.New(component.Options{
		Input: in, Cursors: &inputstest.Cursors{}, Log: slog.New(slog.DiscardHandler),
		Level: new(slog.LevelVar), Agent: func() inputs.Agent { return inputs.Agent{} },
	})
	t.Cleanup(c.Stop)
	return c, in
}

func outputUnit() component.Unit {
	return component.Unit{
		ID: "out", Output: true, Type: "elasticsearch", Report: newRecord().report,
		Source: map[string]any{"type": "elasticsearch", "hosts": []any{"http://127.0.0.1:9"}},
	}
}

func inputUnit(r *record, source map[string]any) component.Unit {
	return component.Unit{ID: "in", Type: "scripted", InputID: "in", Source: source, Report: r.report}
}

func streams(sayings ...any) map[string]any {
	var list []any
	for i, say := range sayings {
		list = append(list, map[string]any{"id": fmt.Sprintf("s%d", i), "say": say})
	}
	return map[string]any{"streams": list}
}

func TestInputGoesThroughEveryState(t *testing.T) {
	c, _ := newComponent(t)
	r := newRecord()
	c.Apply(t.Context(), []component.Unit{inputUnit(r, streams("well")), outputUnit()})
	r.wait(t, client.UnitStateHealthy)
	c.Apply(t.Context(), []component.Unit{outputUnit()})
	r.wait(t, client.UnitStateStopped)
	want := []client.UnitState{
		client.UnitStateStarting, client.UnitStateConfiguring, client.UnitStateHealthy,
		client.UnitStateStopping, client.UnitStateStopped,
	}
	if !slices.Equal(r.states, want) {
		t.Errorf("went %v, want %v", r.states, want)
	}
}

func TestInputWaitsForTheOutput(t *testing.T) {
	c, in := newComponent(t)
	r := newRecord()
	units := []component.Unit{inputUnit(r, streams("well"))}
	c.Apply(t.Context(), units)
	if message := r.wait(t, client.UnitStateStarting); message != "waiting for the output's configuration" || in.started("s0") != 0 {
		t.Errorf("message %q, started %d times", message, in.started("s0"))
	}
	c.Apply(t.Context(), append(units, outputUnit()))
	r.wait(t, client.UnitStateHealthy)
}

func TestOnlyChangedStreamsRestart(t *testing.T) {
	c, in := newComponent(t)
	r := newRecord()
	apply := func(source map[string]any) {
		c.Apply(t.Context(), []component.Unit{inputUnit(r, source), outputUnit()})
		r.wait(t, client.UnitStateHealthy)
	}
	apply(streams("a", "b"))
	again := streams("a", "b")
	again["policy"] = map[string]any{"revision": 2.0}
	apply(again)
	apply(streams("a", "changed"))
	c.Stop() // every stream that was started has counted itself
	if in.started("s0") != 1 || in.started("s1") != 2 {
		t.Errorf("s0 started %d times, s1 %d; want 1 and 2", in.started("s0"), in.started("s1"))
	}
}

func TestWorstStreamDecides(t *testing.T) {
	c, _ := newComponent(t)
	r := newRecord()
	c.Apply(t.Context(), []component.Unit{inputUnit(r, streams("well", denied{})), outputUnit()})
	want := "stream s1: get /api/toys: permission missing (HTTP 403, Forbidden); grant Toy.Read.All"
	if got := r.wait(t, client.UnitStateDegraded); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	c.Apply(t.Context(), []component.Unit{inputUnit(r, streams("well", "well again")), outputUnit()})
	r.wait(t, client.UnitStateHealthy)
}

func TestBadConfigurationFailsAndHeals(t *testing.T) {
	c, _ := newComponent(t)
	r := newRecord()
	c.Apply(t.Context(), []component.Unit{inputUnit(r, map[string]any{"bad": true}), outputUnit()})
	if got := r.wait(t, client.UnitStateFailed); got != "bad: not a setting" {
		t.Errorf("got %q", got)
	}
	c.Apply(t.Context(), []component.Unit{inputUnit(r, streams("well")), outputUnit()})
	r.wait(t, client.UnitStateHealthy)
}
