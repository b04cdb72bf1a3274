package odata_test

import (
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

func TestWholeListByLinks(t *testing.T) {
	d := newDesk(t, 25, nil)
	d.did(t, false, "list, link 1, link 2")
	d.expectRead(t, 1)
	d.restart()
	d.now = d.now.Add(11 * time.Hour)
	d.did(t, false, "") // it is not due
	d.now = d.now.Add(time.Hour)
	d.did(t, false, "list, link 1, link 2")
	d.expectRead(t, 2)
	if _, again := d.epochs(); again > 0 {
		t.Errorf("%d published again", again)
	}
}

// TestDeadLink: the list is begun again, in the same sweep and under the same ids.
func TestDeadLink(t *testing.T) {
	for _, code := range []int{400, 404, 410} {
		d := newDesk(t, 25, nil)
		d.fails["link 2"] = []fault{status(code)}
		d.did(t, false, "list, link 1, link 2, list, link 1, link 2")
		d.expectRead(t, 1)
	}
	d := newDesk(t, 15, nil)
	d.fails["link 1"] = []fault{status(404), status(404), status(404), status(404), status(404)}
	d.did(t, true, "list, link 1, list, link 1, list, link 1, list, link 1")
}

// TestLinkFails: a page that breaks off is asked for again, and after an outage
// the next poll continues at its link while that is likely to be good.
func TestLinkFails(t *testing.T) {
	d := newDesk(t, 25, nil)
	d.fails["link 1"] = []fault{broken, down}
	d.did(t, true, "list, link 1, link 1")
	d.now = d.now.Add(30 * time.Second)
	d.did(t, false, "link 1, link 2")
	d.expectRead(t, 1)

	d = newDesk(t, 25, nil)
	d.fails["link 1"] = []fault{down}
	d.did(t, true, "list, link 1")
	d.now = d.now.Add(2 * time.Hour)
	d.did(t, false, "list, link 1, link 2")
	d.expectRead(t, 1)
}

// TestLinkThatDoesNotComeAtAll: the list is begun again, with smaller pages.
func TestLinkThatDoesNotComeAtAll(t *testing.T) {
	d := newDesk(t, 15, nil)
	d.fails["link 1"] = []fault{down, down, down}
	d.did(t, true, "list, link 1")
	d.did(t, true, "link 1")
	d.did(t, true, "link 1")
	d.did(t, false, "list, link 1")
	d.expectRead(t, 1)
	d.now = d.now.Add(12 * time.Hour)
	d.fails["list"] = []fault{down}
	d.did(t, true, "list")
	if size := d.query.Get("pageSize"); size != "25000" {
		t.Errorf("page size %s after one read with smaller pages", size)
	}
	d.did(t, false, "list, link 1")
	if size := d.options.PageSize; size != 50_000 {
		t.Errorf("page size %d", size)
	}
}

func TestLinksWithoutEnd(t *testing.T) {
	d := newDesk(t, 15, nil)
	d.perPage = 0 // each page is empty and links to itself
	d.did(t, true, "list, link 0")
	d = newDesk(t, 45, nil)
	d.circular = true
	d.did(t, true, "list, link 1, link 2, link 3, link 4")
}

func TestPageSizeRefused(t *testing.T) {
	d := newDesk(t, 5, nil)
	d.fails["list"] = []fault{status(400)}
	d.did(t, false, "list, list")
	if d.query.Has("pageSize") {
		t.Error("asked for a page size again")
	}
	d = newDesk(t, 5, nil)
	d.fails["list"] = []fault{status(400), status(400)}
	d.did(t, true, "list, list")
}

// TestEmptyList is one without records. A 404 is no such: no page says that these
// lists answer so, and a cloud may not have them.
func TestEmptyList(t *testing.T) {
	d := newDesk(t, 0, nil)
	d.did(t, false, "list")
	d.now = d.now.Add(time.Hour)
	d.did(t, false, "")
	d = newDesk(t, 5, nil)
	d.fails["list"] = []fault{status(404)}
	d.did(t, true, "list")
}

// TestKilledListStartsAgain under the ids that its documents have, unless the
// server has made another list since.
func TestKilledListStartsAgain(t *testing.T) {
	for after, reads := range map[time.Duration]int{time.Hour: 1, 7 * time.Hour: 2} {
		d := newDesk(t, 25, nil)
		d.fails["link 1"] = []fault{down}
		d.did(t, true, "list, link 1")
		d.restart()
		d.now = d.now.Add(after)
		d.did(t, false, "list, link 1, link 2")
		perEpoch, again := d.epochs()
		if len(perEpoch) != reads || again != 10*(2-reads) {
			t.Errorf("after %s: %v, %d published again", after, perEpoch, again)
		}
	}
}

// TestEpochs say when an unchanged thing is another document.
func TestEpochs(t *testing.T) {
	for name, c := range map[string]struct {
		epoch odata.Epoch
		want  []int // documents of a thing after each read, 12 hours apart from noon
	}{
		"once":      {odata.Once, []int{1, 1, 1}},
		"daily":     {odata.Daily, []int{1, 2, 2}},
		"each read": {odata.EachRead, []int{1, 2, 3}},
	} {
		d := newDesk(t, 1, func(o *odata.Options) { o.Epoch = c.epoch })
		for i, want := range c.want {
			d.now = noon.Add(time.Duration(i) * 12 * time.Hour)
			d.did(t, false, "list")
			if len(d.published) != want {
				t.Errorf("%s: %d documents after read %d, want %d", name, len(d.published), i+1, want)
			}
		}
	}
}

// TestSweepTellsItsStart, the same after a restart.
func TestSweepTellsItsStart(t *testing.T) {
	d := newDesk(t, 15, nil)
	d.fails["link 1"] = []fault{down}
	d.did(t, true, "list, link 1")
	d.restart()
	d.now = d.now.Add(time.Hour)
	m := &sweepMapper{}
	d.mapper = m
	d.did(t, false, "list, link 1")
	if !m.sweep.Started.Equal(noon) || !m.sweep.Whole {
		t.Errorf("sweep %+v, want it to have started at noon", m.sweep)
	}
}

// TestRewindReadsAtOnce although nothing is due.
func TestRewindReadsAtOnce(t *testing.T) {
	s := odata.Assessment(odata.Options{List: "/list", PageSize: 10, Interval: time.Hour, Now: func() time.Time { return noon }})
	if err := s.Restore([]byte(`{"version":1,"started":"2026-03-02T11:59:00Z","complete":true}`)); err != nil {
		t.Fatal(err)
	}
	if s.Begin() != nil || !s.Place().Due.Equal(noon.Add(59*time.Minute)) {
		t.Error("due too early")
	}
	s.Rewind(noon.Add(-time.Hour))
	if s.Begin() == nil {
		t.Error("nothing to read")
	}
}

func TestPlacesThatCannotBeUsed(t *testing.T) {
	for _, saved := range []string{`{"version":2}`, `[]`, `{"version":"1"}`, `{"version":1,"files":{"done":"?"}}`} {
		s := odata.Assessment(odata.Options{List: "/list", Now: func() time.Time { return noon }})
		if err := s.Restore([]byte(saved)); err == nil {
			t.Errorf("%s was taken", saved)
		}
		if err := s.Restore(nil); err != nil || s.Begin() == nil {
			t.Errorf("%s: not started afresh", saved)
		}
	}
}

// TestClockSetBack: a read that began in the future is due.
func TestClockSetBack(t *testing.T) {
	d := newDesk(t, 5, nil)
	d.did(t, false, "list")
	d.now = d.now.Add(-30 * 24 * time.Hour)
	d.did(t, false, "list")
}

func TestListOrFilesByDevices(t *testing.T) {
	both := func(above int) func(*odata.Options) {
		return func(o *odata.Options) { o.Files, o.Devices, o.FilesAbove = "/files", "/count", above }
	}
	for name, c := range map[string]struct {
		above int
		fault []fault
		want  string
	}{
		"few devices":             {101, nil, "count, list"},
		"many devices":            {99, nil, "count, index, file 0"},
		"always files":            {0, nil, "index, file 0"},
		"machines not readable":   {99, []fault{status(403)}, "count, list"},
		"the count does not come": {99, []fault{down}, "count, list"},
	} {
		d := newDesk(t, 5, both(c.above))
		d.devices = 100
		d.fails["count"] = c.fault
		d.did(t, false, c.want)
		d.expectRead(t, 1)
		if t.Failed() {
			t.Log(name)
		}
	}
}
