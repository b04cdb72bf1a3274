//go:build !windows

package home

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	oldHome = "elastic-agent-8.15.6-aaaaaa"
	newHome = "elastic-agent-9.5.2-bbbbbb"
	name    = "defender-endpoint"
	input   = "microsoft_defender_endpoint"
)

// tree is a folder like that of an installed agent, with a program in the agent's
// place that answers status and restart.
type tree struct {
	*testing.T
	top string
}

func newTree(t *testing.T) tree {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tr := tree{T: t, top: filepath.Join(top, "Elastic", "Agent")}
	tr.home(oldHome)
	tr.use(oldHome)
	return tr
}

// home makes a home with a component of Elastic's in it.
func (tr tree) home(base string) string {
	tr.Helper()
	dir := filepath.Join(tr.top, "data", base, "components")
	tr.write(filepath.Join(dir, "filebeat"), "elastic's", 0o755)
	tr.write(filepath.Join(tr.top, "data", base, "elastic-agent"), fmt.Sprintf(`#!/bin/sh
echo "$1" >> %[1]s/asked
case "$1" in
status) cat %[1]s/status.json ;;
restart) cp %[1]s/after.json %[1]s/status.json 2>/dev/null; test ! -e %[1]s/refuse || { echo "Error: permission denied" >&2; exit 1; } ;;
esac
`, tr.top), 0o755)
	return dir
}

func (tr tree) components(base string) string {
	return filepath.Join(tr.top, "data", base, "components")
}

// use points the link at a home.
func (tr tree) use(base string) {
	tr.Helper()
	link := filepath.Join(tr.top, "elastic-agent")
	os.Remove(link)
	if err := os.Symlink(filepath.Join("data", base, "elastic-agent"), link); err != nil {
		tr.Fatal(err)
	}
}

func (tr tree) write(path, content string, mode os.FileMode) {
	tr.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		tr.Fatal(err)
	}
}

// component is a build of the component that prints its version.
func (tr tree) component(version string) Component {
	tr.Helper()
	binary := filepath.Join(tr.TempDir(), name)
	tr.write(binary, program(version), 0o755)
	return Component{Name: name, Input: input, Version: version, Binary: binary, Spec: []byte("version: 2 # " + version + "\n")}
}

func program(version string) string {
	return "#!/bin/sh\necho " + name + " " + version + " \"(go1.26)\"\n"
}

// put places a component by hand.
func (tr tree) put(base, version string) {
	tr.Helper()
	dir := tr.components(base)
	tr.write(filepath.Join(dir, name), program(version), 0o755)
	tr.write(filepath.Join(dir, name+".spec.yml"), "version: 2 # "+version+"\n", 0o644)
}

// expect compares what a home has of the component: a version, or "" for nothing.
func (tr tree) expect(base, version string) {
	tr.Helper()
	dir := tr.components(base)
	if entries, _ := filepath.Glob(filepath.Join(dir, ".*")); len(entries) > 0 {
		tr.Errorf("%s: temporary files stayed: %v", base, entries)
	}
	binary, noBinary := os.ReadFile(filepath.Join(dir, name))
	spec, noSpec := os.ReadFile(filepath.Join(dir, name+".spec.yml"))
	if version == "" {
		if noBinary == nil || noSpec == nil {
			tr.Errorf("%s: binary %q, spec %q, want none", base, binary, spec)
		}
		return
	}
	if string(binary) != program(version) || string(spec) != "version: 2 # "+version+"\n" {
		tr.Errorf("%s: binary %q (%v), spec %q (%v), want those of %s", base, binary, noBinary, spec, noSpec, version)
		return
	}
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil || info.Mode().Perm() != 0o755 {
		tr.Errorf("%s: binary %v, %v; agents want 0755", base, info.Mode(), err)
	}
}

// asked are the commands that the agent was given.
func (tr tree) asked() string {
	b, _ := os.ReadFile(filepath.Join(tr.top, "asked"))
	return strings.Join(strings.Fields(string(b)), " ")
}

// status is what the agent answers, now or after a restart.
func (tr tree) status(file string, state int, pid, message string) {
	tr.Helper()
	text := `{"components": []}`
	if pid != "" {
		text = fmt.Sprintf(`{"components": [{"id": %q, "state": 2, "message": "Healthy: communicating with pid '%s'",
			"units": [{"state": %d, "message": %q}]}]}`, input+"-default", pid, state, message)
	}
	tr.write(filepath.Join(tr.top, file), text, 0o644)
}
