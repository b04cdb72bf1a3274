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

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestPeakMemory runs the whole job of 10,000 alerts with 3 evidence items each,
// 35 MB from the API, with the tenant and Elasticsearch in another process than
// the one that is measured.
func TestPeakMemory(t *testing.T) {
	const limit = 80 << 10 // KiB
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 10_000, EvidencePerAlert: 3})
	es := componenttest.NewElasticsearch(componenttest.ElasticsearchOptions{APIKey: "id:key", CountOnly: true})
	dir, file := writePolicy(t, policy(listen(t, tenant), listen(t, es)))
	cmd := exec.Command(binary, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd)
	if cmd.ProcessState.ExitCode() != 0 || !strings.Contains(stderr.String(), "documents 30000") {
		t.Fatalf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), stderr.String())
	}
	t.Logf("peak RSS %d MB, CPU %.2f s user and %.2f s system",
		peak>>10, cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds())
	if peak == 0 || peak > limit {
		t.Errorf("peak RSS %d KiB, limit %d KiB", peak, limit)
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
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
				_, _ = fmt.Sscan(string(after), &peak)
			}
		}
	}
}
