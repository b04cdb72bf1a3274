package odata_test

import (
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// short is a rig whose page of 1,000 was read, and proved the end, several times.
func short(t *testing.T) *rig {
	t.Helper()
	r := newRig(odata.Timeline, 30)
	r.options.PageSize = 1000
	for range 3 {
		r.mustPoll(t)
	}
	if len(r.asked) != 1 {
		t.Fatalf("%d calls for what one page proves", len(r.asked))
	}
	return r
}

// TestShortPageWithoutTheNewestKnown is not the last one: a server may have begun to cut.
func TestShortPageWithoutTheNewestKnown(t *testing.T) {
	r := short(t)
	r.page = func(page []thing) []thing { return page[:min(len(page), 3)] }
	r.appear(noon.Add(-time.Minute))
	r.mustPoll(t)
	r.expectOnce(t)
}

// TestEveryTenthPollDoubts a page that is short and has the newest record that was known.
func TestEveryTenthPollDoubts(t *testing.T) {
	r := short(t)
	r.appear(noon.Add(-time.Minute))
	r.page = func(page []thing) []thing { // cut just there
		if last := len(page) - 1; last > 1 && page[last].Updated.Equal(noon.Add(-time.Minute)) {
			return page[:last]
		}
		return page
	}
	polls := 0
	for ; r.published[r.things[30].ID] == 0 && polls < 20; polls++ {
		r.mustPoll(t)
	}
	if polls < 2 || polls > 10 {
		t.Errorf("published after %d polls, want at most ten", polls)
	}
	r.expectOnce(t)
}
