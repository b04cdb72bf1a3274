package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// peakLimit is what a process of one stream may take at its peak.
const peakLimit = 50 << 10 // KiB

// cost is what a process took.
type cost struct {
	peak int // RSS in KiB
	cpu  time.Duration
}

func (c cost) String() string {
	return fmt.Sprintf("peak RSS %.1f MB, CPU %.2f s", float64(c.peak)/1024, c.cpu.Seconds())
}

// runJob runs all of a stream once, in a process that is measured.
func runJob(t *testing.T, api, es, stream string, settings ...string) (cost, string) {
	t.Helper()
	text := strings.Replace(policy(api, es), "endpoint.log}", "endpoint."+stream+"}", 1)
	for _, s := range settings {
		text += "        " + s + "\n"
	}
	c, stderr, _ := runPolicy(t, text)
	return c, stderr
}

// runPolicy runs a policy once, in a process that is measured. The state is that of
// path.data.
func runPolicy(t *testing.T, text string) (c cost, log, state string) {
	t.Helper()
	dir, file := writePolicy(t, text)
	state = filepath.Join(dir, "state")
	cmd := exec.Command(binary, "run", "-c", file, "--once", "-E", "path.data="+state)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd)
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stderr.String())
	}
	return cost{peak, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, stderr.String(), state
}

func expectJob(t *testing.T, p *peer, stream string, documents int, settings ...string) cost {
	t.Helper()
	before := p.stored(t)
	c, stderr := runJob(t, p.URL, p.URL, stream, settings...)
	if n := p.stored(t) - before; n != documents {
		t.Fatalf("%d documents stored, want %d:\n%s", n, documents, stderr)
	}
	return c
}

// TestJobs are the jobs by which the collector is compared with others: 10,000
// alerts with 3 evidence items each, and 30,000 machines.
func TestJobs(t *testing.T) {
	measured(t)
	for name, j := range jobs {
		t.Run(name, func(t *testing.T) {
			o := j.tenant
			o.PageSize = 0
			c := expectJob(t, startPeer(t, o), j.stream, jobDocuments, "batch_size: 10000")
			t.Log(c)
			if c.peak > peakLimit {
				t.Errorf("peak RSS %d KiB, limit %d KiB", c.peak, peakLimit)
			}
		})
	}
}

// TestPageSizeCostsNoMemory reads the same alerts in one page, 105 MB, and in pages of
// 10,000: a page is never held. Only what is remembered of each alert until its page
// ends is: see collect.Retention.Limit.
func TestPageSizeCostsNoMemory(t *testing.T) {
	leaveOut(t, "TestHugeRecord")
	measured(t)
	alerts := 30_000
	if *long {
		alerts = 100_000
	}
	inPages := peakOfAlerts(t, alerts, 10_000)
	inOne := peakOfAlerts(t, alerts, alerts)
	remembered := (alerts - 30_000) * 100 >> 10
	if inOne > inPages+5<<10+remembered {
		t.Errorf("peak RSS %d KiB, with the smaller pages %d KiB", inOne, inPages)
	}
}

// peakOfAlerts returns the least of three: when memory is collected differs, and a page
// that is held is held each time.
func peakOfAlerts(t *testing.T, alerts, pageSize int) (peak int) {
	t.Helper()
	for range 3 {
		p := startPeer(t, defendertest.Options{Alerts: alerts, EvidencePerAlert: 3, PageSize: pageSize})
		c := expectJob(t, p, "log", 3*alerts)
		t.Logf("%d alerts in pages of %d: %s", alerts, pageSize, c)
		if peak == 0 || c.peak < peak {
			peak = c.peak
		}
	}
	return peak
}

// TestHugeRecord: a record of 100 MB is refused visibly, not allocated, and what
// comes behind it is stored.
func TestHugeRecord(t *testing.T) {
	measured(t)
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 100, EvidencePerAlert: 1})
	tenant.Fail(defendertest.Rule{Path: "/api/alerts", HugeRecord: 100 << 20, Times: 1})
	es, url := newElasticsearch(t)
	c, stderr := runJob(t, listen(t, tenant), url, "log")
	t.Log(c)
	if !strings.Contains(stderr, "quarantined 1)") || es.Count(dataStream) != 101 {
		t.Errorf("%d documents stored, want 101:\n%s", es.Count(dataStream), stderr)
	}
	refused := 0
	for _, d := range es.Documents(dataStream) {
		if bytes.Contains(d, []byte("a record is larger than the limit")) && bytes.Contains(d, []byte("pipeline_error")) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d documents tell of the record", refused)
	}
	if c.peak > peakLimit+4<<10 { // the limit of a record is 12 MiB, and the decoder's buffer grew up to it
		t.Errorf("peak RSS %d KiB", c.peak)
	}
}

// TestLinear: the cost of a document does not depend on how many there are. What
// a process costs that has nothing to do is taken off.
func TestLinear(t *testing.T) {
	measured(t)
	if !*long {
		t.Skip("takes minutes: run with -long")
	}
	idle := expectJob(t, startPeer(t, defendertest.Options{}), "log", 0)
	t.Logf("nothing to do: %s", idle)
	for _, alerts := range []int{1_000, 10_000, 100_000, 1_000_000} {
		p := startPeer(t, defendertest.Options{Alerts: alerts, EvidencePerAlert: 3})
		c := expectJob(t, p, "log", 3*alerts, "batch_size: 10000")
		t.Logf("%d alerts: %s, %.1f us CPU per document", alerts, c, float64((c.cpu-idle.cpu).Microseconds())/float64(3*alerts))
		if c.peak > peakLimit {
			t.Errorf("%d alerts: peak RSS %d KiB, limit %d KiB", alerts, c.peak, peakLimit)
		}
	}
}

// TestStartsQuickly measures from the start of the process to its first check-in
// with the agent.
func TestStartsQuickly(t *testing.T) {
	measured(t)
	fastest := time.Hour
	for range 3 {
		checkedIn := make(chan time.Time, 1)
		agent, err := agenttest.New(agenttest.Options{Dir: t.TempDir(), OnCheckin: func() {
			select {
			case checkedIn <- time.Now():
			default:
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer agent.Close()
		begin := time.Now()
		if err := agent.Start(t.Context(), exec.Command(binary)); err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-checkedIn:
			fastest = min(fastest, at.Sub(begin))
		case <-time.After(30 * time.Second):
			t.Fatalf("no check-in:\n%s", strings.Join(agent.Log(), "\n"))
		}
		if _, err := agent.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("first check-in after %s", fastest.Round(time.Millisecond))
	if fastest > 150*time.Millisecond {
		t.Errorf("first check-in after %s, limit 150ms", fastest)
	}
}

// watchPeak waits for a process and returns its peak RSS in KiB. The peak that
// wait4 tells will not do: it starts with the memory of the process that forked.
func watchPeak(cmd *exec.Cmd) (peak int) {
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return peak
		case <-tick.C:
			peak = max(peak, memoryOf(cmd, "VmHWM:"))
		}
	}
}

// memoryOf reads a figure of a process in KiB, 0 if it is gone.
func memoryOf(cmd *exec.Cmd, name string) (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if _, after, ok := bytes.Cut(status, []byte(name)); ok {
		_, _ = fmt.Sscan(string(after), &kib)
	}
	return kib
}
