package defender_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestFirstPollIsWaitedFor: a restarted stream keeps its rhythm; it can be woken,
// and stopped meanwhile.
func TestFirstPollIsWaitedFor(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 1, Alerts: 1}, nil)
	b.mustPoll()
	before := len(b.tenant.Requests())
	env := inputs.Env{
		Publisher: &b.sink, Cursors: b.store, Reporter: &b.counts, Log: slog.New(slog.DiscardHandler),
		Once: true, FirstPoll: time.Now().Add(time.Hour), Grace: time.Second,
	}
	stopped, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := b.stream.Run(stopped, env); err != nil || len(b.tenant.Requests()) != before {
		t.Errorf("%d requests before the first poll is due, %v", len(b.tenant.Requests())-before, err)
	}
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	env.PollNow = wake
	if err := b.stream.Run(t.Context(), env); err != nil || len(b.tenant.Requests()) == before {
		t.Errorf("%d requests after it was woken, %v", len(b.tenant.Requests())-before, err)
	}
}
