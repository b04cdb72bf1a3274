package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// Options shape an engine.
type Options struct {
	// Settings are the node's, beyond those that make it run alone on 127.0.0.1.
	Settings map[string]string
}

// Engine is an OpenSearch node in a process of its own. Its methods but Kill and
// Restart are safe for concurrent use.
type Engine struct {
	URL string

	dir      string // jars and source file
	home     string // data
	settings map[string]string
	client   *http.Client
	process  *process
}

// process is one life of the node.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr tail
	exited chan struct{}
}

// Start starts an engine of the test's own, which ends with it. What needs an
// engine without trouble is best a subtest of one test, for one engine.
func Start(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := start(need(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return e
}

// need returns the folder of jars, and ends the test where it cannot be had.
func need(t testing.TB) string {
	t.Helper()
	required := os.Getenv(Variable) == "required"
	switch {
	case os.Getenv(Variable) == "off":
		t.Skip("no search engine: " + Variable + " is off")
	case testing.Short() && !required:
		t.Skip("no search engine in the short form")
	}
	dir, err := cached()
	if err != nil {
		t.Fatal(err)
	}
	if missing := missing(dir); missing != "" {
		if required {
			t.Fatalf("no search engine: %s is not installed, and %s is required", missing, Variable)
		}
		t.Skipf("no search engine: %s is not installed (it takes Java 17 and Maven)", missing)
	}
	if err := resolve(context.Background(), dir); err != nil {
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
	e := &Engine{dir: dir, home: home, settings: o.Settings, client: &http.Client{Transport: &http.Transport{}}}
	if err := e.launch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	return e, nil
}

// arguments are those of java.
func (e *Engine) arguments() ([]string, error) {
	arguments := []string{
		"-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // starts quicker
		"-cp", filepath.Join(e.dir, "jars", "*"), filepath.Join(e.dir, "Engine.java"), e.home,
	}
	settings := map[string]string{
		"cluster.routing.allocation.disk.threshold_enabled": "false", // the machine's disk is no part of a test
	}
	maps.Copy(settings, e.settings)
	for name, value := range settings {
		arguments = append(arguments, name+"="+value)
	}
	if e.URL != "" { // as before, for who was told of it
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
	p.cmd.Stderr = &p.stderr
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
	line := make(chan string, 1)
	go func() {
		defer close(p.exited)
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- text
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait() // how it ended does not matter
	}()
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	select {
	case text := <-line:
		if _, at, ok := strings.Cut(strings.TrimSpace(text), "engine at "); ok {
			e.URL = at
			return e.ready()
		}
	case <-timer.C:
	}
	e.Kill()
	return fmt.Errorf("the engine does not start:\n%s", p.stderr.String())
}

// ready waits until the node has read its data: before, it knows no index.
func (e *Engine) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	status, answer := e.Do(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=100s", nil)
	if status != http.StatusOK {
		e.Kill()
		return fmt.Errorf("the engine does not read its data: %d %s\n%s", status, answer, e.process.stderr.String())
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
