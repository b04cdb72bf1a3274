package main_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	loadEvidence = 3
	loadPoll     = 2 * time.Second
	// What is read again at every poll; with the default of 15 minutes this rate
	// would use up the API's quota by repetition alone.
	loadOverlap = 4 * time.Second
)

// TestLoad lets 1,000 alerts a second appear, a tenth of that with the race
// detector, and measures how long each takes from its update time until it is
// stored. How long the program takes to start on a busy machine is not measured:
// what appeared before the first document was stored only counts as stored.
func TestLoad(t *testing.T) {
	leaveOut(t, "TestJobs")
	rate, duration := 1000, 6*time.Second
	if raced {
		rate = 100
	}
	if *long {
		duration = time.Minute
	}
	tenant := defendertest.New(defendertest.Options{Seed: 1, Live: float64(rate), EvidencePerAlert: loadEvidence})
	a := &arrivals{}
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true, OnDocument: a.add})
	text := policy(listen(t, tenant), listen(t, es)) +
		fmt.Sprintf("        interval: %s\n        overlap: %s\n        batch_size: 10000\n", loadPoll, loadOverlap)
	dir, file := writePolicy(t, text)
	cmd := exec.Command(binary, "run", "-c", file, "-E", "path.data="+filepath.Join(dir, "state"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	early, late := watchMemory(cmd, duration)
	end := time.Now().Add(-time.Second / 10) // times are on a grid: one may lie before its alert appears
	want := loadDocuments(tenant, end)
	for deadline := time.Now().Add(10 * loadPoll); a.until(end) < want && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v:\n%s", err, stderr.String())
	}
	if got := a.until(end); got != want || want < rate*loadEvidence*int(duration.Seconds())*9/10 {
		t.Errorf("%d documents stored, want %d:\n%s", got, want, stderr.String())
	}
	if s := es.Stats(); s.Conflicts != 0 || s.Duplicates != 0 || s.Rejected != 0 {
		t.Errorf("sent again %d, stored twice %d, rejected %d", s.Conflicts, s.Duplicates, s.Rejected)
	}
	p50, p99 := a.latency(0.50), a.latency(0.99)
	t.Logf("%d documents in %s, polled every %s: stored after p50 %s, p99 %s; RSS %.1f MB early, %.1f MB late; CPU %s",
		want, duration, loadPoll, p50.Round(time.Millisecond), p99.Round(time.Millisecond),
		float64(early)/1024, float64(late)/1024, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond))
	if p99 > loadPoll+5*time.Second {
		t.Errorf("p99 is %s", p99)
	}
	if !raced && late > early+5<<10 {
		t.Errorf("RSS grew from %d to %d KiB", early, late)
	}
}

// loadDocuments is how many documents the alerts make that appeared until then.
func loadDocuments(tenant *defendertest.Tenant, end time.Time) int {
	n := 0
	for v := range tenant.Records(defendertest.Alerts) {
		if !v.Time.After(end) {
			n += loadEvidence
		}
	}
	return n
}

// watchMemory lets a process run and returns the largest RSS in KiB of its first
// and of its second half.
func watchMemory(cmd *exec.Cmd, duration time.Duration) (early, late int) {
	begin := time.Now()
	for since := time.Duration(0); since < duration; since = time.Since(begin) {
		rss := memoryOf(cmd, "VmRSS:")
		if since < duration/2 {
			early = max(early, rss)
		} else {
			late = max(late, rss)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return early, late
}

// arrivals notes when documents were stored.
type arrivals struct {
	mu      sync.Mutex
	first   time.Time // when the first document was stored
	updated []time.Time
	took    []time.Duration
}

func (a *arrivals) add(d elasticsearchtest.Document) {
	now := time.Now()
	const name = `"lastUpdateTime":"`
	_, rest, _ := strings.Cut(string(d.JSON), name)
	text, _, _ := strings.Cut(rest, `"`)
	updated, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return // missing in the sum, which the test finds
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.updated = append(a.updated, updated)
	if a.first.IsZero() {
		a.first = now
	}
	if updated.After(a.first) {
		a.took = append(a.took, now.Sub(updated))
	}
}

// until counts documents of alerts updated at or before a time.
func (a *arrivals) until(end time.Time) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.updated {
		if !u.After(end) {
			n++
		}
	}
	return n
}

// latency is the duration that a part of all documents did not exceed.
func (a *arrivals) latency(part float64) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.took)
	return a.took[int(part*float64(len(a.took)-1))]
}
