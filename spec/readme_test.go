package spec

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readmeLimit is how many lines a newcomer is asked to read.
const readmeLimit = 150

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	shellBlock      = regexp.MustCompile("(?s)```sh\n(.*?)```")
)

// TestReadmeIsShortAndLeadsOn: README stays short, its first commands need no
// more than Go, and each of its links leads somewhere, headings included.
func TestReadmeIsShortAndLeadsOn(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if n := strings.Count(text, "\n"); n >= readmeLimit {
		t.Errorf("README has %d lines, want less than %d", n, readmeLimit)
	}
	commands := shellBlock.FindStringSubmatch(text)
	if commands == nil {
		t.Fatal("README has no commands")
	}
	for line := range strings.Lines(commands[1]) {
		if !strings.HasPrefix(line, "go run ./cmd/") && !strings.HasPrefix(line, "go test ./...") {
			t.Errorf("among the first commands is %q", line)
		}
	}
	links := markdownLink.FindAllStringSubmatch(text, -1)
	if len(links) < 10 {
		t.Errorf("README has %d links", len(links))
	}
	for _, m := range links {
		if fault := leadsNowhere("..", m[1]); fault != "" {
			t.Errorf("%s: %s", m[1], fault)
		}
	}
}

// leadsNowhere says what is wrong with a relative link of a page in dir.
func leadsNowhere(dir, link string) string {
	file, anchor, _ := strings.Cut(link, "#")
	if strings.Contains(file, "://") {
		return ""
	}
	info, err := os.Stat(filepath.Join(dir, file))
	if err != nil {
		return err.Error()
	}
	if anchor == "" || info.IsDir() {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err.Error()
	}
	for _, m := range markdownHeading.FindAllStringSubmatch(string(b), -1) {
		if anchorOf(m[1]) == anchor {
			return ""
		}
	}
	return "the page has no such heading"
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchorOf is a heading's name in links, as GitHub makes it.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
