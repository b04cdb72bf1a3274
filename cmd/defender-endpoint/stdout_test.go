package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestStandardOutputThatCannotBeWritten: each command that prints says so, and leaves
// no folder behind.
func TestStandardOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5})
	_, es := newElasticsearch(t)
	_, file := writePolicy(t, policy(listen(t, tenant), es))
	commands := map[string][]string{
		"demo": {"demo"}, "check": {"check", "-c", file}, "map": {"map", "--resource", "alert"}, "version": {"version"}, "help": {"run", "--help"},
	}
	outputs := map[string]struct {
		open func(t *testing.T) *os.File
		says []string
	}{
		"closed": {closedPipe, []string{"standard output was closed by its reader", "write to a file"}},
		"full":   {fullDevice, []string{"standard output cannot be written: no space left on device", "free space"}},
	}
	for name, args := range commands {
		for how, c := range outputs {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				temporary := t.TempDir()
				cmd := commandIn(t, t.TempDir(), args...)
				cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
				cmd.Stdin = strings.NewReader(`{"id":"a"}`)
				var stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = c.open(t), &stderr
				_ = cmd.Run()
				if code := cmd.ProcessState.ExitCode(); code != 1 {
					t.Errorf("exit code %d", code)
				}
				expectLine(t, stderr.String(), append(c.says, "defender-endpoint: ")...)
				if left, err := filepath.Glob(filepath.Join(temporary, "*")); err != nil || len(left) > 0 {
					t.Errorf("left behind: %q, %v", left, err)
				}
			})
		}
	}
}

// closedPipe is a pipe that nobody reads.
func closedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

func fullDevice(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no device that is always full: ", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
