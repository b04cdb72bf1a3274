package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/component/health"
)

// TestStatesHaveColours: each state that a stream shows, and no other.
func TestStatesHaveColours(t *testing.T) {
	var painted, shown []string
	for _, p := range selfColours {
		painted = append(painted, p.value)
	}
	for s := health.Healthy; s <= health.Failed; s++ {
		shown = append(shown, s.String())
	}
	if diff := cmp.Diff(shown, painted); diff != "" {
		t.Error(diff)
	}
}
