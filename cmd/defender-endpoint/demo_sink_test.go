package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component"
)

// TestDemoShowsEveryOutput: a new output needs a fake in the demo, too.
func TestDemoShowsEveryOutput(t *testing.T) {
	if has, want := slices.Sorted(maps.Keys(demoSinks)), slices.Sorted(slices.Values(component.OutputTypes())); !slices.Equal(has, want) {
		t.Errorf("the demo shows %v, the outputs are %v", has, want)
	}
}
