package defender_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	machineDataset = "microsoft_defender_endpoint.machine"
	actionDataset  = "microsoft_defender_endpoint.machine_action"
)

// pollUntilQuiet polls until a poll succeeds: every failed one may get a
// little further.
func (b *bench) pollUntilQuiet(limit int) {
	b.Helper()
	for range limit {
		if b.poll() == nil {
			return
		}
	}
	b.Fatalf("not caught up after %d polls: %v", limit, b.poll())
}

// TestDeepSkipRefused: a server that does not let many records be skipped
// costs no record.
func TestDeepSkipRefused(t *testing.T) {
	const alerts, machines, actions = "/api/alerts", "/api/machines", "/api/machineactions"
	for name, c := range map[string]struct {
		dataset string
		options tenant.Options
		rules   []tenant.Rule
	}{
		"alerts that cannot be sorted": {logDataset, tenant.Options{Alerts: 400, EvidencePerAlert: 1}, []tenant.Rule{
			{Path: alerts, RejectOrderBy: true}, {Path: alerts, RejectDeepSkip: 60},
		}},
		"alerts of one time": {logDataset, tenant.Options{Alerts: 300, EvidencePerAlert: 1, TieRun: 200, Span: 10 * time.Minute}, []tenant.Rule{
			{Path: alerts, RejectDeepSkip: 40},
		}},
		"machines": {machineDataset, tenant.Options{Machines: 300}, []tenant.Rule{
			{Path: machines, RejectDeepSkip: 60},
		}},
		"actions by creation time": {actionDataset, tenant.Options{Actions: 300}, []tenant.Rule{
			{Path: actions, RejectFilterProperty: "lastUpdateDateTimeUtc"}, {Path: actions, RejectDeepSkip: 60},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Seed = 11
			b := newBench(t, c.options, map[string]any{"batch_size": 20})
			b.dataset = c.dataset
			b.tenant.Fail(c.rules...)
			b.pollUntilQuiet(3)
			b.pollUntilQuiet(1)
			want := c.options.Alerts + c.options.Machines + c.options.Actions
			if len(b.sink.stored) != want || b.sink.duplicates != 0 {
				t.Errorf("%d documents stored and %d sent twice, want %d and 0", len(b.sink.stored), b.sink.duplicates, want)
			}
		})
	}
}

// TestPagesCutBySize: a server that cuts pages by their size gives short ones in
// the middle. Nothing behind them is lost, and no machine that was not met is
// taken for new by the next sweep.
func TestPagesCutBySize(t *testing.T) {
	for name, c := range map[string]struct {
		dataset, path string
		options       tenant.Options
		unsorted      bool
	}{
		"alerts":                       {logDataset, "/api/alerts", tenant.Options{Alerts: 150, EvidencePerAlert: 1, Span: 10 * time.Minute}, false},
		"alerts that cannot be sorted": {logDataset, "/api/alerts", tenant.Options{Alerts: 150, EvidencePerAlert: 1}, true},
		"machines":                     {machineDataset, "/api/machines", tenant.Options{Machines: 150}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Seed = 12
			b := newBench(t, c.options, map[string]any{"batch_size": 50})
			b.dataset = c.dataset
			for range 3 {
				b.tenant.Heal()
				b.tenant.Fail(tenant.Rule{Path: c.path, RejectOrderBy: c.unsorted}, tenant.Rule{Path: c.path, ClampTop: 20, After: 1})
				b.mustPoll()
			}
			want := c.options.Alerts + c.options.Machines
			if len(b.sink.stored) != want || b.sink.duplicates != 0 {
				t.Errorf("%d documents stored and %d sent twice, want %d and 0", len(b.sink.stored), b.sink.duplicates, want)
			}
		})
	}
}

// TestUpdatesWhileSkipping: an update takes a record out of the bounds that are
// being passed by $skip, and all behind it move up by one. None is passed over.
func TestUpdatesWhileSkipping(t *testing.T) {
	old := 40 * 24 * time.Hour
	for name, c := range map[string]struct {
		options tenant.Options
		rule    tenant.Rule
	}{
		"windows that cannot be sorted": {tenant.Options{Alerts: 300, Span: old}, tenant.Rule{Path: "/api/alerts", RejectOrderBy: true}},
		"ties, sorted":                  {tenant.Options{Alerts: 300, TieRun: 100, Span: old}, tenant.Rule{Path: "/none"}},
		"ties, $top clamped":            {tenant.Options{Alerts: 300, TieRun: 100, Span: old}, tenant.Rule{Path: "/api/alerts", ClampTop: 12}},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Seed, c.options.EvidencePerAlert = 14, 1
			b := newBench(t, c.options, map[string]any{"batch_size": 20, "initial_interval": "1440h"})
			b.tenant.Fail(c.rule)
			var ids []string
			for v := range b.tenant.Records(tenant.Alerts) {
				ids = append(ids, v.ID)
			}
			page := 0
			b.tenant.AfterPage(func(r tenant.Request) {
				if page++; page < 30 && page%2 == 0 { // one that was read already, in the oldest bounds
					_ = b.tenant.Touch(tenant.Alerts, ids[page/2-1])
				}
			})
			b.mustPoll()
			b.tenant.AfterPage(nil)
			b.mustPoll()
			b.expectPresent()
		})
	}
}

