package check

import (
	"bytes"
	"strings"
	"testing"
)

// TestEqualFaultsAreOne, of streams alone, in the order they were met.
func TestEqualFaultsAreOne(t *testing.T) {
	var r Report
	r.fault("a", "wrong secret; enter another")
	r.faultIn("output", "wrong secret; enter another")
	r.fault("b", "no permission; grant it")
	r.fault("c", "wrong secret; enter another")
	want := []string{"streams a, c: wrong secret; enter another", "output: wrong secret; enter another", "stream b: no permission; grant it"}
	if len(r.Faults) != len(want) {
		t.Fatalf("%+v", r.Faults)
	}
	for i, f := range r.Faults {
		if f.String() != want[i] {
			t.Errorf("got %q, want %q", f, want[i])
		}
	}
}

func TestWrap(t *testing.T) {
	word := strings.Repeat("x", 30)
	for text, want := range map[string]string{
		"":                                     "\n",
		word + " " + word:                      word + " " + word + "\n",
		word + " " + word + " " + word:         word + " " + word + "\n    " + word + "\n",
		strings.Repeat("y", 100):               strings.Repeat("y", 100) + "\n",
		"a " + strings.Repeat("y", 100) + " b": "a\n    " + strings.Repeat("y", 100) + "\n    b\n",
		strings.Repeat("ä", 78) + " b":         strings.Repeat("ä", 78) + " b\n",
	} {
		var b bytes.Buffer
		wrap(&b, text, 4)
		if b.String() != want {
			t.Errorf("%q became %q", text, b.String())
		}
	}
}
