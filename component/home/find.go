package home

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/elastic/elastic-agent-libs/version"
)

// oldest is the first agent whose control protocol the component speaks whole.
var oldest = version.MustNew("8.13.0")

// agent is an installed Elastic Agent.
type agent struct {
	home       home   // in use
	homes      []home // all of them
	executable string // what is asked to restart
	flavor     string // since 9.0; "" where none is chosen
	packaged   bool   // from DEB or RPM
}

// find takes what the operator named (the agent's top folder, its executable, a link
// to it, or a home), or looks where installers put an agent.
func find(named string, p places) (agent, error) {
	if named != "" {
		h, err := resolve(named, p)
		if err != nil {
			return agent{}, err
		}
		return describe(h, p)
	}
	var homes []home
	for _, path := range p.executables() {
		if h, ok := target(path); ok && !slices.Contains(homes, h) {
			homes = append(homes, h)
		}
	}
	switch len(homes) {
	case 0:
		return agent{}, errors.New("no Elastic Agent found by its service, its command or its usual folder: name its folder with --top")
	case 1:
		return describe(homes[0], p)
	}
	var tops []string
	for _, h := range homes {
		tops = append(tops, h.top())
	}
	return agent{}, fmt.Errorf("several Elastic Agents: name one with --top: %s", strings.Join(tops, ", "))
}

// target follows a link or path to the home that it leads to.
func target(path string) (home, bool) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	return homeOf(resolved)
}

// resolve finds the home in use of what the operator named.
func resolve(named string, p places) (home, error) {
	path, err := filepath.Abs(named)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("--top: %w", err)
	}
	if h, ok := target(path); ok {
		return h, nil
	}
	if h, ok := target(filepath.Join(path, executable("elastic-agent"))); ok {
		return h, nil
	}
	homes, err := homesOf(path)
	if err != nil || len(homes) == 0 {
		return "", fmt.Errorf("--top %s: no home of an Elastic Agent (data%celastic-agent-*) in it: name the folder that elastic-agent was installed to", named, filepath.Separator)
	}
	if len(homes) == 1 {
		return homes[0], nil
	}
	for _, link := range p.links { // DEB and RPM keep the link elsewhere
		if h, ok := target(link); ok && h.top() == path {
			return h, nil
		}
	}
	return "", fmt.Errorf("--top %s: several homes, and no link elastic-agent says which is in use: name the home itself", named)
}

func describe(h home, p places) (agent, error) {
	a := agent{home: h}
	var err error
	if a.homes, err = homesOf(h.top()); err != nil {
		return agent{}, err
	}
	if !slices.Contains(a.homes, h) {
		return agent{}, fmt.Errorf("%s has no folder components: is the agent installed whole?", h)
	}
	a.executable = filepath.Join(h.top(), executable("elastic-agent"))
	for _, link := range p.links {
		if th, ok := target(link); ok && th == h && filepath.Dir(link) != h.top() {
			a.executable, a.packaged = link, true
		}
	}
	if b, err := os.ReadFile(filepath.Join(h.top(), ".flavor")); err == nil {
		a.flavor = strings.TrimSpace(string(b))
	}
	return a, nil
}

// fit refuses an agent that is too old. One that does not give its version passes.
func (a agent) fit() error {
	v, err := version.New(a.home.version())
	if err != nil || !v.LessThan(oldest) {
		return nil
	}
	return fmt.Errorf("the agent in %s is %s, and the component needs %s: upgrade the agent first", a.home.top(), v, oldest)
}

// places are where installers leave a trace of an agent.
type places struct {
	texts []string // files of services and commands: they name the executable
	links []string // links to the executable
	paths []string // executables, from where the system keeps its services
}

// systemPlaces are those of Linux and macOS, where the other's match nothing
// (elastic-agent internal/pkg/agent/application/paths/paths_linux.go, paths_darwin.go,
// dev-tools/packaging/templates/linux), and of Windows.
func systemPlaces() places {
	return places{
		texts: matches(
			"/etc/systemd/system/elastic-agent*.service",
			"/Library/LaunchDaemons/co.elastic.elastic-agent*.plist",
			"/usr/bin/elastic-agent", "/usr/bin/elastic-*-agent",
			"/usr/local/bin/elastic-agent", "/usr/local/bin/elastic-*-agent",
		),
		links: matches(
			"/opt/Elastic/Agent*/elastic-agent",
			"/Library/Elastic/Agent*/elastic-agent",
			"/usr/share/elastic-agent/bin/elastic-agent",
			"/usr/share/elastic-agent/elastic-agent",
			`C:\Program Files\Elastic\Agent*\elastic-agent.exe`,
		),
		paths: servicePaths(),
	}
}

func matches(patterns ...string) []string {
	var all []string
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // the patterns are well formed
		all = append(all, found...)
	}
	return all
}

// inText finds executables in a unit of systemd, a plist or a shell script.
var inText = regexp.MustCompile(`/[^\s"'<>=]*/elastic-agent\b`)

// textLimit is far above what a service's file has.
const textLimit = 64 << 10

// executables are those that the places name.
func (p places) executables() []string {
	all := slices.Concat(p.links, p.paths)
	for _, name := range p.texts {
		text, err := readSome(name)
		if err != nil {
			continue // the other places may do
		}
		all = append(all, inText.FindAllString(text, -1)...)
	}
	return all
}

func readSome(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fs.ErrInvalid
	}
	b, err := io.ReadAll(io.LimitReader(f, textLimit))
	return string(b), err
}
