package api

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoWindowExceedsTheQuota runs a greedy caller, and one who rests at times
// so that the buckets fill up again, through some hours.
func TestNoWindowExceedsTheQuota(t *testing.T) {
	for _, limits := range [][2]int{{100, 1500}, {45, 1500}, {30, 1000}, {5, 20}, {1, 10}, {100, 1}} {
		for _, rests := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				p := NewPace(Limit{limits[0], limits[1]})
				random := rand.New(rand.NewPCG(1, 2))
				var calls []time.Time
				for began := time.Now(); time.Since(began) < 5*time.Hour; {
					if err := p.wait(t.Context(), call{op: "test"}); err != nil {
						t.Fatal(err)
					}
					calls = append(calls, time.Now())
					if rests && random.IntN(300) == 0 {
						time.Sleep(time.Duration(random.IntN(40)) * time.Minute)
					}
				}
				if most := busiest(calls, time.Minute); most > limits[0] {
					t.Errorf("%v: %d calls in a minute", limits, most)
				}
				if most := busiest(calls, time.Hour); most > limits[1] {
					t.Errorf("%v: %d calls in an hour", limits, most)
				}
				if least := float64(limits[1]) * 5 * 0.85; !rests && limits[1] >= 100 && float64(len(calls)) < least {
					t.Errorf("%v: only %d calls in five hours", limits, len(calls))
				}
			})
		}
	}
}

// busiest is the largest number of calls in any window, both ends included.
func busiest(calls []time.Time, window time.Duration) int {
	most := 0
	for i, at := range calls {
		end, _ := slices.BinarySearchFunc(calls, at.Add(window), func(c, limit time.Time) int {
			if c.After(limit) {
				return 1
			}
			return -1
		})
		most = max(most, end-i)
	}
	return most
}

func TestLowerPriorityLeavesCallsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		now := time.Now()
		take := func(priority Priority) (n int) {
			for d, _ := p.take(now, call{priority: priority}); d == 0; d, _ = p.take(now, call{priority: priority}) {
				n++
			}
			return n
		}
		// Of a burst of ten, each step of priority leaves two to those before.
		if last, middle, first := take(2), take(1), take(0); last != 6 || middle != 2 || first != 2 {
			t.Errorf("got %d, %d, %d calls, want 6, 2, 2", last, middle, first)
		}
		if err := p.wait(t.Context(), call{op: "test", priority: 9}); err != nil { // a priority out of range still gets its turn
			t.Error(err)
		}
	})
}

func TestSimultaneousThrottlesCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		sent := time.Now()
		time.Sleep(time.Second)
		for range 3 {
			if d := p.throttled(t.Context(), sent, "", &Error{Kind: Throttled}); d != time.Minute {
				t.Errorf("held for %v", d)
			}
		}
		time.Sleep(time.Minute)
		sent = time.Now()
		time.Sleep(time.Second)
		if d := p.throttled(t.Context(), sent, "", &Error{Kind: Throttled}); d != 2*time.Minute {
			t.Errorf("held for %v the second time", d)
		}
		if q := p.Quota(); !q.HeldUntil.Equal(time.Now().Add(2 * time.Minute)) {
			t.Errorf("held until %v", q.HeldUntil)
		}
		p.accepted(time.Now(), "")
		if d := p.throttled(t.Context(), time.Now(), "", &Error{Kind: Throttled, RetryAfter: time.Second}); d != 2*time.Minute {
			t.Errorf("a short hold replaced a long one: %v", d)
		}
	})
}

// TestOneListIsThrottled: the others are asked, until they are throttled too.
func TestOneListIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		p.throttled(t.Context(), time.Now().Add(time.Second), "/machines", &Error{Kind: Throttled, RetryAfter: time.Hour})
		if d, held := p.take(time.Now(), call{path: "/machines"}); !held || d != time.Hour {
			t.Errorf("the list itself: %v, %v", d, held)
		}
		if d, _ := p.take(time.Now(), call{path: "/alerts"}); d != 0 {
			t.Errorf("another list waits %v", d)
		}
		if q := p.Quota(); !q.HeldUntil.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("held until %v", q.HeldUntil)
		}
		p.throttled(t.Context(), time.Now().Add(time.Second), "/alerts", &Error{Kind: Throttled, RetryAfter: time.Minute})
		if _, held := p.take(time.Now(), call{path: "/alerts"}); !held {
			t.Error("a list that was throttled too is asked")
		}
	})
}

