package release

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/spec"
)

// file is one in an archive, by its path below the archive's one folder.
type file struct {
	name       string
	content    []byte
	executable bool
}

// always and onLinux are files and patterns of the repository, with the folder of
// an archive that they are in.
var (
	always = map[string]string{
		"LICENSE": ".", "NOTICE": ".", "README.md": ".", "CHANGELOG.md": ".",
		"spec/package/docs/*.md": "docs", "component/HEALTH.md": "docs",
		"spec/examples/*.yml": "examples",
	}
	onLinux = map[string]string{
		"spec/Dockerfile": "examples", "spec/kubernetes.yml": "examples", "spec/defender-endpoint.service": "examples",
	}
)

// contents are the files of a target's archive. The binary is where it was built.
func contents(root string, t Target, binary string, notices []byte) ([]file, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files := []file{
		{t.binary(), program, true},
		{Name + ".spec.yml", spec.For(t.OS, t.Arch), false},
		{"THIRD-PARTY-NOTICES.txt", notices, false},
	}
	places, err := places(root, t)
	if err != nil {
		return nil, err
	}
	for from, to := range places {
		content, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(from, ".md") {
			content = relink(content, from, places)
		}
		files = append(files, file{to, content, false})
	}
	return files, nil
}

// places are the files of the repository that are in a target's archive, with
// their places there.
func places(root string, t Target) (map[string]string, error) {
	patterns := maps.Clone(always)
	if t.OS == "linux" {
		maps.Copy(patterns, onLinux)
	}
	all := map[string]string{}
	for pattern, folder := range patterns {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("there is no %s", pattern)
		}
		for _, name := range found {
			base := filepath.Base(name)
			all[path.Join(path.Dir(pattern), base)] = path.Join(folder, base)
		}
	}
	return all, nil
}
