package collect

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestFingerprints compares the set with a map, whatever is done to it.
func TestFingerprints(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var set fingerprints
	want := map[uint64]uint32{}
	for round := range 500 {
		more := map[uint64]uint32{}
		for range random.IntN(40) { // some are there already
			more[random.Uint64N(400)<<55] = random.Uint32N(1000)
		}
		set.add(more)
		maps.Copy(want, more)
		if limit := random.Uint32N(300); random.IntN(3) == 0 {
			set.prune(limit, defaultLimit)
			maps.DeleteFunc(want, func(_ uint64, time uint32) bool { return time < limit })
		}
		if limit := 900 + random.Uint32N(100); random.IntN(5) == 0 {
			set.truncate(limit)
			maps.DeleteFunc(want, func(_ uint64, time uint32) bool { return time >= limit })
		}
		if round%7 == 0 {
			text, _ := set.AppendText(nil)
			set = fingerprints{}
			if err := set.UnmarshalText(text); err != nil {
				t.Fatal(err)
			}
		}
		if len(set.sums) != len(want) || len(set.times) != len(want) {
			t.Fatalf("round %d: %d and %d entries, want %d", round, len(set.sums), len(set.times), len(want))
		}
		for sum, time := range want {
			if got, found := set.find(sum); !found || got != time {
				t.Fatalf("round %d: %d: %d, %t, want %d", round, sum, got, found, time)
			}
		}
	}
	if _, found := set.find(1); found {
		t.Error("found what was never added")
	}
}

func TestDamagedFingerprints(t *testing.T) {
	for name, text := range map[string]string{
		"cut": "AAAAAAAAAAAAAAA=", "unsorted": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no base64": "AAAAAAAA!AAAAAAA",
	} {
		if err := new(fingerprints).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
