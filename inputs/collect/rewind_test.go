package collect_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// from are requests to collect again from a page of the book.
func from(pages ...int64) chan time.Time {
	requests := make(chan time.Time, len(pages))
	for _, page := range pages {
		requests <- time.Unix(page, 0)
	}
	return requests
}

// TestCollectFrom: what was published since is published once more, and the
// stream continues where it was.
func TestCollectFrom(t *testing.T) {
	b := &book{pages: []string{"a b", "c", "d"}, torn: -1}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.done = nil
	again := b.loop(func(e *inputs.Env) { e.CollectFrom = from(1) })
	if err := again.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.expect(t, `save {"page":1}`,
		"ask 1", "publish c", "next 1/1", `save {"page":2}`,
		"ask 2", "publish d", "next 1/1", `save {"page":3}`,
		"ask 3", "next 0/0")
	b.done = nil
	if err := again.Run(t.Context()); err != nil { // once, not at every poll
		t.Fatal(err)
	}
	b.expect(t, "ask 3", "next 0/0")
}

// TestCollectFromSurvivesACrash: it continues in another process where the first
// one was killed, and nothing of it is left out.
func TestCollectFromSurvivesACrash(t *testing.T) {
	b := &book{pages: []string{"a b", "c", "d"}, torn: -1}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.done = nil
	b.failing = func() bool { return slices.Contains(b.done, "publish c") }
	if err := b.loop(func(e *inputs.Env) { e.CollectFrom = from(0) }).Run(t.Context()); err == nil {
		t.Fatal("no error")
	}
	b.failing = nil
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.expect(t, "ask 2", "publish d", "next 1/1", `save {"page":3}`, "ask 3", "next 0/0")
}

// TestCollectFromWaitsForTheCheckpoint: a checkpoint that cannot be loaded yet is not
// lost, nor is the request.
func TestCollectFromWaitsForTheCheckpoint(t *testing.T) {
	b := &book{pages: []string{"a"}, torn: -1}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.done = nil
	loading := errors.New("not yet")
	loop := b.loop(func(e *inputs.Env) {
		e.CollectFrom, e.Cursors = from(0), &lateCursors{e.Cursors, &loading}
	})
	if err := loop.Run(t.Context()); !errors.Is(err, loading) {
		t.Fatalf("got %v", err)
	}
	loading = nil
	if err := loop.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.expect(t, `save {"page":0}`, "ask 0", "publish a", "next 1/1", `save {"page":1}`, "ask 1", "next 0/0")
}

type lateCursors struct {
	inputs.Cursors
	err *error
}

func (c *lateCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	if *c.err != nil {
		return nil, *c.err
	}
	return c.Cursors.Load(ctx, key)
}

// TestCollectFromAtTheNextPoll of a loop that runs.
func TestCollectFromAtTheNextPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{pages: []string{"a b"}, torn: -1}
		requests := make(chan time.Time, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- b.loop(func(e *inputs.Env) { e.Once, e.CollectFrom = false, requests }).Run(ctx)
		}()
		synctest.Wait()
		requests <- time.Unix(0, 0)
		time.Sleep(90 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if b.counts.Documents != 4 || b.polls.Load() != 2 {
			t.Errorf("%d documents in %d polls, want 4 in 2", b.counts.Documents, b.polls.Load())
		}
	})
}
