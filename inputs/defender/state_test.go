package defender

import (
	"math/rand/v2"
	"testing"
	"time"
)

func stateOf(n int) *state {
	random := rand.New(rand.NewPCG(1, 2))
	s := &state{cursor: time.Now().UTC(), seen: make(map[uint64]uint32, n)}
	for range n {
		s.seen[random.Uint64()] = unix32(s.cursor)
	}
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
	if took := time.Since(began); err != nil || took > time.Second || len(got.seen) != len(s.seen) {
		t.Errorf("restored %d of %d records in %s: %v", len(got.seen), len(s.seen), took, err)
	}
	t.Logf("100,000 records: %d bytes, restored in %s", len(b), time.Since(began))
}

func TestSeenSetIsBounded(t *testing.T) {
	s := stateOf(maxSeen + 1000)
	for print := range s.seen {
		s.seen[print] -= uint32(print % 100_000)
	}
	s.prune(time.Time{})
	if n := len(s.seen); n > maxSeen+100 || n < maxSeen-1000 {
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
