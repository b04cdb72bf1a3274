package odata_test

import (
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// askedExpanded reports whether things from before a time were asked for with
// $expand in the last poll.
func (r *rig) askedExpanded(t *testing.T, before time.Time) bool {
	t.Helper()
	for _, q := range r.asked {
		words := strings.Fields(q.Get("$filter"))
		if len(words) < 3 || !q.Has("$expand") {
			continue
		}
		from, err := time.Parse(time.RFC3339Nano, words[2])
		if err != nil {
			t.Fatal(err)
		}
		if from.Before(before) {
			return true
		}
	}
	return false
}

// TestUnexpandedSurvivesARestart: what came without what $expand brings is asked
// for again with it, by the process that follows too, and once only.
func TestUnexpandedSurvivesARestart(t *testing.T) {
	for name, restarts := range map[string]int{"none": 0, "one": 1, "some while it is refused": 4} {
		t.Run(name, func(t *testing.T) {
			r := newRig(odata.Timeline, 100)
			r.options.Expand, r.refuse = "evidence", has("$expand")
			for range max(1, restarts) {
				if err := r.poll(t); err != nil {
					t.Fatal(err)
				}
				r.now = r.now.Add(time.Minute)
				if restarts > 0 {
					r.restart()
				}
				if restarts > 1 { // killed once it had asked, and before it noted the answer
					r.saved = []byte(strings.Replace(string(r.saved), `"without_expand_from":"2026-02-20T11:45:00Z"`,
						`"gaps":[{"from":"2026-02-20T11:45:00Z","to":"2026-03-02T11:55:00.0000001Z","since":"2026-03-02T12:00:00Z","asked":"2026-03-02T12:01:00Z","unexpanded":true}]`, 1))
				}
			}
			if !strings.Contains(string(r.saved), `"place":{"version":2,`) {
				t.Errorf("a former version would take this state for its own: %s", r.saved)
			}
			r.refuse = nil
			oldest := noon.Add(-2 * time.Hour)
			later := time.Minute // a process that has just started asks at once
			if restarts == 0 {
				later = 2 * time.Hour
			}
			for range 3 { // the first one forgets the refusal
				r.now = r.now.Add(later)
				if err := r.poll(t); err != nil {
					t.Fatal(err)
				}
				if r.askedExpanded(t, oldest) {
					break
				}
			}
			if !r.askedExpanded(t, oldest) {
				t.Error("what came without $expand was not asked for again")
			}
			if strings.Contains(string(r.saved), `unexpanded`) || strings.Contains(string(r.saved), `without_expand_from`) {
				t.Errorf("it would be asked for once more: %s", r.saved)
			}
			for _, thing := range r.things {
				if n := r.published[thing.ID]; n != 2 {
					t.Errorf("%s published %d times, want once without what $expand brings and once with it", thing.ID, n)
				}
			}
		})
	}
}

// TestFormerPlaces: a place of version 1 is continued from, and one that needs no
// later version is written so that version 1 reads it.
func TestFormerPlaces(t *testing.T) {
	r := newRig(odata.Timeline, 10)
	strategy := func() (string, error) {
		r.options.Now = func() time.Time { return r.now }
		s := odata.Timeline(r.options)
		const place = `{"version":1,"cursor":"2026-03-02T11:00:00Z","gaps":[{"from":"2026-03-01T00:00:00Z","to":"2026-03-01T01:00:00Z","since":"2026-03-02T10:00:00Z"}]}`
		err := s.Restore([]byte(place))
		return string(s.Place().JSON), err
	}
	got, err := strategy()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":1,"cursor":"2026-03-02T11:00:00Z","gaps":[{"from":"2026-03-01T00:00:00Z","to":"2026-03-01T01:00:00Z","since":"2026-03-02T10:00:00Z"}]}`
	if got != want {
		t.Errorf("place %s, want %s", got, want)
	}
	if err := odata.Timeline(r.options).Restore([]byte(`{"version":3,"cursor":"2026-03-02T11:00:00Z"}`)); err == nil {
		t.Error("a place of a later version was taken")
	}
}
