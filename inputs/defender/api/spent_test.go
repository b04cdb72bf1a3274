package api

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

var callsKey = inputs.Key{Source: "x|calls"}

// TestQuotaSurvivesRestarts: a process that is killed and started again and
// again stays within the limits of a minute and of an hour, of a path too.
func TestQuotaSurvivesRestarts(t *testing.T) {
	for _, limit := range []Limit{DefaultLimit, {10, 100}, {3, 20}} {
		synctest.Test(t, func(t *testing.T) {
			var cursors inputstest.Cursors
			var calls []time.Time
			for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(2 * time.Second) {
				p := NewPace(Limit{1000, 100_000})
				p.Keep(&cursors, callsKey)
				ctx, kill := context.WithTimeout(t.Context(), 700*time.Millisecond)
				for p.wait(ctx, call{op: "test", path: "/list", family: Family{"/list", limit}}) == nil {
					calls = append(calls, time.Now())
				}
				kill()
			}
			if most := busiest(calls, time.Hour); most > limit.PerHour || len(calls) < limit.PerHour/4 {
				t.Errorf("%v of a path: %d calls in an hour, %d in all", limit, most, len(calls))
			}
		})
		synctest.Test(t, func(t *testing.T) {
			var cursors inputstest.Cursors
			var calls []time.Time
			for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(2 * time.Second) {
				p := NewPace(limit)
				p.Keep(&cursors, callsKey)
				ctx, kill := context.WithTimeout(t.Context(), 700*time.Millisecond)
				for range 6 {
					if p.wait(ctx, call{op: "test"}) == nil {
						calls = append(calls, time.Now())
					}
				}
				kill()
			}
			if most := busiest(calls, time.Minute); most > limit.PerMinute {
				t.Errorf("%v: %d calls in a minute", limit, most)
			}
			if most := busiest(calls, time.Hour); most > limit.PerHour {
				t.Errorf("%v: %d calls in an hour", limit, most)
			}
			if len(calls) == 0 {
				t.Errorf("%v: no call was made", limit)
			}
		})
	}
}

// TestQuotaIsSavedSeldom: a write for every fifth call at the limits of the
// service, and the next process shows what is left.
func TestQuotaIsSavedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cursors inputstest.Cursors
		p := NewPace(DefaultLimit)
		p.Keep(&cursors, callsKey)
		for range 60 {
			if err := p.wait(t.Context(), call{op: "test", path: "/api/alerts", family: Family{"/api/alerts", DefaultLimit}}); err != nil {
				t.Fatal(err)
			}
		}
		if saves := cursors.Saves(); saves > 12 {
			t.Errorf("%d writes for 60 calls", saves)
		}
		next := NewPace(DefaultLimit)
		next.Keep(&cursors, callsKey)
		next.recall(t.Context())
		was, is := p.Quota(), next.Quota()
		if is.HourLeft > was.HourLeft || is.HourLeft < was.HourLeft-6 || is.MinuteLeft > was.MinuteLeft || is.MinuteLeft < was.MinuteLeft-6 {
			t.Errorf("left %+v after a restart, %+v before", is, was)
		}
		time.Sleep(time.Hour + time.Minute)
		if q := next.Quota(); q.HourLeft != 1500 || q.MinuteLeft != 100 {
			t.Errorf("%+v left after an hour without calls", q)
		}
	})
}

// brokenCursors answer with an error, or with what no pace has saved.
type brokenCursors struct {
	inputstest.Cursors
	value []byte
	err   error
	loads int
}

func (b *brokenCursors) Load(context.Context, inputs.Key) ([]byte, error) {
	b.loads++
	return b.value, b.err
}

