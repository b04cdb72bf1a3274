package collect

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFingerprints compares the set with a map, after any operations.
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

// TestContentCache: a record is known by its bytes wherever it comes in a sweep, as
// long as the sweep before met it.
func TestContentCache(t *testing.T) {
	var c contentCache
	sweep := func(records ...uint64) (unknown []uint64) {
		c.begin()
		for _, r := range records {
			content, found := c.find(r)
			if !found {
				unknown, content = append(unknown, r), r*10
			}
			if content != r*10 {
				t.Errorf("the content of %d is %d", r, content)
			}
			c.add(r, content, 100)
		}
		c.complete()
		return unknown
	}
	for _, want := range []struct{ records, unknown []uint64 }{
		{[]uint64{7, 3, 9, 1}, []uint64{7, 3, 9, 1}},
		{[]uint64{7, 3, 9, 1}, nil},
		{[]uint64{9, 1, 5}, []uint64{5}},             // the window moved
		{[]uint64{9, 2, 5, 1, 1}, []uint64{2}},       // one changed, one is elsewhere and twice
		{[]uint64{4, 6, 1, 7, 9}, []uint64{4, 6, 7}}, // 7 was forgotten
		{[]uint64{9, 7, 1, 6, 4}, nil},               // in another order
		{nil, nil}, {[]uint64{9, 7}, []uint64{9, 7}},
	} {
		if unknown := sweep(want.records...); !slices.Equal(unknown, want.unknown) {
			t.Errorf("%d: %d are unknown, want %d", want.records, unknown, want.unknown)
		}
	}
}
