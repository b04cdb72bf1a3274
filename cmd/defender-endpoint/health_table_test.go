package main_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

var update = flag.Bool("update", false, "write the health table into the documents")

// TestHealthTableIsInTheDocuments: they show what the code does.
func TestHealthTableIsInTheDocuments(t *testing.T) {
	for _, path := range []string{
		"../../component/HEALTH.md", "../../spec/package/_dev/build/docs/troubleshooting.md", "../../spec/package/docs/troubleshooting.md",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- health:begin -->\n", "<!-- health:end -->\n"
		before, rest, ok := strings.Cut(string(b), begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for the health table", path)
		}
		want := before + begin + health.Table(component.Conditions(defender.New("test"))) + end + after
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if string(b) != want {
			t.Errorf("the health table in %s is stale: go test ./cmd/defender-endpoint -run HealthTable -update", path)
		}
	}
}

func TestConditionsAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range component.Conditions(defender.New("test")) {
		if names[c.Name] {
			t.Errorf("%s: there are two", c.Name)
		}
		names[c.Name] = true
		if c.Message == "" || c.Unit != health.OnInput && c.Unit != health.OnStream && c.Unit != health.OnOutput {
			t.Errorf("%s: no message or unit", c.Name)
		}
		if c.Clears == "" {
			t.Errorf("%s: does not say how it clears", c.Name)
		}
		if strings.ContainsAny(c.Message+c.Clears, "|\n") {
			t.Errorf("%s: would break the table", c.Name)
		}
	}
}
