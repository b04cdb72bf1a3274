package collect

import (
	"slices"
	"testing"
	"time"
)

// leaving takes a snapshot that has these records, and leaves those of some ids behind;
// nil where it has all. It returns the records that had to be published.
func (s *seenSet) leaving(left *Between, records ...string) (fresh []string) {
	s.begin()
	s.leave(left)
	for _, record := range records {
		content, entry, met := s.meet(s.fingerprint([]byte(record)), record[:1], func() []byte { return []byte(record) })
		if !met {
			fresh = append(fresh, record)
		}
		s.remember(content, entry, met, time.Time{}, time.Time{})
	}
	s.complete()
	return fresh
}

// TestLeftBehind: a record of the ids left behind, which is a letter with a version,
// counts as seen up to the next snapshot that has all, a refresh, or a rewind.
func TestLeftBehind(t *testing.T) {
	b := &Between{After: "a", Before: "c"}
	for name, c := range map[string]struct {
		then func(s *seenSet, now *time.Time)
		want []string
	}{
		"served again":             {func(*seenSet, *time.Time) {}, nil},
		"after more that left it":  {func(s *seenSet, _ *time.Time) { s.leaving(b, "a1", "c1"); s.leaving(b, "a1", "c1") }, nil},
		"after one that had all":   {func(s *seenSet, _ *time.Time) { s.leaving(nil, "a1", "c1") }, []string{"b1"}},
		"after an empty one":       {func(s *seenSet, _ *time.Time) { s.leaving(nil) }, nil},
		"after one that broke off": {func(s *seenSet, _ *time.Time) { s.begin() }, nil},
		"after one that had all, after it broke off": {func(s *seenSet, _ *time.Time) {
			s.begin()
			s.leave(b)
			s.leaving(nil, "a1", "c1")
		}, []string{"b1"}},
		"a refresh later":               {func(_ *seenSet, now *time.Time) { *now = now.Add(24 * time.Hour) }, []string{"a1", "b1", "c1"}},
		"after a rewind":                {func(s *seenSet, now *time.Time) { s.rewind(*now) }, []string{"a1", "b1", "c1"}},
		"a neighbour that changed back": {func(s *seenSet, _ *time.Time) { s.leaving(b, "a1", "c2") }, []string{"c1"}},
		"more than the limit": {func(s *seenSet, now *time.Time) {
			*now = now.Add(time.Minute)
			s.leaving(b, "a1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1", "k1")
		}, []string{"b1"}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
			s := newSeenSet(Retention{Snapshot: true, Refresh: 24 * time.Hour, Limit: 8}, func() time.Time { return now })
			s.leaving(nil, "a1", "b1", "c1")
			s.leaving(b, "a1", "c1")
			c.then(s, &now)
			if fresh := s.leaving(nil, "a1", "b1", "c1"); !slices.Equal(fresh, c.want) {
				t.Errorf("%v had to be published, want %v", fresh, c.want)
			}
		})
	}
}
