package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Variable decides about tests that need an engine: with "required" they fail
// where Java or Maven is missing, with "off" they are skipped everywhere, and
// else they are skipped where something is missing.
const Variable = "DEFENDER_ENDPOINT_ENGINE"

const (
	startLimit = 2 * time.Minute  // to the first answer; 5 s on an idle machine
	stopLimit  = 20 * time.Second // from the end of its input to its exit
)

// Kind is what an engine is.
type Kind string

// The kinds of engine.
const (
	OpenSearch    Kind = "opensearch"
	Elasticsearch Kind = "elasticsearch"
	// Secured is Elasticsearch with security: Do and Call are its superuser's, who
	// makes API keys.
	Secured Kind = "elasticsearch with security"
	// Queried is Elasticsearch with ES|QL (POST /_query) and KQL (the query kql).
	Queried Kind = "elasticsearch with ES|QL and KQL"
)

// The superuser of Secured, as its start class sets it.
const (
	superuser = "elastic"
	password  = "password"
)

// folder is where a kind's pom and sources are.
func (k Kind) folder() string {
	if k == OpenSearch {
		return "opensearch"
	}
	return "elasticsearch"
}

// Options shape an engine.
type Options struct {
	Kind Kind // OpenSearch unless given
	// Settings are the node's, beyond those that make it run alone on 127.0.0.1.
	Settings map[string]string
}

// Engine is one node in a process of its own. Its methods but Kill and
// Restart are safe for concurrent use.
type Engine struct {
	URL  string
	Kind Kind

	dir      string // jars and classes
	home     string // data
	settings map[string]string
	client   *http.Client
	process  *process
}

// process is one life of the node.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	output tail // what it logs
	exited chan struct{}
}

// Start starts an engine of the test's own, which ends with it. What needs an
// engine without trouble is best a subtest of one test, for one engine.
func Start(t testing.TB, o Options) *Engine {
	t.Helper()
	o.Kind = cmp.Or(o.Kind, OpenSearch)
	e, err := start(need(t, o.Kind), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return e
}

// need returns the folder of an engine's jars, and ends the test where it cannot be
// had.
func need(t testing.TB, k Kind) string {
	t.Helper()
	return Jars(t, node, k.folder(), "search engine")
}

// Jars returns a folder with the jars that the pom in node/name of files names, and
// the classes of the sources there. It ends the test where that cannot be had, saying
// what is not there. Variable decides, with any value.
func Jars(t testing.TB, files fs.FS, name, what string) string {
	t.Helper()
	required := os.Getenv(Variable) == "required"
	switch {
	case os.Getenv(Variable) == "off":
		t.Skip("no " + what + ": " + Variable + " is off")
	case testing.Short() && !required:
		t.Skip("no " + what + " in the short form")
	}
	dir, err := cached(files, name)
	if err != nil {
		t.Fatal(err)
	}
	if missing := missing(dir); missing != "" {
		if required {
			t.Fatalf("no %s: %s is not installed, and %s is required", what, missing, Variable)
		}
		t.Skipf("no %s: %s is not installed (it takes Java 17 and Maven)", what, missing)
	}
	if err := resolve(context.Background(), files, name, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// missing names the program that is not there. Maven is needed once.
func missing(dir string) string {
	if _, err := exec.LookPath("java"); err != nil {
		return "java"
	}
	if _, err := os.Stat(dir); err == nil {
		return ""
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "mvn"
	}
	return ""
}

func start(dir string, o Options) (*Engine, error) {
	home, err := os.MkdirTemp("", "defender-endpoint-engine")
	if err != nil {
		return nil, err
	}
	e := &Engine{Kind: o.Kind, dir: dir, home: home, settings: o.Settings, client: &http.Client{Transport: &http.Transport{}}}
	if err := e.launch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	return e, nil
}

// arguments are those of java.
func (e *Engine) arguments() ([]string, error) {
	arguments := []string{
		"-Xms768m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // starts quicker
		"-cp", filepath.Join(e.dir, "classes") + string(filepath.ListSeparator) + filepath.Join(e.dir, "jars", "*"), "Engine", e.home,
	}
	settings := map[string]string{
		"cluster.routing.allocation.disk.threshold_enabled": "false", // the machine's disk is no part of a test
	}
	switch e.Kind {
	case Secured:
		settings["xpack.security.enabled"] = "true"
		settings["xpack.security.http.ssl.enabled"] = "false"
		settings["xpack.license.self_generated.type"] = "basic"
	case Queried:
		arguments = append(arguments, "queries")
		settings["xpack.security.enabled"] = "false"
		settings["xpack.license.self_generated.type"] = "basic"
	}
	maps.Copy(settings, e.settings)
	for name, value := range settings {
		arguments = append(arguments, name+"="+value)
	}
	if e.URL != "" { // as before, for those who have its URL
		u, err := url.Parse(e.URL)
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, "http.port="+u.Port())
	}
	return arguments, nil
}

// launch starts the node's process and waits for its URL.
func (e *Engine) launch() error {
	arguments, err := e.arguments()
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command("java", arguments...), exited: make(chan struct{})}
	p.cmd.Stderr = &p.output
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.stdin, e.process = stdin, p
	at := make(chan string, 1)
	go func() {
		defer close(p.exited)
		p.read(stdout, at)
		_ = p.cmd.Wait() // how it ended does not matter
	}()
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	select {
	case url, ok := <-at:
		if ok {
			e.URL = url
			return e.ready()
		}
	case <-timer.C:
	}
	e.Kill()
	return fmt.Errorf("the engine does not start:\n%s", p.output.String())
}

// read takes what the node prints: Elasticsearch logs there. It sends the URL, or
// closes the channel where none came.
func (p *process) read(stdout io.Reader, at chan<- string) {
	defer close(at)
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		if url, ok := strings.CutPrefix(line, "engine at "); ok {
			at <- strings.TrimSpace(url)
		}
		_, _ = p.output.Write([]byte(line)) // kept in memory
		if err != nil {
			return
		}
	}
}

// ready waits until the node has read its data: before, it knows no index, and
// with security no user.
func (e *Engine) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	status, answer := http.StatusUnauthorized, []byte(nil)
	for status == http.StatusUnauthorized && ctx.Err() == nil {
		status, answer = e.Do(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=100s", nil)
		<-tick.C
	}
	if status != http.StatusOK {
		e.Kill()
		return fmt.Errorf("the engine does not read its data: %d %s\n%s", status, answer, e.process.output.String())
	}
	return nil
}

// Kill ends the node with SIGKILL. Its data stay.
func (e *Engine) Kill() {
	_ = e.process.cmd.Process.Kill() // fails where it has ended already
	<-e.process.exited
}

// Restart starts the node again after Kill, with the same data and URL.
func (e *Engine) Restart(t testing.TB) {
	t.Helper()
	if err := e.launch(); err != nil {
		t.Fatal(err)
	}
}

// stop ends the node, which removes its data, and waits for its end.
func (e *Engine) stop() {
	e.client.CloseIdleConnections()
	_ = e.process.stdin.Close()
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-e.process.exited:
	case <-timer.C:
		e.Kill()
	}
	_ = os.RemoveAll(e.home) // what a killed node left
}

// tail keeps the end of what is written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 16 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if over := len(w.buf) - tailSize; over > 0 {
		w.buf = slices.Delete(w.buf, 0, over)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(bytes.Clone(w.buf))
}
