package agenttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
)

// Exit is how a process ended.
type Exit struct {
	Code     int // -1 when a signal ended it
	Duration time.Duration
	Killed   bool // it did not end by itself within the grace
}

// process is one run of the component.
type process struct {
	cmd     *exec.Cmd
	done    chan struct{} // closed when exit holds
	exit    Exit          // Code only
	stopped atomic.Bool   // the agent ended it
}

// startProcess starts the command and watches it. It is killed when ctx ends.
func startProcess(ctx context.Context, cmd *exec.Cmd, log *tail, exited func(client.UnitState, string)) (*process, error) {
	stdout, stderr := &lineWriter{to: log}, &lineWriter{to: log}
	cmd.Stdout, cmd.Stderr = both(stdout, cmd.Stdout), both(stderr, cmd.Stderr)
	cmd.WaitDelay = 5 * time.Second // outputs held open by a grandchild
	setProcessGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	unwatch := context.AfterFunc(ctx, func() { p.kill() })
	go func() { // ends with the process; who needs it waits for done
		defer close(p.done)
		defer unwatch()
		_ = cmd.Wait() // the exit code says it all
		stdout.flush()
		stderr.flush()
		p.exit.Code = cmd.ProcessState.ExitCode()
		state, message := client.UnitStateFailed, fmt.Sprintf("Failed: pid '%d' exited with code '%d'", p.pid(), p.exit.Code)
		if p.stopped.Load() {
			state, message = client.UnitStateStopped, fmt.Sprintf("Stopped: pid '%d' exited with code '%d'", p.pid(), p.exit.Code)
		}
		exited(state, message)
	}()
	return p, nil
}

func both(w io.Writer, given io.Writer) io.Writer {
	if given == nil {
		return w
	}
	return io.MultiWriter(w, given)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop signals, waits for the grace and kills.
func (p *process) stop(ctx context.Context, grace time.Duration) Exit {
	p.stopped.Store(true)
	begin := time.Now()
	_ = interrupt(p.cmd.Process) // it may have ended meanwhile
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var killed bool
	select {
	case <-p.done:
	case <-timer.C:
		killed = true
	case <-ctx.Done():
		killed = true
	}
	if killed {
		p.kill()
	}
	return Exit{Code: p.exit.Code, Duration: time.Since(begin), Killed: killed}
}

func (p *process) kill() Exit {
	p.stopped.Store(true)
	begin := time.Now()
	_ = p.cmd.Process.Kill() // it may have ended meanwhile
	<-p.done
	return Exit{Code: p.exit.Code, Duration: time.Since(begin), Killed: true}
}

// Bounds of what is kept of a process's output.
const (
	logBytes  = 16 << 20
	lineBytes = 64 << 10
	endLines  = 40 // in errors
)

// tail keeps the newest lines.
type tail struct {
	mu   sync.Mutex
	kept []string
	size int
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, line)
	t.size += len(line)
	drop := 0
	for t.size > logBytes {
		t.size -= len(t.kept[drop])
		drop++
	}
	t.kept = t.kept[drop:]
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.kept...)
}

// end is the last lines, for an error.
func (t *tail) end() string {
	lines := t.lines()
	if len(lines) == 0 {
		return "(no log lines)"
	}
	return strings.Join(lines[max(0, len(lines)-endLines):], "\n")
}

// lineWriter cuts a process's output into lines. A line that is too long
// becomes several.
type lineWriter struct {
	to      *tail
	pending []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.pending = append(w.pending, p...)
	for {
		i := bytes.IndexByte(w.pending, '\n')
		if i < 0 {
			if len(w.pending) > lineBytes {
				w.flush()
			}
			return len(p), nil
		}
		w.to.add(string(w.pending[:i]))
		w.pending = w.pending[i+1:]
	}
}

// flush ends a line that has no line break.
func (w *lineWriter) flush() {
	if len(w.pending) > 0 {
		w.to.add(string(w.pending))
		w.pending = nil
	}
}
