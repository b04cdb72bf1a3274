package defender

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func stateOf(n int) *state {
	random := rand.New(rand.NewPCG(1, 2))
	s := &state{cursor: time.Now().UTC(), seen: prints{}}
	more := map[uint64]uint32{}
	for len(more) < n {
		more[random.Uint64()] = unix32(s.cursor)
	}
	s.seen.add(more)
	return s
}

// TestStateIsSmall: the promised bounds of a checkpoint and of the time to go
// on from it.
func TestStateIsSmall(t *testing.T) {
	s := stateOf(100_000)
	b, err := s.marshal("machine")
	if err != nil || len(b) > 2<<20 {
		t.Fatalf("%d bytes for 100,000 records, want at most 2 MiB: %v", len(b), err)
	}
	began := time.Now()
	got, err := unmarshalState(b, "machine")
	if took := time.Since(began); err != nil || took > time.Second || !slices.Equal(got.seen.sums, s.seen.sums) || !slices.Equal(got.seen.times, s.seen.times) {
		t.Errorf("restored %d of %d records in %s: %v", len(got.seen.sums), len(s.seen.sums), took, err)
	}
	t.Logf("100,000 records: %d bytes, restored in %s", len(b), time.Since(began))
}

func TestSeenSetIsBounded(t *testing.T) {
	s := stateOf(maxSeen + 1000)
	for i, sum := range s.seen.sums {
		s.seen.times[i] -= uint32(sum % 100_000)
	}
	s.prune(time.Time{})
	if n := len(s.seen.sums); n > maxSeen+100 || n < maxSeen-1000 {
		t.Errorf("%d records kept, want about %d", n, maxSeen)
	}
}

func BenchmarkState(b *testing.B) {
	s := stateOf(100_000)
	for b.Loop() {
		text, err := s.marshal("machine")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := unmarshalState(text, "machine"); err != nil {
			b.Fatal(err)
		}
	}
}