// TestMachinesThatLeaveTheList: while it is being read, and all of them for
// one poll. Those that stay are not published again.
func TestMachinesThatLeaveTheList(t *testing.T) {
	b := newMachineBench(t, tenant.Options{Seed: 15, Machines: 100}, map[string]any{"batch_size": 20})
	b.mustPoll()
	for _, rule := range []tenant.Rule{
		{Path: "/api/machines", Status: 404},
		{Path: "/api/machines", Status: 404, After: 2},
		{Path: "/api/machines", Status: 404, Body: "<html>no such host</html>", After: 2},
	} {
		b.tenant.Fail(rule)
		_ = b.poll() // what is no answer of the API is an error
		b.tenant.Heal()
		b.mustPoll()
		b.mustPoll()
	}
	if len(b.sink.stored) > 100+60 { // a 404 in mid-sweep may be the end: then the rest is published once more
		t.Errorf("%d documents of 100 machines", len(b.sink.stored))
	}
}

// TestRecordWithoutATimeIsSentOnce although nothing tells where it belongs.
func TestRecordWithoutATimeIsSentOnce(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 16, Alerts: 40, EvidencePerAlert: 1, Span: 10 * time.Minute}, map[string]any{"batch_size": 15})
	b.tenant.Add(tenant.Alerts, `{"id":"timeless","lastUpdateTime":"no time","evidence":[]}`)
	for range 4 {
		b.mustPoll()
		if err := b.tenant.Touch(tenant.Alerts, b.anyID()); err != nil {
			t.Fatal(err)
		}
	}
	if b.sink.duplicates != 0 {
		t.Errorf("%d documents were sent again", b.sink.duplicates)
	}
}

func (b *bench) anyID() string {
	for v := range b.tenant.Records(tenant.Alerts) {
		if v.ID != "timeless" {
			return v.ID
		}
	}
	return ""
}

// TestLongBacklogIsReadInWindows: oldest first, no query spans more than a
// window, and a poll that ends in the middle continues from there.
func TestLongBacklogIsReadInWindows(t *testing.T) {
	for name, unsorted := range map[string]bool{"sorted": false, "cannot be sorted": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tenant.Options{Seed: 13, Alerts: 900, EvidencePerAlert: 1, Span: 170 * 24 * time.Hour},
				map[string]any{"initial_interval": "4320h", "batch_size": 100})
			b.tenant.Fail(tenant.Rule{Path: "/api/alerts", RejectOrderBy: unsorted})
			crashed := errors.New("process ends here")
			b.sink.crash = func(batch int) (error, bool) {
				if batch == 5 {
					return crashed, false
				}
				return nil, true
			}
			if err := b.poll(); !errors.Is(err, crashed) {
				t.Fatalf("got %v, want the crash", err)
			}
			before := len(b.tenant.Requests())
			b.sink.crash = nil
			b.mustPoll()
			b.expectAll()
			if b.sink.duplicates != 0 {
				t.Errorf("%d documents were sent twice", b.sink.duplicates)
			}
			first := b.tenant.Requests()[before : before+3]
			for _, r := range first {
				if from := lowerBound(r); r.Path == "/api/alerts" && time.Since(from) > 165*24*time.Hour {
					t.Errorf("the second run starts again at %s", from)
				}
			}
			if n := len(b.tenant.Requests()); n > 150 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// lowerBound is the time from which a request reads.
func lowerBound(r tenant.Request) time.Time {
	query, _ := url.ParseQuery(r.Query)
	_, after, _ := strings.Cut(query.Get("$filter"), " ge ")
	text, _, _ := strings.Cut(after, " ")
	at, _ := time.Parse(time.RFC3339Nano, text)
	return at
}

// TestAlwaysSomethingNew: where alerts never stop, a poll ends with what there
// was when it began. One that continues to an empty page never ends, and uses up
// the calls of the whole tenant.
func TestAlwaysSomethingNew(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 21, Alerts: 300, EvidencePerAlert: 1, Live: 2000}, map[string]any{"batch_size": 2000})
	var begun time.Time
	for range 3 {
		begun = time.Now()
		calls := len(b.tenant.Requests())
		b.mustPoll()
		if calls = len(b.tenant.Requests()) - calls; calls > 20 {
			t.Fatalf("%d calls for one poll", calls)
		}
	}
	stored := b.stored()
	for v := range b.tenant.Records(tenant.Alerts) {
		if n := stored[versionOf(v)]; n > 1 || n == 0 && v.Time.Before(begun) {
			t.Errorf("alert %s of %s: %d documents", v.ID, v.Time, n)
		}
	}
	if b.sink.duplicates != 0 {
		t.Errorf("%d documents sent twice", b.sink.duplicates)
	}
}
