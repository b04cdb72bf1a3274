package defendertest_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// The tenant's clock decides which records exist and what Date an answer has.
func TestMoveClock(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 3, Live: 1, Now: midnight})
	c := connect(t, tenant)
	for _, step := range []struct {
		by     time.Duration
		alerts int
		date   string
	}{
		{0, 3, "Mon, 02 Mar 2026 00:00:00 GMT"},
		{time.Minute, 63, "Mon, 02 Mar 2026 00:01:00 GMT"},
		{-2 * time.Minute, 63, "Sun, 01 Mar 2026 23:59:00 GMT"}, // what was visible stays so
		{3 * time.Minute, 123, "Mon, 02 Mar 2026 00:02:00 GMT"},
	} {
		tenant.MoveClock(step.by)
		p := c.list("/api/alerts")
		if len(p.Value) != step.alerts || p.Header.Get("Date") != step.date {
			t.Errorf("%s: %d alerts, Date %s", step.by, len(p.Value), p.Header.Get("Date"))
		}
	}
	tenant.MoveClock(30 * 24 * time.Hour)
	if p := c.get("/api/alerts"); p.Status != http.StatusUnauthorized {
		t.Errorf("a token of a month ago: %d", p.Status)
	}
	tenant.Fail(defendertest.Rule{Header: http.Header{"Date": nil}})
	if p := c.get("/api/alerts"); p.Header.Get("Date") != "" {
		t.Errorf("Date %q", p.Header.Get("Date"))
	}
}

// A record dated ahead is shown at once, behind all others.
func TestDatedAhead(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 5, Machines: 5, Actions: 5, Now: midnight})
	ahead := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, res := range defendertest.Resources() {
		first := slices.Collect(tenant.Records(res))[0]
		if err := tenant.TouchAt(res, ahead, first.ID); err != nil {
			t.Fatal(err)
		}
		last := slices.Collect(tenant.Records(res))[4]
		if last.ID != first.ID || !last.Time.Equal(ahead) {
			t.Errorf("%s: the last is %+v", res, last)
		}
	}
}

// One list is late and the others are not.
func TestLateOfOneList(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Now: now.Now})
	tenant.SetVisibilityDelay(10*time.Minute, defendertest.Alerts)
	tenant.Add(defendertest.Alerts, `{"id":"a"}`)
	tenant.Add(defendertest.Machines, `{"id":"m"}`)
	count := func(res defendertest.Resource) int { return len(slices.Collect(tenant.Records(res))) }
	if count(defendertest.Alerts) != 0 || count(defendertest.Machines) != 1 {
		t.Error("the delay is of the wrong list")
	}
	now.advance(10 * time.Minute)
	if late := slices.Collect(tenant.Records(defendertest.Alerts)); len(late) != 1 || !late[0].Time.Equal(midnight()) {
		t.Errorf("after the delay: %+v", late)
	}
}

// Status and comments move, the time and the evidence do not.
func TestRevise(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 20, EvidencePerAlert: 2, Now: midnight})
	c := connect(t, tenant)
	for v := range tenant.Records(defendertest.Alerts) {
		before := one(c, defendertest.Alerts, v.ID)
		if err := tenant.Revise(defendertest.Alerts, v.ID); err != nil {
			t.Fatal(err)
		}
		after := one(c, defendertest.Alerts, v.ID)
		for w := range tenant.Records(defendertest.Alerts) {
			if w.ID == v.ID && (!w.Time.Equal(v.Time) || w.Evidence != v.Evidence || before == after) {
				t.Errorf("%s became %s", before, after)
			}
		}
	}
}

func TestCounts(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 10, Machines: 2, Now: midnight, RequestLog: 1})
	c := connect(t, tenant)
	ids := c.list("/api/alerts?$orderby=lastUpdateTime&$top=4").ids()
	c.list("/api/alerts?$orderby=lastUpdateTime&$top=2&$skip=4&$expand=evidence")
	c.get("/api/alerts?$filter=id gt ''&$orderby=up down")
	got := tenant.Counts(defendertest.Alerts)
	want := map[defendertest.Option]int{
		defendertest.Filter: 1, defendertest.OrderBy: 3, defendertest.Top: 2, defendertest.Skip: 1,
		defendertest.Expand: 1, defendertest.IDAfter: 1,
	}
	if got.Calls != 3 || got.Largest != 4 || got.Records != 6 || !maps.Equal(got.Options, want) ||
		!maps.Equal(got.Statuses, map[int]int{200: 2, 400: 1}) {
		t.Errorf("got %+v", got)
	}
	if n := tenant.Counts(defendertest.Machines).Calls; n != 0 {
		t.Errorf("%d calls of machines", n)
	}
	if n := len(tenant.Unread(defendertest.Alerts)); n != 4 {
		t.Errorf("%d alerts unread", n)
	}
	if err := tenant.Touch(defendertest.Alerts, ids[0]); err != nil {
		t.Fatal(err)
	}
	if unread := tenant.Unread(defendertest.Alerts); len(unread) != 5 || !slices.Contains(unread, ids[0]) {
		t.Errorf("the new version of %s counts as read: %v", ids[0], unread)
	}
}

// A page that broke off shows nothing for sure.
func TestUnreadAfterACut(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 10})
	tenant.Fail(defendertest.Rule{Path: "/api/", CutAfter: 3000, CutClean: true})
	if _, err := overTheNetwork(t, tenant, "/api/alerts"); err != nil {
		t.Fatal(err)
	}
	if n := len(tenant.Unread(defendertest.Alerts)); n != 10 {
		t.Errorf("%d alerts unread", n)
	}
}
