package odata_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// clocked is a rig whose server has a clock, which shows the same as ours.
func clocked() *rig {
	r := newRig(odata.Timeline, 50)
	r.clock = r.now
	return r
}

func (r *rig) mustPoll(t *testing.T) {
	t.Helper()
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass for both clocks.
func (r *rig) pass(d time.Duration) { r.now, r.clock = r.now.Add(d), r.clock.Add(d) }

// appear adds a record of a time.
func (r *rig) appear(at time.Time) {
	r.things = append(r.things, thing{ID: fmt.Sprintf("new-%d", len(r.things)), Updated: at, Created: at})
}

// appearMany adds records of the last second.
func (r *rig) appearMany(n int) {
	for i := range n {
		r.appear(r.clock.Add(time.Duration(i)*10*time.Millisecond - time.Second))
	}
}

// TestOurClockIsNotBelieved: regardless of what it shows, for one poll or at the start,
// nothing is lost and nothing long past is read again.
func TestOurClockIsNotBelieved(t *testing.T) {
	for _, wrong := range []time.Duration{2 * time.Hour, 30 * 24 * time.Hour, -2 * time.Hour, -365 * 24 * time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			r := clocked()
			r.options.InitialInterval = time.Hour
			r.now = r.clock.Add(wrong) // at the start
			r.appear(r.clock.Add(-50 * time.Minute))
			first := r.things[len(r.things)-1].ID
			r.mustPoll(t)
			if r.published[first] != 1 {
				t.Errorf("a record of the first look-back was published %d times", r.published[first])
			}
			r.now = r.clock
			r.pass(time.Minute)
			r.mustPoll(t)
			r.now = r.clock.Add(wrong) // for one poll
			r.restart()
			r.mustPoll(t)
			r.now = r.clock
			for range 5 {
				r.pass(time.Minute)
				r.appear(r.clock.Add(-10 * time.Minute))
				id := r.things[len(r.things)-1].ID
				r.mustPoll(t)
				if r.published[id] != 1 {
					t.Errorf("%s was published %d times", id, r.published[id])
				}
				if from := r.from(t); from.Before(r.clock.Add(-2 * time.Hour)) {
					t.Errorf("reads from %s, it is %s", from, r.clock)
				}
			}
		})
	}
}

// TestServersClockIsNotBelievedOnce: a Date of long ago, once, is no reason to
// set the cursor back; twice it is.
func TestServersClockIsNotBelievedOnce(t *testing.T) {
	r := clocked()
	r.mustPoll(t)
	r.mustPoll(t)
	before := r.from(t)
	r.clock = r.clock.Add(-30 * 24 * time.Hour)
	r.mustPoll(t)
	r.clock = r.now
	r.mustPoll(t)
	if from := r.from(t); from.Before(before) {
		t.Errorf("reads from %s after one wrong Date, before it from %s", from, before)
	}
	r.clock = r.clock.Add(-2 * time.Hour)
	ahead := r.clock
	r.mustPoll(t)
	r.restart()
	r.pass(time.Minute)
	r.mustPoll(t)
	r.mustPoll(t)
	if from := r.from(t); from.After(ahead.Add(-r.options.Overlap)) {
		t.Errorf("reads from %s although it is %s", from, r.clock)
	}
}

// TestOverlapCountsFromTheReading: what was asked for long ago is asked for
// again, however far the cursor is; a backlog is not.
func TestOverlapCountsFromTheReading(t *testing.T) {
	r := clocked()
	r.options.PageSize = 10
	r.publishing = func() { // each page takes ten minutes
		r.pass(10 * time.Minute)
		r.appear(r.clock.Add(-time.Second))
	}
	r.mustPoll(t) // a backlog of days
	r.publishing = nil
	read := r.clock
	r.mustPoll(t)
	if from := r.from(t); from.Before(read.Add(-40 * time.Minute)) {
		t.Fatalf("asked from %s, a backlog was read until %s", from, read)
	}
	r.pass(20 * time.Minute)
	r.mustPoll(t)
	r.appearMany(12) // more than a page, so that the poll continues behind it
	begun := r.clock
	first := true
	r.publishing = func() { // the other side is away for longer than the overlap
		if first {
			first = false
			r.pass(20 * time.Minute)
			r.appearMany(12)
		}
	}
	r.mustPoll(t)
	if first || !r.clock.Equal(begun.Add(20*time.Minute)) {
		t.Fatalf("it is %s, the poll began at %s", r.clock, begun)
	}
	r.appear(begun.Add(-5 * time.Minute)) // late by 25 minutes, but nobody asked since
	late := r.things[len(r.things)-1].ID
	r.restart()
	r.mustPoll(t)
	if r.published[late] != 1 {
		t.Errorf("a record that appeared while nobody asked was published %d times", r.published[late])
	}
	r.pass(time.Minute)
	r.mustPoll(t)
	r.pass(time.Minute)
	r.mustPoll(t)
	if from := r.from(t); from.Before(begun) {
		t.Errorf("still reads from %s", from)
	}
	r.expectOnce(t)
}
