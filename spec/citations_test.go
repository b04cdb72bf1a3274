package spec

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests read every text of the repository. They are here because go
// test ./... reaches this package, which the module that makes the Fleet package
// is not, and because nothing has to be built for it, unlike for cmd.

// factPages are the pages that are cited by section, from the top folder.
var factPages = []string{"inputs/defender/API.md", "inputs/defender/MAPPING.md", "component/AGENT.md"}

// TestCitationsResolve: anyone who follows "API.md 3.4" or "MAPPING.md 4.0 rule 6"
// finds that section and that rule.
func TestCitationsResolve(t *testing.T) {
	files := texts(t)
	pages := readPages(t, files)
	cited := 0
	for name, text := range files {
		found, faults := citations(pages, text)
		cited += found
		for _, f := range faults {
			t.Errorf("%s:%d: no such place: %s", name, f.line, f.text)
		}
	}
	if cited < 10 {
		t.Errorf("only %d citations: are they still written as this test reads them?", cited)
	}
}

// TestPagesKeepTheirOwnReferences: "section 9.1" inside a page is one of its own.
func TestPagesKeepTheirOwnReferences(t *testing.T) {
	files := texts(t)
	pages := readPages(t, files)
	for _, name := range factPages {
		for _, m := range ownSection.FindAllStringSubmatch(files[name], -1) {
			if !pages[path.Base(name)].sections[m[1]] {
				t.Errorf("%s: no %s", name, m[0])
			}
		}
	}
}

// TestCitedDocumentsExist: a document that is named is in the repository, or is
// a source that section 0 of a page of facts lists.
func TestCitedDocumentsExist(t *testing.T) {
	files := texts(t)
	pages := readPages(t, files)
	var known []string
	for name := range files {
		known = append(known, name)
	}
	for _, p := range pages {
		known = append(known, p.sources...)
	}
	for name, text := range files {
		for _, f := range missingDocuments(known, text) {
			t.Errorf("%s:%d: no such document: %s", name, f.line, f.text)
		}
	}
}

// TestFaultsAreFound keeps the tests above from passing regardless of what they read.
func TestFaultsAreFound(t *testing.T) {
	const md = ".md" // apart, lest the other tests take these for citations
	const name = "API" + md
	pages := map[string]page{name: readPage("# T\n\n## 1. One\n\n1. first\n2. second\n\n### 1.1 Sub\n\n1. only\n\n## 7. Open\n\n1. a\n")}
	for text, want := range map[string]int{
		name + " 1":                  0,
		name + " 1.1":                0,
		"(" + name + " 1 rule 2).":   0,
		name + " 1.2":                0, // item 2 of section 1
		name + "\n\t// 7":            0,
		name + ", as it stands":      0,
		name + " 2":                  1,
		name + " 1.3":                1,
		name + " 1.1 rule 2":         1,
		name + "\n// 7 trap\n// 3 b": 1,
		"x " + name + " 1.1.4":       1,
	} {
		if _, faults := citations(pages, text); len(faults) != want {
			t.Errorf("%q: %d faults, want %d", text, len(faults), want)
		}
	}
	known := []string{"a/b/readme" + md, "listed" + md}
	for text, want := range map[string]int{
		"see readme" + md: 0, "[x](../b/readme" + md + ")": 0, "[listed" + md + "]": 0,
		"c/readme" + md: 1, "unlisted" + md: 1, "(away" + md + " 3)": 1,
	} {
		if faults := missingDocuments(known, text); len(faults) != want {
			t.Errorf("%q: %d faults, want %d", text, len(faults), want)
		}
	}
}

type fault struct {
	line int
	text string
}

// page is what of a page can be cited.
type page struct {
	sections map[string]bool
	items    map[string]bool // "4.0 6": item 6 of the list of section 4.0
	sources  []string        // documents that section 0 names
}

var (
	heading    = regexp.MustCompile(`^#+ (\d+(?:\.\d+)*)\.? `)
	item       = regexp.MustCompile(`^(\d+)\. `)
	document   = regexp.MustCompile(`[\w./-]*[\w-]\.md\b`)
	ownSection = regexp.MustCompile(`\bsections?\s(\d+(?:\.\d+)*)`)
	// A citation may continue in the next line of a comment.
	citation = regexp.MustCompile(strings.ReplaceAll(
		`\b(API|MAPPING|AGENT)\.md_(?:section_)?(\d+(?:\.\d+)*)(?:_(?:rule|trap|item)_(\d+))?`, "_", `(?:\s|//|#)+`))
)

func readPages(t *testing.T, files map[string]string) map[string]page {
	t.Helper()
	pages := map[string]page{}
	for _, name := range factPages {
		text, ok := files[name]
		if !ok {
			t.Fatalf("no %s", name)
		}
		pages[path.Base(name)] = readPage(text)
	}
	return pages
}

func readPage(text string) page {
	p := page{sections: map[string]bool{}, items: map[string]bool{}}
	section := ""
	for line := range strings.Lines(text) {
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
			p.sections[section] = true
		} else if m := item.FindStringSubmatch(line); m != nil {
			p.items[section+" "+m[1]] = true
		}
		if section == "0" {
			p.sources = append(p.sources, document.FindAllString(line, -1)...)
		}
	}
	return p
}

// has reports whether a section exists, with its item if one is named. Behind
// the last point of a section may be the number of an item: 7.10.
func (p page) has(section, item string) bool {
	if item != "" {
		return p.sections[section] && p.items[section+" "+item]
	}
	at := strings.LastIndexByte(section, '.')
	return p.sections[section] || at > 0 && p.items[section[:at]+" "+section[at+1:]]
}

func citations(pages map[string]page, text string) (found int, faults []fault) {
	for _, m := range citation.FindAllStringSubmatchIndex(text, -1) {
		found++
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		if !pages[part(1)+".md"].has(part(2), part(3)) {
			faults = append(faults, fault{lineOf(text, m[0]), strings.Join(strings.Fields(part(0)), " ")})
		}
	}
	return found, faults
}

func missingDocuments(known []string, text string) (faults []fault) {
	for _, m := range document.FindAllStringIndex(text, -1) {
		name := strings.TrimLeft(text[m[0]:m[1]], "./")
		if !slices.ContainsFunc(known, func(k string) bool { return k == name || strings.HasSuffix(k, "/"+name) }) {
			faults = append(faults, fault{lineOf(text, m[0]), name})
		}
	}
	return faults
}

func lineOf(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

// texts are the repository's text files by their path from the top folder.
func texts(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	// What Git ignores is not the repository's.
	ignored := []string{".git", "build", "bin", ".cache", "state"}
	top := os.DirFS("..")
	err := fs.WalkDir(top, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(ignored, name) && d.IsDir():
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		b, err := fs.ReadFile(top, name)
		if err == nil && !bytes.Contains(b, []byte{0}) {
			files[name] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
