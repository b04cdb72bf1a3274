package component_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component"
)

// TestChangesAndStopsAreNoTrouble: a stream that reports while it is being
// stopped does not make its unit show that it has no streams.
func TestChangesAndStopsAreNoTrouble(t *testing.T) {
	c, _ := newComponent(t)
	r := newRecord()
	for i := range 40 {
		c.Apply(t.Context(), []component.Unit{inputUnit(r, streams(late{fmt.Sprint(i)})), outputUnit()})
	}
	c.Apply(t.Context(), []component.Unit{outputUnit()})
	if slices.Contains(r.states, client.UnitStateDegraded) {
		t.Errorf("went %v, last %q", r.states, r.last)
	}
	if n := len(r.states); n < 2 || !slices.Equal(r.states[n-2:], []client.UnitState{client.UnitStateStopping, client.UnitStateStopped}) {
		t.Errorf("went %v, want STOPPING, STOPPED at the end", r.states)
	}
}

// TestOutputGoesThroughItsStop: an output that is taken away says so, in order.
func TestOutputGoesThroughItsStop(t *testing.T) {
	c, _ := newComponent(t)
	r := newRecord()
	out := outputUnit()
	out.Report = r.report
	c.Apply(t.Context(), []component.Unit{inputUnit(newRecord(), streams("well")), out})
	c.Apply(t.Context(), []component.Unit{inputUnit(newRecord(), streams("well"))})
	want := []client.UnitState{
		client.UnitStateConfiguring, client.UnitStateHealthy, client.UnitStateStopping, client.UnitStateStopped,
	}
	if !slices.Equal(r.states, want) {
		t.Errorf("went %v, want %v", r.states, want)
	}
}

// TestRemovedInputsStopAtOnce: however many there are, they take one Grace.
func TestRemovedInputsStopAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newComponent(t)
		units, records := []component.Unit{outputUnit()}, []*record{}
		for i := range 5 {
			r := newRecord()
			u := inputUnit(r, streams(slow{component.Grace}))
			u.ID, u.InputID = fmt.Sprint(i), fmt.Sprint(i)
			units, records = append(units, u), append(records, r)
		}
		c.Apply(t.Context(), units)
		began := time.Now()
		c.Apply(t.Context(), units[:1])
		if took := time.Since(began); took > component.Grace {
			t.Errorf("it took %s, want %s at most", took, component.Grace)
		}
		for i, r := range records {
			if last := r.states[len(r.states)-1]; last != client.UnitStateStopped {
				t.Errorf("input %d is %v", i, last)
			}
		}
	})
}

// TestWaitAndStopTogether is what an interrupt of run --once does; the race
// detector looks.
func TestWaitAndStopTogether(t *testing.T) {
	c, _ := newComponent(t)
	c.Apply(t.Context(), []component.Unit{inputUnit(newRecord(), streams("a", "b", "c")), outputUnit()})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if errs := c.Wait(); len(errs) > 0 {
			t.Error(errs)
		}
	})
	c.Stop()
	waiting.Wait()
}

// TestRestartKeepsTheRhythm: a stream that reads what it read before polls when
// it would have; after a failure, or where it reads something else, at once.
func TestRestartKeepsTheRhythm(t *testing.T) {
	down := errors.New("down")
	for name, test := range map[string]struct {
		before, after map[string]any
		waits         bool
	}{
		"other tags":          {map[string]any{"say": "a"}, map[string]any{"say": "b"}, true},
		"other credentials":   {map[string]any{"say": "a", "reads": "1"}, map[string]any{"say": "b", "reads": "2"}, false},
		"its last poll fails": {map[string]any{"say": down}, map[string]any{"say": "b"}, false},
		"its settings failed": {map[string]any{"fault": "no"}, map[string]any{"say": "b"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, in := newComponent(t)
			r := newRecord()
			apply := func(source map[string]any, state client.UnitState) {
				source = maps.Clone(source)
				source["id"] = "s0"
				c.Apply(t.Context(), []component.Unit{inputUnit(r, map[string]any{"streams": []any{source}}), outputUnit()})
				r.wait(t, state)
			}
			if test.before["say"] == "a" {
				apply(test.before, client.UnitStateHealthy)
			} else if test.before["fault"] != nil {
				apply(test.before, client.UnitStateFailed)
			} else {
				apply(test.before, client.UnitStateDegraded)
			}
			n := len(r.states)
			apply(test.after, client.UnitStateHealthy)
			c.Stop()
			due := time.Until(in.first["s0"])
			if waits := due > 59*time.Minute && due <= time.Hour; waits != test.waits || !waits && !in.first["s0"].IsZero() {
				t.Errorf("first poll in %s", due)
			}
			if test.waits && slices.Contains(r.states[n:], client.UnitStateConfiguring) {
				t.Errorf("a stream that was well went %v", r.states)
			}
		})
	}
}

// TestFaultyStreamFailsAlone: its neighbours run, and are left alone when it is
// put right.
func TestFaultyStreamFailsAlone(t *testing.T) {
	c, in := newComponent(t)
	r := newRecord()
	source := func(second map[string]any) map[string]any {
		second["id"] = "s1"
		return map[string]any{"streams": []any{map[string]any{"id": "s0", "say": "well"}, second}}
	}
	for range 2 { // a save of the policy that changes nothing here
		c.Apply(t.Context(), []component.Unit{inputUnit(r, source(map[string]any{"fault": "dataset: not known\ninterval: bad"})), outputUnit()})
		if got := r.wait(t, client.UnitStateFailed); got != "stream s1: dataset: not known; interval: bad" {
			t.Errorf("got %q", got)
		}
	}
	c.Apply(t.Context(), []component.Unit{inputUnit(r, source(map[string]any{"say": "well"})), outputUnit()})
	r.wait(t, client.UnitStateHealthy)
	c.Stop()
	if in.started("s0") != 1 || in.started("s1") != 1 {
		t.Errorf("s0 started %d times, s1 %d, want once each", in.started("s0"), in.started("s1"))
	}
}
