package odata_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// questions are how often the order of ids was asked about in the last poll.
func (r *rig) questions() (n int) {
	for _, q := range r.asked {
		if strings.Contains(q.Get("$filter"), "id lt ") {
			n++
		}
	}
	return n
}

// TestOrderOfIDsIsAskedSeldom: one question in the first snapshot and in every
// tenth, and none where one page holds all.
func TestOrderOfIDsIsAskedSeldom(t *testing.T) {
	r := newRig(odata.Snapshot, 100)
	r.retention = aDay
	for sweep := 1; sweep <= 11; sweep++ {
		if err := r.poll(t); err != nil {
			t.Fatal(err)
		}
		want := 0
		if sweep%10 == 1 {
			want = 1
		}
		if got := r.questions(); got != want {
			t.Errorf("%d questions in snapshot %d, want %d", got, sweep, want)
		}
		r.now = r.now.Add(time.Hour)
	}
	r.expectOnce(t)
	small := newRig(odata.Snapshot, 4)
	small.retention, small.options.PageSize = aDay, 1000
	if err := small.poll(t); err != nil || small.questions() != 0 {
		t.Errorf("%d questions, %v", small.questions(), err)
	}
}

// TestRecordThatAppearsIsNoDisorder: one that joins the list while its order is
// asked about does not count as a server that does not sort.
func TestRecordThatAppearsIsNoDisorder(t *testing.T) {
	r := newRig(odata.Snapshot, 100)
	r.retention = aDay
	r.refuse = func(q url.Values) bool {
		if strings.Contains(q.Get("$filter"), "id lt ") && len(r.things) == 100 {
			r.things = append(r.things, thing{ID: "a", Updated: noon}) // in front of all others
		}
		return false
	}
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.warnings.String(), "asking another way") || r.questions() != 2 {
		t.Errorf("%d questions; %s", r.questions(), r.warnings.String())
	}
	r.expectOnce(t)
}

// TestRefusedQuestionOfIDs: a server that does not take the question is believed.
func TestRefusedQuestionOfIDs(t *testing.T) {
	r := newRig(odata.Snapshot, 100)
	r.retention = aDay
	r.refuse = func(q url.Values) bool { return strings.Contains(q.Get("$filter"), "id lt ") }
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.expectOnce(t)
}
