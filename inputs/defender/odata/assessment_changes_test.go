package odata_test

import (
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// newChanges makes a desk with a list of changes, on which everything was read.
func newChanges(t *testing.T, change func(*odata.Options)) *desk {
	t.Helper()
	d := newDesk(t, 15, func(o *odata.Options) {
		withChanges(o)
		if change != nil {
			change(o)
		}
	})
	d.retention = collect.Retention{For: 48 * time.Hour, Limit: 1000}
	d.did(t, false, "list, link 1")
	return d
}

// later moves both clocks on.
func (d *desk) later(by time.Duration) {
	d.now = d.now.Add(by)
	d.clock = d.clock.Add(by)
}

// TestChangesFollowTheWholeList from where that began, by the server's clock, less
// the slot by which it rounds; and then from where the changes were asked for.
func TestChangesFollowTheWholeList(t *testing.T) {
	d := newChanges(t, nil)
	d.clock = d.clock.Add(7 * time.Second)
	d.changed = []thing{{ID: "c1", Updated: noon}}
	d.later(4 * time.Hour)
	d.did(t, false, "changes 02T06:00:01")
	d.later(4 * time.Hour)
	d.restart()
	d.changed = append(d.changed, thing{ID: "c2", Updated: noon.Add(time.Hour)})
	d.did(t, false, "changes 02T10:00:08")
	if d.published["c1@"] != 1 || d.published["c2@"] != 1 || len(d.published) != 17 {
		t.Errorf("published %v", d.published)
	}
}

// TestChangesSinceTheFirstPage: what changes while the list is read is asked for.
func TestChangesSinceTheFirstPage(t *testing.T) {
	d := newDesk(t, 15, withChanges)
	d.retention = collect.Retention{For: 48 * time.Hour, Limit: 1000}
	d.publishing = func() { d.clock = d.clock.Add(time.Hour) }
	d.did(t, false, "list, link 1")
	d.later(4 * time.Hour)
	d.did(t, false, "changes 02T06:00:01")
}

// TestChangeOfLongAgo is published all the same: only its content shows whether
// it was met.
func TestChangeOfLongAgo(t *testing.T) {
	d := newChanges(t, nil)
	d.changed = []thing{{ID: "old", Updated: noon.Add(-300 * time.Hour)}}
	for range 3 {
		d.later(4 * time.Hour)
		d.did(t, false, d.nextChanges(t))
	}
	if d.published["old@"] != 1 {
		t.Errorf("published %v", d.published)
	}
}

// nextChanges is what the next read of changes is to ask, of the place as saved.
func (d *desk) nextChanges(t *testing.T) string {
	t.Helper()
	_, since, _ := strings.Cut(string(d.saved), `"since":"`)
	at, err := time.Parse(time.RFC3339, since[:strings.Index(since, `"`)])
	if err != nil {
		t.Fatal(err)
	}
	return "changes " + at.Format("02T15:04:05")
}

// TestChangesBreakOff: they are asked for from the same time again.
func TestChangesBreakOff(t *testing.T) {
	d := newChanges(t, nil)
	d.later(4 * time.Hour)
	d.changed = []thing{{ID: "c1", Updated: noon}, {ID: "c2", Updated: noon}}
	d.fails["changes 02T06:00:01"] = []fault{broken, broken, broken}
	d.did(t, true, "changes 02T06:00:01, changes 02T06:00:01, changes 02T06:00:01")
	d.later(time.Minute)
	d.did(t, false, "changes 02T06:00:01")
	if d.published["c1@"] != 1 || d.published["c2@"] != 1 {
		t.Errorf("published %v", d.published)
	}
}

// TestWholeListEveryFullInterval: a finding that stays is published again then.
func TestWholeListEveryFullInterval(t *testing.T) {
	d := newChanges(t, nil)
	d.later(48 * time.Hour)
	d.did(t, false, "list, link 1")
	d.expectRead(t, 2)
}

// TestChangesOfTooLongAgo: the server gives those of 14 days, so all is read, and
// it is logged once.
func TestChangesOfTooLongAgo(t *testing.T) {
	d := newChanges(t, func(o *odata.Options) { o.FullInterval = 60 * 24 * time.Hour })
	d.later(13 * 24 * time.Hour)
	d.did(t, false, "changes 02T06:00:01")
	d.later(14 * 24 * time.Hour)
	d.fails["link 1"] = []fault{down}
	d.did(t, true, "list, link 1")
	d.restart()
	d.did(t, false, "list, link 1")
	if n := strings.Count(d.warnings.String(), "from so long ago"); n != 1 {
		t.Errorf("logged %d times: %s", n, d.warnings.String())
	}
	d.later(4 * time.Hour)
	d.did(t, false, "changes 29T06:00:01")
}

// TestChangesRefused: all is read in place of them, once. Where they are refused
// again, the poll reports it, and all is read when that is due.
func TestChangesRefused(t *testing.T) {
	d := newChanges(t, nil)
	d.later(4 * time.Hour)
	d.fails["changes 02T06:00:01"] = []fault{status(400), status(400)}
	d.did(t, false, "changes 02T06:00:01, changes 02T06:00:01, list, link 1")
	d.expectRead(t, 2)
	if n := strings.Count(d.warnings.String(), "asking another way"); n != 1 {
		t.Errorf("logged %d times: %s", n, d.warnings.String())
	}
	d.later(4 * time.Hour)
	d.restart()
	d.fails["changes 02T10:00:01"] = []fault{status(400), status(400), status(400), status(400)}
	d.did(t, true, "changes 02T10:00:01, changes 02T10:00:01")
	d.later(4 * time.Hour)
	d.did(t, true, "changes 02T10:00:01, changes 02T10:00:01")
	d.later(4 * time.Hour)
	d.did(t, false, "changes 02T10:00:01")
	d.later(4 * time.Hour)
	d.fails["changes 02T22:00:01"] = []fault{status(400), status(400)}
	d.did(t, false, "changes 02T22:00:01, changes 02T22:00:01, list, link 1") // they were taken between
	d.later(44 * time.Hour)
	d.fails["changes 03T02:00:01"] = []fault{status(400), status(400)}
	d.did(t, true, "changes 03T02:00:01, changes 03T02:00:01")
	d.later(4 * time.Hour)
	d.did(t, false, "list, link 1")
}

// TestChangesOfFiles are asked for from when the files were made.
func TestChangesOfFiles(t *testing.T) {
	d := newDesk(t, 5, func(o *odata.Options) { withChanges(o); o.Files, o.FilesAbove = "/files", 0 })
	d.did(t, false, "index, file 0")
	d.later(4 * time.Hour)
	d.did(t, false, "changes 02T05:00:00")
}

// TestChangesAreNoWholeSweep: their ids hold no epoch, and what was met once is
// not published again.
func TestChangesAreNoWholeSweep(t *testing.T) {
	d := newChanges(t, nil)
	m := &sweepMapper{}
	d.mapper = m
	d.restart()
	d.later(4 * time.Hour)
	d.did(t, false, "changes 02T06:00:01")
	if m.sweep.Whole || len(m.sweep.Epoch) > 0 || !m.sweep.Started.IsZero() {
		t.Errorf("sweep %+v", m.sweep)
	}
}
