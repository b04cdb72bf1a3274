package odata_test

import (
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// TestCollectFrom: in every way that a list is asked, what was updated since is
// published once more, once, and a later poll publishes nothing. A snapshot is
// published once more as a whole.
func TestCollectFrom(t *testing.T) {
	since := noon.Add(-50 * time.Minute)
	for name, c := range waysToAsk {
		t.Run(name, func(t *testing.T) {
			r := newRig(c.pager, 100)
			c.list.things = r.things
			r.list, r.retention, r.options.Created = &c.list, c.retention, c.created
			if err := r.poll(t); err != nil {
				t.Fatal(err)
			}
			r.loop.Env.CollectFrom = collectFrom(since)
			for range 3 {
				if err := r.poll(t); err != nil {
					t.Fatal(err)
				}
				r.restart()
			}
			for _, thing := range r.things {
				want := 1
				if c.retention.Snapshot || !thing.Updated.Before(since) {
					want = 2
				}
				if n := r.published[thing.ID]; n != want {
					t.Errorf("%s of %s published %d times, want %d", thing.ID, thing.Updated.Format(time.TimeOnly), n, want)
				}
			}
		})
	}
}

// TestCollectFromTheFuture leaves nothing out: the place stays.
func TestCollectFromTheFuture(t *testing.T) {
	r := newRig(odata.Timeline, 50)
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.loop.Env.CollectFrom = collectFrom(noon.Add(time.Hour))
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	if want := "updated ge 2026-03-02T11:40:00Z"; r.asked[0].Get("$filter") != want {
		t.Errorf("reads %s, want %s", r.asked[0].Get("$filter"), want)
	}
	r.expectOnce(t)
}

func collectFrom(t time.Time) <-chan time.Time {
	requests := make(chan time.Time, 1)
	requests <- t
	return requests
}
