package main_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const machineStream = "logs-microsoft_defender_endpoint.machine-default"

// refusing is an index template that refuses a third of the full documents.
var refusing = elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
	if isLesser(d.JSON) || d.ID[len(d.ID)-1]%3 != 0 {
		return elasticsearchtest.ItemFault{}
	}
	return elasticsearchtest.ItemFault{Status: 400}
}}

// forms counts the minimal and the full documents of each event.
func forms(t *testing.T, documents [][]byte) (minimal, full map[string]int) {
	t.Helper()
	minimal, full = map[string]int{}, map[string]int{}
	for _, d := range documents {
		var document struct {
			Event struct {
				ID string `json:"id"`
			} `json:"event"`
		}
		if err := json.Unmarshal(d, &document); err != nil || document.Event.ID == "" {
			t.Fatalf("a document without event.id: %v", err)
		}
		if isLesser(d) {
			minimal[document.Event.ID]++
		} else {
			full[document.Event.ID]++
		}
	}
	return minimal, full
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// expectRun runs the program and looks for what it says, and for the warning before
// anything else where it collects again.
func expectRun(t *testing.T, dir, says string, args []string) {
	t.Helper()
	_, stderr := program(t, dir, args...)
	if !strings.Contains(stderr, says) {
		t.Errorf("%v does not say %q:\n%s", args, says, stderr)
	}
	warning := strings.Index(stderr, "Collecting again from ")
	if started := strings.Index(stderr, `"unit state"`); (warning >= 0) != slices.Contains(args, "--since") || warning > started {
		t.Errorf("%v: the warning stands at %d, the first state at %d:\n%s", args, warning, started, stderr)
	}
}

// TestRunSince: after the template was repaired, full documents are stored beside
// the minimal ones; what the write index holds is not stored again, what was
// rolled over is, and machines are; a run without --since continues as ever.
func TestRunSince(t *testing.T) {
	t.Parallel()
	const alerts, items, machines = 60, 2, 40
	tenant := defendertest.New(defendertest.Options{Seed: 5, Alerts: alerts, EvidencePerAlert: items, Machines: machines})
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url)+`
      - id: defender-1-machine
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.machine}
      - id: defender-1-other
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.unheard_of}
`)
	run := func(says string, more ...string) {
		t.Helper()
		expectRun(t, dir, says, append([]string{"run", "-c", file, "--once", "-E", "path.data=" + filepath.Join(dir, "state")}, more...))
	}
	es.Fault(refusing)
	run("documents 160 = stored ")
	minimal, _ := forms(t, es.Documents(dataStream))
	if len(minimal) == 0 {
		t.Fatal("no document was refused: the test proves nothing")
	}
	es.Heal()
	run("documents 0 ")

	before := es.Stats()
	run("streams: 2. ", "--since", "48h")
	now := es.Stats()
	if stored, existing := now.Stored-before.Stored, now.Conflicts-before.Conflicts; stored != sum(minimal)+machines || existing != alerts*items-sum(minimal) {
		t.Errorf("%d documents stored and %d already there, want %d and %d", stored, existing, sum(minimal)+machines, alerts*items-sum(minimal))
	}
	afterwards, full := forms(t, es.Documents(dataStream))
	if sum(full) != alerts*items || sum(afterwards) != sum(minimal) {
		t.Errorf("%d full documents and %d minimal ones, want %d and %d", sum(full), sum(afterwards), alerts*items, sum(minimal))
	}
	for id := range minimal {
		if full[id] != items {
			t.Errorf("%d full documents of event %s, want %d", full[id], id, items)
		}
	}
	run("documents 0 ")

	es.Rollover(dataStream)
	es.Rollover(machineStream)
	run("documents 160 = stored 160 + already there 0 ", "--since", time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339))
	run("documents 0 ")
}

func TestRunSinceWrongTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"yesterday", "-1h", time.Now().Add(time.Hour).Format(time.RFC3339)} {
		state, stderr := program(t, t.TempDir(), "run", "-c", "policy.yml", "--since", text)
		if state.ExitCode() != 2 || !strings.Contains(stderr, "run: --since: ") || !strings.Contains(stderr, text) {
			t.Errorf("%s: exit code %d:\n%s", text, state.ExitCode(), stderr)
		}
	}
}