// TestCallsDoNotWaitForTheLedger: a state that is gone, broken or of another
// edition costs no call, and is asked for again later only.
func TestCallsDoNotWaitForTheLedger(t *testing.T) {
	for name, b := range map[string]*brokenCursors{
		"away":            {err: errors.New("no connection")},
		"unusable":        {err: &inputs.UnusableCursor{Cause: errors.New("torn")}},
		"no JSON":         {value: []byte("{")},
		"another edition": {value: []byte(`{"version":9,"all":3}`)},
		"odd":             {value: []byte(`{"version":1,"all":[{"spent":-5,"used":[-1]},{"spent":1e300,"at":"2999-01-01T00:00:00Z","last":-7,"used":[` + string(bytes.Repeat([]byte("9,"), 59)) + `9]}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPace(DefaultLimit)
				p.Keep(b, callsKey)
				began := time.Now()
				for range 5 {
					if err := p.wait(t.Context(), call{op: "test"}); err != nil {
						t.Fatal(err)
					}
				}
				if waited := time.Since(began); name != "odd" && waited > 0 {
					t.Errorf("waited %v", waited)
				}
				if b.loads != 1 {
					t.Errorf("%d loads", b.loads)
				}
			})
		})
	}
}

// TestAheadIsBoundedByEveryBudget: a limit of the minute that is larger than that
// of the hour does not use up the hour of the process that follows.
func TestAheadIsBoundedByEveryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cursors inputstest.Cursors
		for range 2 {
			p := NewPace(Limit{PerMinute: 100_000, PerHour: 1500})
			p.Keep(&cursors, callsKey)
			began := time.Now()
			for range 3 {
				if err := p.wait(t.Context(), call{op: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			if waited := time.Since(began); waited > time.Second {
				t.Errorf("three calls waited %s", waited)
			}
		}
	})
}

// TestOrderlyEndLosesNoCalls: processes that end in order and follow each other
// wait for no call that none of them made.
func TestOrderlyEndLosesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cursors inputstest.Cursors
		limit := Limit{PerMinute: 50, PerHour: 1500}
		began := time.Now()
		for range 4 {
			p := NewPace(DefaultLimit)
			p.Keep(&cursors, callsKey)
			if err := p.wait(t.Context(), call{op: "test", path: "/list", family: Family{"list", limit}}); err != nil {
				t.Fatal(err)
			}
			p.Settle(t.Context())
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %v for four calls", waited)
		}
		next := NewPace(DefaultLimit)
		next.Keep(&cursors, callsKey)
		next.recall(t.Context())
		if q := next.Quota(); q.HourLeft != DefaultLimit.PerHour-4 {
			t.Errorf("%d calls left of the hour, want %d", q.HourLeft, DefaultLimit.PerHour-4)
		}
	})
}

// TestHoldSurvivesRestarts: a process that is started again and again makes one call
// into a throttle, and the next one when the service takes calls again.
func TestHoldSurvivesRestarts(t *testing.T) {
	for name, e := range map[string]*Error{
		"with its length":    {Kind: Throttled, RetryAfter: 10 * time.Minute},
		"without its length": {Kind: Throttled},
		"of a day":           {Kind: Throttled, RetryAfter: 24 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			var cursors inputstest.Cursors
			var calls []time.Time
			other := 0
			for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(3 * time.Second) {
				p := NewPace(DefaultLimit)
				p.Keep(&cursors, callsKey)
				ctx, kill := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if p.wait(ctx, call{op: "test", path: "/api/alerts"}) == nil {
					calls = append(calls, time.Now())
					p.throttled(ctx, time.Now(), "/api/alerts", e)
				}
				if p.wait(ctx, call{op: "test", path: "/api/machines"}) == nil {
					other++
				}
				kill()
			}
			hold := wait(1, e, nil)
			if len(calls) == 0 || len(calls) > int(time.Hour/hold) {
				t.Errorf("%s: %d calls in an hour", name, len(calls))
			}
			for i := 1; i < len(calls); i++ {
				if d := calls[i].Sub(calls[i-1]); d < hold {
					t.Errorf("%s: asked again after %s", name, d)
				}
			}
			if other < 20 { // the quota bears some
				t.Errorf("%s: %d calls of another list", name, other)
			}
		})
	}
}

// TestHoldOfAnotherClock: a hold that was saved while the clock was ahead lasts no
// longer than any.
func TestHoldOfAnotherClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cursors := brokenCursors{value: []byte(`{"version":1,"holds":{"/api/alerts":{"until":"2999-01-01T00:00:00Z","strikes":-3}}}`)}
		p := NewPace(DefaultLimit)
		p.Keep(&cursors, callsKey)
		began := time.Now()
		for p.wait(t.Context(), call{op: "test", path: "/api/alerts"}) != nil {
			time.Sleep(time.Minute)
		}
		if d := time.Since(began); d > longestHold+time.Minute {
			t.Errorf("held for %s", d)
		}
	})
}
