package release

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// project is where the files are that an archive lacks.
const project = "https://github.com/defender-endpoint/defender-endpoint/blob/main/"

var markdownLink = regexp.MustCompile(`\]\(([^)\s#]+)((?:#[^)\s]*)?)\)`)

// relink changes the relative links of a page, from its place in the repository to
// its place in an archive: what is in the archive is reached there, and anything
// else in the project.
func relink(page []byte, from string, places map[string]string) []byte {
	return markdownLink.ReplaceAllFunc(page, func(whole []byte) []byte {
		m := markdownLink.FindSubmatch(whole)
		target, anchor := string(m[1]), string(m[2])
		if strings.Contains(target, "://") {
			return whole
		}
		inProject := path.Join(path.Dir(from), target)
		link := project + inProject
		if to := placeOf(inProject, places); to != "" {
			if relative, err := filepath.Rel(path.Dir(places[from]), to); err == nil {
				link = filepath.ToSlash(relative)
			}
		}
		return []byte("](" + link + anchor + ")")
	})
}

// placeOf is the place in an archive of a file of the repository, or of a folder of
// which a file is there.
func placeOf(name string, places map[string]string) string {
	if to := places[name]; to != "" {
		return to
	}
	for from, to := range places {
		if path.Dir(from) == name {
			return path.Dir(to)
		}
	}
	return ""
}