// TestCollectFromAction: only the streams that are named, once, and a time that
// cannot be read asks for nothing.
func TestCollectFromAction(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 43, Alerts: 20, Machines: 10, EvidencePerAlert: 1})
	r.set(r.input(map[string]any{"interval": "10m", "streams": someStreams}), elasticsearchUnit(r.esURL))
	r.start()
	r.eventually("all is stored", func() bool { return r.es.Count(dataStream) == 20 && r.es.Count(machineStream) == 10 })
	for says, params := range map[string]map[string]any{
		"time: want a time such as":       {},
		"time: 2099-01-01T00:00:00Z lies": {"time": "2099-01-01T00:00:00Z"},
		"streams: the unit has no stream": {"time": "1h", "streams": "log-1,x"},
		"streams: want a list of ids":     {"time": "1h", "streams": 5},
	} {
		if _, err := r.agent.PerformAction(r.ctx, inputKey, "collect_from", params); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %s", params, err, says)
		}
	}
	for n, params := range []map[string]any{
		{"time": "48h", "streams": "log-1"},
		{"time": "48h", "streams": []any{"log-1"}, "action": "collect_from"}, // as Fleet does
	} {
		name := []string{"collect_from", "microsoft_defender_endpoint"}[n]
		result, err := r.agent.PerformAction(r.ctx, inputKey, name, params)
		if err != nil || at(result, "from") == nil {
			t.Fatalf("%s: %v, %v", name, result, err)
		}
		r.eventually("the alerts are collected again", func() bool { return r.es.Stats().Conflicts == 20*(n+1) })
	}
	_, err := r.agent.PerformAction(r.ctx, inputKey, "collect_from", map[string]any{"time": "1s", "streams": "bad-1"})
	if err == nil || !strings.Contains(err.Error(), "stream bad-1: does not run") {
		t.Errorf("a stream that cannot run: %v", err)
	}
	if s := r.es.Stats(); s.Conflicts != 40 || s.Stored != 30 {
		t.Errorf("%+v, want 40 conflicts and 30 stored", s)
	}
	r.stop()
}

var someStreams = []any{
	map[string]any{"id": "log-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.log"}},
	map[string]any{"id": "machine-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.machine"}},
	map[string]any{"id": "bad-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.unheard_of"}},
}

// TestCollectFromSurvivesAChange: the request waits for the poll under way, which
// the policy's change ends.
func TestCollectFromSurvivesAChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 44, Alerts: 20, EvidencePerAlert: 1})
	r.set(r.input(map[string]any{"interval": "10m"}), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	r.es.Fault(elasticsearchtest.Fault{Hang: true})
	for _, since := range []string{"48h", "47h", "49h"} { // at least two wait
		r.touch(1)
		before := r.es.Stats().Requests
		if _, err := r.agent.PerformAction(r.ctx, inputKey, "collect_from", map[string]any{"time": since}); err != nil {
			t.Fatal(err)
		}
		if since == "48h" {
			r.eventually("the poll hangs", func() bool { return r.es.Stats().Requests > before })
		}
	}
	r.set(r.input(map[string]any{"interval": "10m", "tags": []any{"changed"}, "revision": 2.0}), elasticsearchUnit(r.esURL))
	r.eventually("the stream is restarted", func() bool { return strings.Contains(strings.Join(r.agent.Log(), "\n"), `"stream restarted"`) })
	r.es.Heal()
	r.eventually("all are collected again", func() bool { return r.es.Stats().Conflicts >= 17 })
	r.wait("healthy", func(s agenttest.States) bool { return s.All(client.UnitStateHealthy) })
	log := strings.Join(r.agent.Log(), "\n")
	if _, after, _ := strings.Cut(log, `"stream restarted"`); strings.Count(after, `"collecting again"`) != 1 {
		t.Errorf("the restarted stream does not collect again once for all requests that waited:\n%s", log)
	}
	r.stop()
}

// TestRunSinceIsContinued by the next run where it was killed.
func TestRunSinceIsContinued(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 6, Alerts: 300, EvidencePerAlert: 1})
	es, url := newElasticsearch(t)
	text := strings.Replace(policy(listen(t, tenant), url), "    streams:", "    batch_size: 20\n    streams:", 1)
	dir, file := writePolicy(t, text)
	state := "path.data=" + filepath.Join(dir, "state")
	once := func(more ...string) string {
		_, stderr := program(t, dir, append([]string{"run", "-c", file, "--once", "-E", state}, more...)...)
		return stderr
	}
	once()
	es.Rollover(dataStream)
	es.Fault(elasticsearchtest.Fault{Delay: 20 * time.Millisecond})
	killed := exec.Command(binary, "run", "-c", file, "--since", "48h", "-E", state)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	for es.Count(dataStream) < 360 {
		time.Sleep(5 * time.Millisecond)
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()
	if n := es.Count(dataStream); n == 600 {
		t.Fatal("it was not killed in the middle")
	}
	es.Heal()
	stderr := once()
	if es.Count(dataStream) != 600 || !strings.Contains(stderr, "minimal 0") {
		t.Errorf("%d documents, want 600:\n%s", es.Count(dataStream), stderr)
	}
}
