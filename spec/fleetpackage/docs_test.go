package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func page(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmeHasItsSections: what a reader of Elastic's package looks for.
func TestReadmeHasItsSections(t *testing.T) {
	readme := page(t, packageDir+"/docs/README.md")
	last := 0
	for _, heading := range []string{
		"# Microsoft Defender for Endpoint", "## Data streams", "## Requirements", "### Agentless-enabled integration", "### Agent-based installation",
		"## Setup", "### Collect data from the Defender for Endpoint API", "### Enable the integration in Elastic", "## ECS mapping",
		"## Logs reference", "### log", "### machine", "### machine_action", "### vulnerability", "### configuration", "### baseline", "### information_gathering",
	} {
		at := strings.Index(readme[last:], "\n"+heading+"\n")
		if heading[1] == ' ' {
			at = strings.Index(readme, heading+"\n")
		}
		if at < 0 {
			t.Fatalf("section %q is missing or out of order", heading)
		}
		last += at
	}
	for _, s := range load(t).streams {
		for _, has := range []string{"An example event for `" + s.name + "`", `"dataset": "microsoft_defender_endpoint.` + s.name + `"`} {
			if !strings.Contains(readme, has) {
				t.Errorf("the logs reference has no %s", has)
			}
		}
	}
	if n := strings.Count(readme, "**Exported fields**"); n != len(load(t).streams) {
		t.Errorf("%d field tables, want one for each data stream", n)
	}
}

var code = regexp.MustCompile("`([^`]+)`")

// TestMappingTableNamesDeclaredFields: each ECS field in the mapping tables is
// one of the data stream's.
func TestMappingTableNamesDeclaredFields(t *testing.T) {
	source := page(t, packageDir+"/_dev/build/docs/README.md")
	_, source, _ = strings.Cut(source, "## ECS mapping")
	for heading, stream := range map[string]string{
		"### Alerts": "log", "### Machines": "machine", "### Machine actions": "machine_action", "### Vulnerabilities": "vulnerability",
		"### Secure configuration": "configuration", "### Security baselines": "baseline", "### Information gathering": "information_gathering",
	} {
		_, section, ok := strings.Cut(source, heading+"\n")
		if !ok {
			t.Fatalf("no section %s", heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		declared := declaredFields(t, "data_stream/"+stream)
		names := 0
		for line := range strings.Lines(section) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				continue
			}
			for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
				if name := m[1]; strings.ContainsAny(name, ".@") || name == "message" {
					names++
					if !covers(declared, name) {
						t.Errorf("%s: %s is not declared", heading, name)
					}
				}
			}
		}
		if names < 5 {
			t.Errorf("%s: only %d fields in the table", heading, names)
		}
	}
}

func covers(declared map[string]definition, name string) bool {
	prefix, isGroup := strings.CutSuffix(name, "*")
	for field := range declared {
		if field == name || isGroup && strings.HasPrefix(field, prefix) {
			return true
		}
	}
	return false
}

var (
	link      = regexp.MustCompile(`\]\((\.\./[^)]+)\)`)
	fileNamed = regexp.MustCompile("`((?:spec|docs)/[A-Za-z0-9_./-]+)`")
)

// TestDocsPointToWhatIsThere: pictures and files that the pages name exist.
func TestDocsPointToWhatIsThere(t *testing.T) {
	pages, err := filepath.Glob(packageDir + "/docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages (%v)", err)
	}
	for _, path := range append(pages, "../../README.md") {
		text := page(t, path)
		var named []string
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			named = append(named, filepath.Join(filepath.Dir(path), m[1]))
		}
		for _, m := range fileNamed.FindAllStringSubmatch(text, -1) {
			root := "../.."
			if strings.HasPrefix(m[1], "docs/") {
				root = packageDir
			}
			named = append(named, filepath.Join(root, m[1]))
		}
		for _, file := range named {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
