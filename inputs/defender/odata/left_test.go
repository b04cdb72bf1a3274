package odata_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// snapshotOf is a snapshot of 25 things, of which the server can fail with one.
func snapshotOf(refuse func(url.Values) bool) (r *rig, fails func(id string)) {
	r = newRig(odata.Snapshot, 25)
	r.retention, r.refuse = aDay, refuse
	r.source, r.mapper = r.list, &lenient{}
	return r, func(id string) {
		r.fail = func(_ url.Values, page []thing) bool {
			return slices.ContainsFunc(page, func(t thing) bool { return t.ID == id })
		}
	}
}

// pollOnce polls an hour later. It may fail.
func (r *rig) pollOnce(t *testing.T) {
	t.Helper()
	r.now = r.now.Add(time.Hour)
	_ = r.poll(t)
}

// TestLeftBehindAndServedAgain: what snapshots could not have, and did not change
// meanwhile, is not published again when it comes, wherever in the list it is.
func TestLeftBehindAndServedAgain(t *testing.T) {
	for name, refuse := range map[string]func(url.Values) bool{"by id": nil, "by $skip": filters("id")} {
		for _, id := range []string{"t00000", "t00009", "t00010", "t00024"} {
			for _, snapshots := range []int{2, 3, 6} { // the first one fails, those behind it leave it behind
				t.Run(name, func(t *testing.T) {
					r, fails := snapshotOf(refuse)
					r.pollOnce(t)
					fails(id)
					for range snapshots {
						r.pollOnce(t)
					}
					if r.published["unserved"] != 1 {
						t.Fatalf("%d documents for %s", r.published["unserved"], id)
					}
					r.fail = nil
					r.pollOnce(t)
					r.expectOnce(t)
					r.now = r.now.Add(24 * time.Hour)
					r.pollOnce(t) // a refresh later
					if n := r.published[id]; n != 2 {
						t.Errorf("%s published %d times in a day and a half", id, n)
					}
				})
			}
		}
	}
}

// TestChangeBackBesideOneLeftBehind: one that is never served hides no change of the
// others, among them those that become what they were two snapshots before.
func TestChangeBackBesideOneLeftBehind(t *testing.T) {
	r, fails := snapshotOf(nil)
	r.pollOnce(t)
	fails("t00009")
	r.pollOnce(t)
	want := 1
	for i := range 4 {
		r.pollOnce(t)
		for n := range r.things {
			if step := time.Minute; r.things[n].ID == "t00012" {
				if i%2 == 1 {
					step = -step
				}
				r.things[n].Updated = r.things[n].Updated.Add(step)
			}
		}
		want++
		r.pollOnce(t)
		if got := r.published["t00012"]; got != want {
			t.Errorf("change %d: published %d times, want %d", i+1, got, want)
		}
	}
}
