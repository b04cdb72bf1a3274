package collect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// somePlace is that of a pager.
const somePlace = `{"version":1,"cursor":"2026-03-02T02:51:16.1234567Z"}`

func setOf(n int) *seenSet {
	random := rand.New(rand.NewPCG(1, 2))
	s := newSeenSet(Retention{}, time.Now)
	for len(s.pending) < n {
		s.pending[random.Uint64()] = unix32(time.Now())
	}
	s.merge()
	return s
}

func stateOf(s *seenSet) *checkpoint {
	return &checkpoint{Resource: "thing", Place: jsontext.Value(somePlace), Seen: &s.published}
}

// TestStateIsSmall: the promised bounds of a checkpoint and of the time to
// continue from it.
func TestStateIsSmall(t *testing.T) {
	s := stateOf(setOf(100_000))
	b, err := s.marshal()
	if err != nil || len(b) > 2<<20 {
		t.Fatalf("%d bytes for 100,000 records, want at most 2 MiB: %v", len(b), err)
	}
	began := time.Now()
	got, err := unmarshalCheckpoint(b, "thing")
	if took := time.Since(began); err != nil || took > time.Second {
		t.Fatalf("restored in %s: %v", took, err)
	}
	if !slices.Equal(got.Seen.sums, s.Seen.sums) || !slices.Equal(got.Seen.times, s.Seen.times) || string(got.Place) != somePlace {
		t.Errorf("restored %d of %d records at %s", len(got.Seen.sums), len(s.Seen.sums), got.Place)
	}
	t.Logf("100,000 records: %d bytes", len(b))
}

// TestEarlierCheckpointIsUpgraded: its cursor becomes the first version of a place.
func TestEarlierCheckpointIsUpgraded(t *testing.T) {
	got, err := unmarshalCheckpoint([]byte(`{"version":1,"resource":"thing","cursor":"2026-03-02T02:51:16.1234567Z","seed":"7","seen":""}`), "thing")
	if err != nil || string(got.Place) != somePlace || got.Seed != 7 || got.Version != checkpointVersion {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSeenSetIsBounded(t *testing.T) {
	const limit = 50_000
	s := setOf(limit + 1000)
	s.retention.Limit = limit
	for i, sum := range s.published.sums {
		s.published.times[i] -= uint32(sum % 100_000)
	}
	s.merge()
	if n := len(s.published.sums); n > limit+100 || n < limit-1000 {
		t.Errorf("%d records kept, want about %d", n, limit)
	}
}

func BenchmarkState(b *testing.B) {
	s := stateOf(setOf(100_000))
	for b.Loop() {
		text, err := s.marshal()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := unmarshalCheckpoint(text, "thing"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSeen is the seen set at size: a page of 1,000 records is looked up
// and added, old ones are forgotten and the checkpoint is encoded.
func BenchmarkSeen(b *testing.B) {
	for _, size := range []int{10_000, 50_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, record := newSeenSet(Retention{}, time.Now), 0
			meet := func(records int) {
				for range records {
					sum := uint64(record) * 0x9e3779b97f4a7c15
					entry, met := s.find(sum)
					if met {
						b.Fatal("met")
					}
					s.remember(sum, entry, met, time.Unix(int64(record), 0), time.Time{})
					record++
				}
				s.forget(time.Unix(int64(max(0, record-size)), 0))
			}
			meet(size)
			b.ReportAllocs()
			for b.Loop() {
				meet(1000)
				if _, err := stateOf(s).marshal(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