func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		for range 5 {
			if err := p.wait(t.Context(), call{op: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		check := func(minute, hour int) {
			t.Helper()
			if q := p.Quota(); q.MinuteLeft != minute || q.HourLeft != hour || !q.HeldUntil.IsZero() {
				t.Errorf("%+v, want %d and %d", q, minute, hour)
			}
		}
		check(95, 1495)
		time.Sleep(61 * time.Second)
		check(100, 1495)
		time.Sleep(time.Hour)
		check(100, 1500)
	})
}

// TestPathWithALimitOfItsOwn: the service takes 5 calls a minute and 20 an hour
// of the file exports (API.md 3.1), and still 100 and 1,500 of all.
func TestPathWithALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		export := call{op: "test", path: "/export", family: Family{"/export", Limit{5, 20}}}
		var exports []time.Time
		others := 0
		for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(time.Second) {
			if d, _ := p.take(time.Now(), export); d == 0 {
				exports = append(exports, time.Now())
			}
			if d, _ := p.take(time.Now(), call{op: "test", path: "/other"}); d == 0 {
				others++
			}
		}
		if most := busiest(exports, time.Hour); most > 20 || len(exports) < 40 {
			t.Errorf("%d exports in an hour, %d in all", most, len(exports))
		}
		if others < 3800 {
			t.Errorf("only %d other calls in three hours", others)
		}
	})
}

// TestWaitingMakesUrgent: callers of the highest priority that never have
// enough do not stop the lowest for good.
func TestWaitingMakesUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		ctx, cancel := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		defer busy.Wait()
		defer cancel()
		for range 2 {
			busy.Go(func() {
				for p.wait(ctx, call{op: "backlog"}) == nil {
				}
			})
		}
		time.Sleep(time.Hour) // the burst is used up
		began := time.Now()
		if err := p.wait(ctx, call{op: "last", priority: 4}); err != nil || time.Since(began) > 6*time.Minute {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
	})
}

// TestOthersUseUpTheQuota: throttled within our own limits, we make fewer calls
// until the API takes them again.
func TestOthersUseUpTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		during := func(d time.Duration) (calls int) {
			for began := time.Now(); time.Since(began) < d; {
				if err := p.wait(t.Context(), call{op: "test"}); err != nil {
					t.Fatal(err)
				}
				p.accepted(time.Now(), "")
				calls++
			}
			return calls
		}
		time.Sleep(time.Hour)
		before := during(time.Minute)
		for range 3 {
			time.Sleep(time.Minute)
			p.throttled(t.Context(), time.Now(), "", &Error{Kind: Throttled, RetryAfter: time.Second})
		}
		time.Sleep(time.Second)
		after := during(time.Minute)
		if after > before/3 || after == 0 {
			t.Errorf("%d calls in the minute before, %d after", before, after)
		}
		during(10 * time.Minute)
		time.Sleep(time.Hour)
		if again := during(time.Minute); again != before {
			t.Errorf("%d calls a minute when it is over, %d before", again, before)
		}
	})
}

// TestAnswersOfEarlierCallsTellNothing: of calls that were under way together
// some are throttled and some are answered. That is one 429.
func TestAnswersOfEarlierCallsTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		sent := time.Now()
		time.Sleep(time.Second)
		for range 3 {
			p.throttled(t.Context(), sent, "", &Error{Kind: Throttled, RetryAfter: time.Second})
			p.accepted(sent, "")
		}
		if p.share != 0.5 || p.holds[""].strikes != 1 {
			t.Errorf("a share of %v after %d strikes, want half after 1", p.share, p.holds[""].strikes)
		}
	})
}

// TestChangingTheLimitGivesNoCalls: two units that set it in turn do not double it.
func TestChangingTheLimitGivesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(Limit{20, 300})
		calls := 0
		for i := range 20 {
			p.SetLimit([]Limit{{20, 300}, {10, 200}}[i%2])
			if d, _ := p.take(time.Now(), call{}); d == 0 {
				calls++
			}
		}
		if calls > 2 {
			t.Errorf("%d calls at once, want the burst of 2", calls)
		}
	})
}

// TestOnePaceForManyClients: what one has spent the other has not.
func TestOnePaceForManyClients(t *testing.T) {
	p := NewPace(DefaultLimit)
	for range 2 {
		c, err := New(Config{URL: "https://h", LoginURL: "https://l", TenantID: "t", ClientID: "c", Credentials: Credentials{Secret: "s"}, Pace: p})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.pace.wait(t.Context(), call{op: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	if q := p.Quota(); q.MinuteLeft != 98 {
		t.Errorf("%+v", q)
	}
}
