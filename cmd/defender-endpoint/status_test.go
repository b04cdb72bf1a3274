package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/monitor"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

// statusOf asks the status command about a state directory.
func statusOf(t *testing.T, dir string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"status", "-E", "path.data=" + dir}, more...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code tells
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestStatusTellsWhatRuns: the numbers are those that the agent is told, trouble
// shows with its cause, and so does the end.
func TestStatusTellsWhatRuns(t *testing.T) {
	leaveOut(t, "TestStatusFile of component/monitor")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 91, Alerts: 40, EvidencePerAlert: 1})
	if code, _, stderr := statusOf(t, r.dir); code != 1 || !strings.Contains(stderr, "no status file") {
		t.Errorf("before the start: exit code %d: %s", code, stderr)
	}
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	r.eventually("the status is well", func() bool {
		code, stdout, _ := statusOf(t, r.dir)
		return code == 0 && strings.Contains(stdout, "stored 40,")
	})
	_, stdout, _ := statusOf(t, r.dir, "--output", "json")
	var found []monitor.Overview
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || len(found) != 1 || len(found[0].Units) != 2 || !strings.HasPrefix(found[0].Version, spec.Version) {
		t.Fatalf("%v: %s", err, stdout)
	}
	stream := found[0].Units[0].Streams[0]
	if stream.ID != "log-1" || stream.Stored != 40 || stream.QuotaLeft == nil || stream.LastSuccess == nil || stream.LagSeconds > 10 {
		t.Errorf("%+v", stream)
	}
	r.tenant.Fail(defendertest.Rule{Status: 403}) // shown by the first poll
	r.eventually("the trouble is told", func() bool {
		code, stdout, stderr := statusOf(t, r.dir)
		return code == 1 && strings.Contains(stdout, "permission missing") && strings.Contains(stderr, "a unit is DEGRADED")
	})
	r.tenant.Heal()
	r.stop()
	if code, stdout, stderr := statusOf(t, r.dir); code != 1 || !strings.Contains(stdout, "ended") || !strings.Contains(stderr, "has ended") {
		t.Errorf("at the end: exit code %d: %s%s", code, stdout, stderr)
	}
}

// TestMetricsOfARun are served while it runs.
func TestMetricsOfARun(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 92, Alerts: 30, EvidencePerAlert: 1})
	_, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	cmd := exec.CommandContext(t.Context(), binary, "run", "-c", file, "--metrics", "127.0.0.1:0", "-E", "path.data="+filepath.Join(dir, "state"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	address := ""
	decoder := json.NewDecoder(stderr)
	for address == "" {
		var line struct{ Message, Address string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		address = line.Address
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	const want = `defender_endpoint_documents_total{unit="microsoft_defender_endpoint-default-defender-1",stream="defender-1-log",dataset="microsoft_defender_endpoint.log",result="stored"} 30`
	deadline := time.Now().Add(30 * time.Second)
	for body := ""; !strings.Contains(body, want); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no metrics of the documents stored:\n%s", body)
		}
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		body = string(b)
	}
}

// TestCollectorStream: what the other streams do is in a data stream of its
// own, while they are well and while they are not.
func TestCollectorStream(t *testing.T) {
	leaveOut(t, "TestCollectorTellsOfItsNeighbours of inputs/defender")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 93, Alerts: 25, EvidencePerAlert: 1})
	own := map[string]any{"id": "self-1", "interval": "2s", "data_stream": map[string]any{"type": "metrics", "dataset": "microsoft_defender_endpoint.collector"}}
	r.set(r.input(map[string]any{"streams": []any{stream("log-1", "log"), own}}), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	if n := r.es.Count("metrics-microsoft_defender_endpoint.collector-default"); n > 0 {
		t.Errorf("the unit waited for %d reports", n)
	}
	const target = "metrics-microsoft_defender_endpoint.collector-default"
	told := func(want string) func() bool {
		return func() bool {
			for _, d := range r.es.Documents(target) {
				if bytes.Contains(d, []byte(want)) {
					return true
				}
			}
			return false
		}
	}
	r.eventually("the documents stored are told", told(`"stored":25`))
	r.tenant.Fail(defendertest.Rule{Status: 403})
	r.eventually("the trouble is told", told(`"state":"DEGRADED","healthy":false,"reason":"get /api/alerts: permission missing`))
	r.tenant.Heal()
	r.waitHealthy()
	r.stop()
	r.expectStored()
}
