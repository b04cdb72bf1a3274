package home

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Component is what an agent needs to run the component.
type Component struct {
	Name    string // of its binary, without .exe, and of its spec
	Input   string // the input type that a policy names
	Version string
	Binary  string // the file that is copied
	Spec    []byte // content of the spec
}

func (c Component) binaryIn(dir string) string { return filepath.Join(dir, executable(c.Name)) }
func (c Component) specIn(dir string) string   { return filepath.Join(dir, c.Name+".spec.yml") }

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// home is the folder of one version of an agent: <top>/data/elastic-agent-*
// (elastic-agent internal/pkg/agent/application/paths/common.go).
type home string

func (h home) top() string        { return filepath.Dir(filepath.Dir(string(h))) }
func (h home) components() string { return filepath.Join(string(h), "components") }

// version is that of the agent, "" where neither file nor folder has it.
func (h home) version() string {
	// The file is new in 8.8, and the version in the folder's name in 8.13.
	if b, err := os.ReadFile(filepath.Join(string(h), "package.version")); err == nil {
		return strings.TrimSpace(string(b))
	}
	rest := strings.TrimPrefix(filepath.Base(string(h)), homePrefix)
	if i := strings.LastIndexByte(rest, '-'); i > 0 {
		return rest[:i]
	}
	return ""
}

const homePrefix = "elastic-agent-"

// homeOf finds the home that a resolved path is in: on macOS the agent's
// executable lies three levels deeper.
func homeOf(path string) (home, bool) {
	for {
		parent := filepath.Dir(path)
		if parent == path {
			return "", false
		}
		if filepath.Base(parent) == "data" && strings.HasPrefix(filepath.Base(path), homePrefix) {
			return home(path), true
		}
		path = parent
	}
}

// homesOf are the homes below a top folder that have a folder of components.
func homesOf(top string) ([]home, error) {
	data := filepath.Join(top, "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		return nil, err
	}
	var homes []home
	for _, e := range entries {
		h := home(filepath.Join(data, e.Name()))
		if !strings.HasPrefix(e.Name(), homePrefix) {
			continue
		}
		if info, err := os.Stat(h.components()); err == nil && info.IsDir() {
			homes = append(homes, h)
		}
	}
	return homes, nil
}
