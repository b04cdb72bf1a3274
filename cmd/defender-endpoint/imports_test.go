package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The demo uses the fakes, and they must not bring what only tests need into the
// program: package testing adds its flags and its timers.
func TestBinaryHoldsNoTesting(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "github.com/defender-endpoint/defender-endpoint/component") {
		t.Fatalf("go list told of %d packages, the component not among them", len(packages))
	}
	for _, p := range packages {
		if p == "testing" || strings.HasPrefix(p, "testing/") || strings.Contains(p, "/testify/") {
			t.Errorf("the program imports %s", p)
		}
	}
}
