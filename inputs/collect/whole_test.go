package collect_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// census is a book that is read as a whole each time. Its place is changed when a
// sweep begins, and says when the next one is due.
type census struct {
	*book
	sweeps atomic.Int32
	whole  bool
	due    time.Duration // from one sweep to the next; 0 = not given
	began  time.Time
	idle   atomic.Bool // nothing is due
}

func (c *census) Begin() collect.Pager {
	if c.idle.Load() {
		return nil
	}
	c.sweeps.Add(1)
	c.at, c.began = 0, time.Now()
	c.did("begin")
	return turner{c.book, nil}
}

func (c *census) Place() collect.Place {
	p := c.book.Place()
	p.JSON = []byte(strings.Replace(string(p.JSON), "{", `{"sweep":`+strconv.Itoa(int(c.sweeps.Load()))+`,`, 1))
	if c.due > 0 {
		p.Due = c.began.Add(c.due)
	}
	p.Whole, p.Started = c.whole, c.began
	return p
}

func newCensus(b *book, c *census, env inputs.Env, interval time.Duration, keep collect.Retention) *collect.Loop {
	c.book = b
	env.Publisher, env.Cursors, env.Reporter, env.Log = b, b, b, slog.New(slog.DiscardHandler)
	return collect.New(collect.Config{
		Resource: "word", Interval: interval, Source: b, Strategy: c, Mapper: words{b}, Retention: keep, Now: time.Now, Env: env,
	})
}

// TestWholeSweep publishes all that comes, keeps nothing as seen, and saves the
// place before the first document.
func TestWholeSweep(t *testing.T) {
	b := &book{pages: []string{"a b", "c"}, torn: -1}
	c := &census{whole: true}
	loop := newCensus(b, c, inputs.Env{Once: true}, time.Minute, collect.Retention{})
	for range 2 {
		b.done = nil
		if err := loop.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.done, ", "); strings.Index(got, "save") > strings.Index(got, "publish") || strings.Count(got, "publish") != 2 {
			t.Errorf("%s", got)
		}
	}
	if b.counts.Duplicates > 0 || b.counts.Documents != 6 {
		t.Errorf("%+v", b.counts)
	}
	if !strings.Contains(string(b.state), `"seen":""`) {
		t.Errorf("kept as seen: %s", b.state)
	}
}

// TestRecordsAreKeptFor so long after they were last met, regardless of their time.
func TestRecordsAreKeptFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{pages: []string{"a"}, torn: -1}
		loop := newCensus(b, &census{}, inputs.Env{Once: true}, time.Minute, collect.Retention{For: time.Hour, Limit: 100})
		documents := func(after time.Duration) int {
			time.Sleep(after)
			if err := loop.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			return b.counts.Documents
		}
		got := []int{documents(0), documents(40 * time.Minute), documents(40 * time.Minute)}
		b.pages = nil
		documents(50 * time.Minute)
		documents(20 * time.Minute)
		b.pages = []string{"a"}
		if got = append(got, documents(time.Minute)); !slices.Equal(got, []int{1, 1, 1, 2}) {
			t.Errorf("documents %v", got)
		}
	})
}

// TestNextPollIsWhenTheSweepIsDue, where that is before an interval has passed.
func TestNextPollIsWhenTheSweepIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{pages: []string{"a"}, torn: -1}
		c := &census{due: 12 * time.Hour, began: time.Now().Add(-11 * time.Hour)}
		c.idle.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- newCensus(b, c, inputs.Env{}, 12*time.Hour, collect.Retention{}).Run(ctx) }()
		synctest.Wait()
		if b.polls.Load() != 1 || c.sweeps.Load() != 0 {
			t.Errorf("%d polls, %d sweeps", b.polls.Load(), c.sweeps.Load())
		}
		c.idle.Store(false)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if c.sweeps.Load() != 0 {
			t.Error("too early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if c.sweeps.Load() != 1 {
			t.Errorf("%d sweeps after an hour", c.sweeps.Load())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
