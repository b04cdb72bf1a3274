package odata_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// poisonedRig is a rig whose server fails with one thing in the page.
func poisonedRig(n int, withExpand bool) *rig {
	r := newRig(odata.Timeline, 30)
	id := r.things[n].ID
	r.fail = func(q url.Values, page []thing) bool {
		return (q.Has("$expand") || !withExpand) && slices.ContainsFunc(page, func(t thing) bool { return t.ID == id })
	}
	return r
}

// askedBefore counts the requests of the last poll that begin before a time.
func (r *rig) askedBefore(t *testing.T, before time.Time) (n int) {
	t.Helper()
	for _, q := range r.asked {
		words := strings.Fields(q.Get("$filter"))
		from, err := time.Parse(time.RFC3339Nano, words[2])
		if err != nil {
			t.Fatal(err)
		}
		if from.Before(before) {
			n++
		}
	}
	return n
}

// unserved is a mapper that keeps what represents a record that cannot be served.
type unserved struct {
	mapper
	known []string
}

func (u *unserved) Read(record jsontext.Value, unreadable error) (string, time.Time) {
	if unreadable == nil {
		return u.mapper.Read(record, nil)
	}
	u.known = append(u.known, string(record))
	u.thing, u.record = thing{}, record
	return "", time.Time{}
}

// TestGapIsAskedForHourly, for seven days, by a process that was started again, too;
// and a document says where the record is that could not be served.
func TestGapIsAskedForHourly(t *testing.T) {
	r := poisonedRig(25, false) // beyond the overlap before the newest
	u := &unserved{}
	r.source, r.mapper = r.list, u
	at := r.things[25].Updated
	for r.poll(t) != nil { // each failure makes the next poll look closer
		if r.now = r.now.Add(time.Minute); r.now.After(noon.Add(time.Hour)) {
			t.Fatal("the record was not left behind in an hour")
		}
	}
	left := r.now
	var known struct {
		List    string    `json:"list"`
		After   string    `json:"after_id"`
		Before  string    `json:"before_id"`
		From    time.Time `json:"not_before"`
		To      time.Time `json:"not_after"`
		Message string    `json:"message"`
	}
	if len(u.known) != 1 || json.Unmarshal([]byte(u.known[0]), &known) != nil {
		t.Fatalf("%q represents the record", u.known)
	}
	if known.List != "/things" || known.After == "" || known.Before == "" || !known.From.Equal(at.Add(-time.Minute)) || !known.To.Equal(at.Add(time.Minute)) || !strings.Contains(known.Message, "cannot be served") {
		t.Errorf("of a record of %s is known %s", at, u.known[0])
	}
	hours := 0
	for ; r.now.Before(left.Add(8 * 24 * time.Hour)); r.now = r.now.Add(30 * time.Minute) {
		r.restart()
		r.mustPoll(t)
		if r.askedBefore(t, at) > 0 {
			hours++
		}
	}
	if hours < 7*24-1 || hours > 7*24+1 {
		t.Errorf("asked for %d times, want once an hour for seven days", hours)
	}
	if strings.Contains(string(r.saved), `"gaps"`) || len(u.known) != 1 {
		t.Errorf("%d documents report it, saved %s", len(u.known), r.saved)
	}
}

// TestEvidenceOfOneIsAskedForLater: the one alert that $expand cannot be had of is
// published without, and once more when it can.
func TestEvidenceOfOneIsAskedForLater(t *testing.T) {
	r := poisonedRig(25, true)
	id := r.things[25].ID
	r.options.Expand = "evidence"
	for r.poll(t) != nil {
		if r.now = r.now.Add(time.Minute); r.now.After(noon.Add(time.Hour)) {
			t.Fatal("it was not published in an hour")
		}
	}
	r.expectOnce(t)
	r.fail = nil
	for range 3 {
		r.restart()
		r.now = r.now.Add(61 * time.Minute)
		r.mustPoll(t)
	}
	for _, thing := range r.things {
		want := 1
		if thing.ID == id {
			want = 2 // without its evidence and with it
		}
		if n := r.published[thing.ID]; n != want {
			t.Errorf("%s published %d times, want %d", thing.ID, n, want)
		}
	}
}

// TestFewRecordsWithoutEvidenceInMonths are exceptions, however many they become: the
// server takes $expand for all others.
func TestFewRecordsWithoutEvidenceInMonths(t *testing.T) {
	r := newRig(odata.Timeline, 5)
	r.options.Expand = "evidence"
	r.options.Show = func(w odata.Ways) {
		if len(w.LeftOut) > 0 {
			t.Errorf("at %s the server is asked without %s", r.now, w.LeftOut)
		}
	}
	r.fail = func(q url.Values, page []thing) bool {
		return q.Has("$expand") && slices.ContainsFunc(page, func(t thing) bool { return strings.HasPrefix(t.ID, "bad") })
	}
	r.mustPoll(t)
	for _, id := range []string{"bad 1", "bad 2", "bad 3", "bad 4"} {
		r.now = r.now.Add(30 * 24 * time.Hour)
		r.mustPoll(t)
		r.things = append(r.things, thing{ID: id, Updated: r.now}, thing{ID: "good " + id, Updated: r.now.Add(time.Second)})
		r.now = r.now.Add(time.Minute)
		for began := r.now; r.poll(t) != nil; {
			if r.now = r.now.Add(time.Minute); r.now.After(began.Add(time.Hour)) {
				t.Fatalf("%s was not published in an hour", id)
			}
		}
	}
	r.expectOnce(t)
}

// TestServerThatFailsWithExpand is not asked with it again and again, although each sweep
// meets one record alone.
func TestServerThatFailsWithExpand(t *testing.T) {
	r := newRig(odata.Timeline, 0)
	r.options.Expand = "evidence"
	left := false
	r.options.Show = func(w odata.Ways) { left = left || len(w.LeftOut) > 0 }
	r.fail = func(q url.Values, page []thing) bool { return q.Has("$expand") && len(page) > 0 }
	for i := range 5 {
		r.things = append(r.things, thing{ID: string(rune('a' + i)), Updated: r.now.Add(-time.Second)})
		for range 5 {
			_ = r.poll(t) // it closes in on the record
			r.now = r.now.Add(time.Minute)
		}
		if left != (i >= 2) {
			t.Errorf("asked without $expand: %t, after %d records", left, i+1)
		}
	}
	r.expectOnce(t)
}
