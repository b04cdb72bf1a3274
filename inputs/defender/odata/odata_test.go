package odata_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

func has(option string) func(url.Values) bool {
	return func(q url.Values) bool { return q.Has(option) }
}

func filters(property string) func(url.Values) bool {
	return func(q url.Values) bool { return strings.HasPrefix(q.Get("$filter"), property+" ") }
}

func without(option string) func(url.Values) {
	return func(q url.Values) { q.Del(option) }
}

// shape is a query without its values.
func shape(q url.Values) string {
	names := make([]string, 0, len(q))
	for name := range q {
		if name == "$filter" {
			property, _, _ := strings.Cut(q.Get(name), " ")
			name += "(" + property + ")"
		}
		if name != "$top" && name != "$skip" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// shapes are the shapes of queries in the order in which they were asked first,
// without those that ask about the order.
func (r *rig) shapes() string {
	var seen []string
	for _, q := range r.asked {
		if q.Get("$top") == "1" {
			continue
		}
		if s := shape(q); !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	return strings.Join(seen, ", ")
}

const byTime, byWindow = "$filter(updated) $orderby", "$filter(updated)"

var aDay = collect.Retention{Snapshot: true, Refresh: 24 * time.Hour}

// waysToAsk are lists, and the shapes of the queries that they are asked with.
var waysToAsk = map[string]struct {
	pager     func(odata.Options) collect.Strategy
	retention collect.Retention
	list      list
	created   string
	shapes    string
}{
	"timeline": {pager: odata.Timeline, shapes: byTime},
	"timeline, order refused": {
		pager: odata.Timeline, list: list{refuse: has("$orderby")}, shapes: byTime + ", " + byWindow,
	},
	"timeline, order ignored": {
		pager: odata.Timeline, list: list{ignore: without("$orderby")}, shapes: byTime + ", " + byWindow,
	},
	"timeline, update time refused": {
		pager: odata.Timeline, list: list{refuse: filters("updated")}, created: "created",
		shapes: byTime + ", " + byWindow + ", $filter(created)",
	},
	"timeline, order and deep skip refused": {
		pager: odata.Timeline, list: list{refuse: has("$orderby"), maxSkip: 30}, shapes: byTime + ", " + byWindow,
	},
	"snapshot": {pager: odata.Snapshot, retention: aDay, shapes: "$orderby, $filter(id) $orderby"},
	"snapshot, ids refused": {
		pager: odata.Snapshot, retention: aDay, list: list{refuse: filters("id")},
		shapes: "$orderby, $filter(id) $orderby",
	},
	"snapshot, ids ignored": {
		pager: odata.Snapshot, retention: aDay, list: list{ignore: without("$filter")},
		shapes: "$orderby, $filter(id) $orderby",
	},
	"snapshot, order refused": {
		pager: odata.Snapshot, retention: aDay, list: list{refuse: has("$orderby")}, shapes: "$orderby, ",
	},
	"snapshot, order ignored": {
		pager: odata.Snapshot, retention: aDay, list: list{ignore: without("$orderby")}, shapes: "$orderby, ",
	},
}

// TestWaysToAsk: regardless of what a server refuses of a query, or ignores, there is
// another way to ask, all is read by it, and nothing is published twice.
func TestWaysToAsk(t *testing.T) {
	for name, c := range waysToAsk {
		t.Run(name, func(t *testing.T) {
			r := newRig(c.pager, 100)
			c.list.things = r.things
			r.list, r.retention, r.options.Created = &c.list, c.retention, c.created
			if err := r.poll(t); err != nil {
				t.Fatal(err)
			}
			if got := r.shapes(); got != c.shapes {
				t.Errorf("asked %q, want %q", got, c.shapes)
			}
			r.expectOnce(t)
			warned := strings.Count(r.warnings.String(), "query refused, asking another way")
			r.restart()
			if err := r.poll(t); err != nil {
				t.Fatal(err)
			}
			r.expectOnce(t)
			if fallback := c.list.refuse != nil || c.list.ignore != nil; fallback != (warned > 0) {
				t.Errorf("%d warnings", warned)
			}
		})
	}
}

// TestServersThatGoInCircles: the poll ends, and says why.
func TestServersThatGoInCircles(t *testing.T) {
	for name, c := range map[string]struct {
		list list
		want string
	}{
		"skip ignored": {list{ignore: without("$skip"), page: func(p []thing) []thing {
			for i := range p {
				p[i].Updated = noon.Add(-time.Hour)
			}
			return p
		}}, "the server gives the same page again and again"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(odata.Timeline, 300)
			c.list.things = r.things
			r.list, r.options.InitialInterval = &c.list, 3*time.Hour
			err := r.poll(t)
			if e, ok := errors.AsType[*api.Error](err); !ok || e.Kind != api.Malformed || e.Message != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(r.asked) > 100 {
				t.Errorf("%d requests", len(r.asked))
			}
		})
	}
}

// TestAnswersWithoutEnd: the same for a server that always has another page.
func TestAnswersWithoutEnd(t *testing.T) {
	s := odata.Timeline(odata.Options{Updated: "updated", PageSize: 1, Now: func() time.Time { return noon }})
	if err := s.Restore(nil); err != nil {
		t.Fatal(err)
	}
	pager, err := s.Begin(), error(nil)
	for n := uint64(1); pager != nil; n++ {
		pager, err = pager.Next(collect.PageStats{Opened: true, Records: 1, Digest: n, Oldest: noon, Newest: noon})
	}
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Message != "the answers do not end" {
		t.Errorf("got %v", err)
	}
}

// TestTieWithoutEnd: the same for one that ignores from which id on it is asked, and
// breaks off now here and now there.
func TestTieWithoutEnd(t *testing.T) {
	s := odata.Timeline(odata.Options{Updated: "updated", PageSize: 1, Now: func() time.Time { return noon }})
	if err := s.Restore(nil); err != nil {
		t.Fatal(err)
	}
	pager, err := s.Begin(), error(nil)
	tooDeep := collect.PageStats{Err: &api.Error{Status: 400}}
	for _, page := range []collect.PageStats{{Opened: true, Asked: noon, Records: 1, Oldest: noon, Newest: noon}, tooDeep, tooDeep} {
		if pager, err = pager.Next(page); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; pager != nil; n++ {
		if n > 20_000 {
			t.Fatal("the poll does not end")
		}
		pager, err = pager.Next(collect.PageStats{Opened: true, Records: 2, LastID: []string{"a", "b"}[n%2], Err: &api.Error{Kind: api.Transient}})
	}
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Message != "the answers do not end" {
		t.Errorf("got %v", err)
	}
}

// TestRefusalIsForgottenAfterAnHour: it may have been an odd one.
func TestRefusalIsForgottenAfterAnHour(t *testing.T) {
	r := newRig(odata.Timeline, 50)
	r.refuse = has("$orderby")
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.refuse = nil
	for _, minutes := range []time.Duration{59, 61} { // the poll at 61 forgets when it is complete
		r.now = noon.Add(minutes * time.Minute)
		if err := r.poll(t); err != nil || r.asked[0].Has("$orderby") {
			t.Errorf("sorted after %d minutes (%v)", minutes, err)
		}
	}
	if err := r.poll(t); err != nil || !r.asked[0].Has("$orderby") {
		t.Errorf("still not sorted: %v, %v", r.asked[0], err)
	}
	r.expectOnce(t)
}

// TestFilterIgnored: the list is read through, and what is from before the first
// look-back is not published.
func TestFilterIgnored(t *testing.T) {
	r := newRig(odata.Timeline, 300)
	r.ignore, r.options.InitialInterval = without("$filter"), 3*time.Hour
	for range 2 {
		if err := r.poll(t); err != nil {
			t.Fatal(err)
		}
	}
	wanted := r.things[:0:0]
	for _, thing := range r.things {
		if !thing.Updated.Before(noon.Add(-3*time.Hour - 16*time.Minute)) { // overlap, and the loop's tolerance
			wanted = append(wanted, thing)
		}
	}
	r.things = wanted
	r.expectOnce(t)
	if len(r.published) != len(wanted) || len(wanted) == 0 {
		t.Errorf("%d published, want %d", len(r.published), len(wanted))
	}
}

// TestPagesThatBreakOff: what came of one counts, those behind it are smaller, and
// grow back once the limit is forgotten.
func TestPagesThatBreakOff(t *testing.T) {
	r := newRig(odata.Timeline, 300)
	r.options.PageSize, r.cut = 80, 25
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.expectOnce(t)
	if top := r.asked[len(r.asked)-1].Get("$top"); top != "20" {
		t.Errorf("the last page asks for %s", top)
	}
	r.cut = 0
	for _, c := range []struct {
		later time.Duration
		want  string
	}{{0, "20"}, {11 * time.Minute, "20"}, {0, "40"}, {0, "80"}} {
		r.now = r.now.Add(c.later)
		if err := r.poll(t); err != nil || r.asked[0].Get("$top") != c.want {
			t.Errorf("asks for %s, want %s (%v)", r.asked[0].Get("$top"), c.want, err)
		}
	}
	r.expectOnce(t)
}

// TestTiesDeeperThanSkip: more records share one time than may be skipped. They
// are read by id; where the server does not filter by ids, the largest page there
// is gets over them.
func TestTiesDeeperThanSkip(t *testing.T) {
	byID := func(q url.Values) bool { return strings.HasPrefix(q.Get("$orderby"), "id ") }
	for name, c := range map[string]struct {
		refuse func(url.Values) bool
		top    string
	}{"by id": {nil, "10"}, "at once": {byID, "10000"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(odata.Timeline, 300)
			for i := range r.things[100:] {
				r.things[100+i].Updated = noon.Add(-4 * time.Hour)
			}
			r.maxSkip, r.refuse = 40, c.refuse
			if err := r.poll(t); err != nil {
				t.Fatal(err)
			}
			r.expectOnce(t)
			if !slices.ContainsFunc(r.asked, byID) {
				t.Error("ids were not asked for")
			}
			if top := r.asked[len(r.asked)-1].Get("$top"); top != c.top {
				t.Errorf("the last page asks for %s", top)
			}
		})
	}
}

// TestCursorInTheFuture is set back to the present, and that is saved.
func TestCursorInTheFuture(t *testing.T) {
	r := newRig(odata.Timeline, 50)
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.restart()
	r.now = noon.Add(-time.Hour)
	saves := r.saves
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	if want := "updated ge 2026-03-02T10:30:00Z"; r.asked[1].Get("$filter") != want {
		t.Errorf("reads %s, want %s", r.asked[1].Get("$filter"), want)
	}
	if r.saves == saves || !strings.Contains(r.warnings.String(), "cursor lies in the future") {
		t.Errorf("%d saves, warnings %s", r.saves-saves, r.warnings.String())
	}
}

// TestRecordOfTheFuture is published, and does not carry the cursor: that stays at
// the newest record before it, of 11:55.
func TestRecordOfTheFuture(t *testing.T) {
	r := newRig(odata.Timeline, 50)
	r.things = append(r.things, thing{ID: "future", Updated: noon.AddDate(73, 0, 0), Created: noon})
	for range 2 {
		if err := r.poll(t); err != nil {
			t.Fatal(err)
		}
	}
	if want := "updated ge 2026-03-02T11:40:00Z"; r.asked[0].Get("$filter") != want {
		t.Errorf("reads %s, want %s", r.asked[0].Get("$filter"), want)
	}
	r.expectOnce(t)
}

// TestEmptySnapshotKeepsWhatWasSeen: a 404 of the API is an empty list.
func TestEmptySnapshotKeepsWhatWasSeen(t *testing.T) {
	r := newRig(odata.Snapshot, 50)
	r.retention = aDay
	for _, empty := range []bool{false, true, false} {
		r.empty = empty
		if err := r.poll(t); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Hour)
	}
	r.expectOnce(t)
	r.now = noon.Add(25 * time.Hour) // a refresh later all are published again
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	for id, n := range r.published {
		if n != 2 {
			t.Errorf("%s published %d times in 25 hours", id, n)
		}
	}
}

// TestCallsOfABacklog: half a year of records, about as many in a week as a page
// may have, takes so few calls that the API's limit of 100 a minute does not count.
func TestCallsOfABacklog(t *testing.T) {
	r := newRig(odata.Timeline, 20_000)
	const span = 180 * 24 * time.Hour
	for i := range r.things {
		r.things[i].Updated = noon.Add(-time.Duration(i+1) * span / 20_001)
	}
	r.options.PageSize, r.options.InitialInterval = 1000, span
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.expectOnce(t)
	if n := len(r.asked); n > 90 {
		t.Errorf("%d calls", n)
	}
	t.Logf("%d calls", len(r.asked))
}

// TestEvidenceIsAskedForLater: what was read while the server refused $expand is
// asked for again with it, once the refusal is forgotten, and a gap is read around
// by no poll after that.
func TestEvidenceIsAskedForLater(t *testing.T) {
	r := newRig(odata.Timeline, 50)
	r.options.Expand, r.refuse = "evidence", has("$expand")
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	r.expectOnce(t)
	r.refuse = nil
	r.now = noon.Add(61 * time.Minute) // the refusal is forgotten when this poll is complete
	if err := r.poll(t); err != nil {
		t.Fatal(err)
	}
	oldest := r.things[len(r.things)-1].Updated
	for poll, want := range []bool{true, false} {
		if err := r.poll(t); err != nil {
			t.Fatal(err)
		}
		again := slices.ContainsFunc(r.asked, func(q url.Values) bool {
			from, _ := time.Parse(time.RFC3339Nano, strings.Fields(q.Get("$filter"))[2])
			return q.Has("$expand") && !from.After(oldest)
		})
		if again != want {
			t.Errorf("poll %d asks for all evidence: %v, want %v", poll, again, want)
		}
	}
	for _, thing := range r.things {
		if n := r.published[thing.ID]; n != 2 { // without its evidence and with it
			t.Errorf("%s published %d times, want 2", thing.ID, n)
		}
	}
}
