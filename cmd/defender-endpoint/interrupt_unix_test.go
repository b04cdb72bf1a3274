//go:build !windows

package main_test

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestInterrupted: Ctrl-C ends run well, and run --once before its end with 130. A
// second one ends it at once.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	type interruption struct {
		args  []string
		twice bool
		code  int
	}
	sideBySide(t, maps.All(map[string]interruption{
		"run":        {code: 0},
		"run --once": {args: []string{"--once"}, code: 130},
		"twice":      {args: []string{"--once"}, twice: true, code: -1}, // by the signal
	}), func(t *testing.T, c interruption) {
		code, taken, stderr := interrupt(t, c.twice, c.args...)
		if code != c.code || taken > 10*time.Second {
			t.Errorf("exit code %d, want %d, after %s:\n%s", code, c.code, taken, stderr)
		}
		if !c.twice && !strings.Contains(stderr, "records ") {
			t.Errorf("no summary:\n%s", stderr)
		}
	})
}

// interrupt runs the program against an Elasticsearch that hangs, and interrupts it
// there, once or until it has ended.
func interrupt(t *testing.T, twice bool, args ...string) (code int, taken time.Duration, output string) {
	t.Helper()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5})
	asked := make(chan struct{}, 100)
	release := make(chan struct{})
	es := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select { // a bulk request that hangs
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer close(release)
	dir, file := writePolicy(t, policy(listen(t, tenant), es))
	cmd := commandIn(t, dir, append([]string{"run", "-c", file}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	started := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	waitFor(t, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		if twice { // counts once the first one was taken
			_ = cmd.Process.Signal(os.Interrupt)
		}
		return false
	})
	return cmd.ProcessState.ExitCode(), time.Since(started), stderr.String()
}
