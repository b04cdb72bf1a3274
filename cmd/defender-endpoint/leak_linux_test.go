package main_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestReconfigurationsLeakNothing changes streams, credentials, outputs and the
// set of units a thousand times, with polls under way, and counts goroutines and
// descriptors.
func TestReconfigurationsLeakNothing(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	tenant := defendertest.New(defendertest.Options{Seed: 61, Alerts: 30})
	api := listen(t, tenant)
	_, first := newElasticsearch(t)
	_, second := newElasticsearch(t)
	dir := t.TempDir()
	cursors, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer cursors.Close()
	input := defender.New("test")
	input.Traces = filepath.Join(dir, "logs")
	c := component.New(component.Options{
		Input: input, Cursors: cursors, Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar),
		Agent: func() inputs.Agent { return inputs.Agent{ID: "agent"} },
	})
	wanted := func(round int) []component.Unit {
		return reconfigured(round, api, []string{first, second}[round/2%2])
	}
	const warm = 20
	var goroutines, descriptors int
	for round := range rounds {
		c.Apply(t.Context(), wanted(round))
		if round == warm {
			goroutines, descriptors = counted(t)
		}
		if round%10 == 0 { // otherwise a change meets what the one before began
			time.Sleep(20 * time.Millisecond)
		}
	}
	lastG, lastD := counted(t)
	c.Stop()
	t.Logf("goroutines %d after %d rounds, %d after %d; descriptors %d and %d", goroutines, warm, lastG, rounds, descriptors, lastD)
	// Connections of the fakes in this process come and go.
	if lastG > goroutines+30 || lastD > descriptors+30 {
		t.Errorf("goroutines %d -> %d, descriptors %d -> %d", goroutines, lastG, descriptors, lastD)
	}
}

// counted waits for what ends by itself and counts goroutines and descriptors:
// the least of some looks, since connections are being closed meanwhile.
func counted(t *testing.T) (goroutines, descriptors int) {
	t.Helper()
	goroutines, descriptors = 1<<30, 1<<30
	for range 20 {
		time.Sleep(25 * time.Millisecond)
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		goroutines, descriptors = min(goroutines, runtime.NumGoroutine()), min(descriptors, len(entries))
	}
	return goroutines, descriptors
}

// reconfigured is a policy that differs from that of the round before: in turn
// the tags, the output, the tracer, the application, and whether there is a
// second unit.
func reconfigured(round int, api, es string) []component.Unit {
	report := func(client.UnitState, string, map[string]any) {}
	config := func(id string) map[string]any {
		return map[string]any{
			"id": id, "tenant_id": defendertest.TenantID, "client_id": defendertest.ClientID, "client_secret": defendertest.ClientSecret,
			"url": api, "login_url": api, "tags": []any{fmt.Sprint("round-", round)},
			"enable_request_tracer": round%5 == 0, "http_client_timeout": fmt.Sprintf("%ds", 30+round%7),
			"streams": []any{stream(id+"-log", "log"), stream(id+"-machine", "machine")},
		}
	}
	units := []component.Unit{
		{ID: "out", Output: true, Type: "elasticsearch", Report: report, Source: map[string]any{"hosts": []any{es}, "api_key": "id:key"}},
		{ID: "one", Type: defender.Type, InputID: "one", Source: config("one"), Report: report},
	}
	if round%3 == 0 {
		units = append(units, component.Unit{ID: "two", Type: defender.Type, InputID: "two", Source: config("two"), Report: report})
	}
	return units
}

// TestIdleCostsNothing measures the real program between polls, with three
// streams at their default intervals.
func TestIdleCostsNothing(t *testing.T) {
	leaveOut(t, "TestJobs")
	measured(t)
	t.Parallel()
	const (
		watched = 10 * time.Second
		maxCPU  = 0.001 // of one processor
		maxRSS  = 35 << 20
	)
	r := newRig(t, defendertest.Options{Seed: 62, Alerts: 100, Machines: 100, Actions: 100})
	streams := []any{stream("log-1", "log"), stream("machine-1", "machine"), stream("action-1", "machine_action")}
	settings := map[string]any{"streams": streams, "interval": "1h"}
	r.set(r.input(settings), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	time.Sleep(4 * time.Second) // what follows a start: idle connections are closed, memory is given back
	pid := r.agent.Pid()
	var used time.Duration
	for range 4 { // the pace may spread the last questions of the first polls
		asked, before := len(r.tenant.Requests()), cpuTimeOf(t, pid)
		time.Sleep(watched)
		if used = cpuTimeOf(t, pid) - before; len(r.tenant.Requests()) == asked {
			break
		}
	}
	share, rss := used.Seconds()/watched.Seconds(), residentBytes(t, pid)
	t.Logf("idle: CPU %.4f %%, RSS %.1f MB", share*100, float64(rss)/1e6)
	if share > maxCPU || rss > maxRSS {
		t.Errorf("CPU %.4f %%, want at most %.1f; RSS %.1f MB, want at most %d", share*100, maxCPU*100, float64(rss)/1e6, maxRSS>>20)
	}
	r.stop()
}

// cpuTimeOf is what a process has used, in nanoseconds, over all its threads.
func cpuTimeOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	var total time.Duration
	for _, f := range files {
		var ran int64
		if b, err := os.ReadFile(f); err == nil {
			if _, err := fmt.Sscan(string(b), &ran); err != nil {
				t.Fatal(err)
			}
		}
		total += time.Duration(ran)
	}
	return total
}

func residentBytes(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}
