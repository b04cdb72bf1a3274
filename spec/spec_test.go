package spec

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSpecNamesItsPlatform: the spec of each platform names it, and only that
// of windows/arm64 has the name that stops older agents.
func TestSpecNamesItsPlatform(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		var s struct {
			Inputs []struct{ Platforms []string }
		}
		if err := yaml.Unmarshal(For(goos, goarch), &s); err != nil {
			t.Fatal(err)
		}
		for _, in := range s.Inputs {
			if !slices.Contains(in.Platforms, platform) {
				t.Errorf("%s: the spec names %v", platform, in.Platforms)
			}
			if slices.Contains(in.Platforms, "windows/arm64") != (platform == "windows/arm64") {
				t.Errorf("%s: agents before 9.2 read %v", platform, in.Platforms)
			}
		}
	}
}

// TestOneVersion: component, package and change logs have one version.
func TestOneVersion(t *testing.T) {
	for file, want := range map[string]string{
		"package/manifest.yml":  "\nversion: " + Version + "\n",
		"package/changelog.yml": "# Newest version first.\n- version: " + Version + "\n",
		"Dockerfile":            "\nARG VERSION=" + Version + "\n",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
	b, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); !strings.Contains(text, "\n## Unreleased\n") && !strings.Contains(text, "\n## "+Version+"\n") {
		t.Errorf("CHANGELOG.md has no heading for %s", Version)
	}
}
