package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// signature is one of a link to a file, plain or encoded.
var signature = regexp.MustCompile(`sig[0-9a-f]{16}`)

// TestSignaturesStayInside: links to exported files grant access by themselves. They
// are searched for in everything that leaves the process, with the request tracer on,
// while files are read, while they are refused, and while they are damaged.
func TestSignaturesStayInside(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 72, Machines: 40, RowsPerFile: 10})
	settings := map[string]any{
		"enable_request_tracer": true, "file_hosts": []any{"127.0.0.1"},
		"streams": []any{map[string]any{
			"id": "gathering-1", "interval": "12h", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.information_gathering"},
		}},
	}
	r.tenant.Fail(defendertest.Rule{Path: exportedFiles, CutAfter: 500, CutClean: true, After: 2, Times: 1})
	r.set(r.input(settings), elasticsearchUnit(r.esURL))
	r.start()
	r.wait("all files read", func(agenttest.States) bool {
		return r.es.Count(strings.Replace(dataStream, ".log-", ".information_gathering-", 1)) == 40
	})
	r.waitHealthy()
	var seen strings.Builder
	r.look(&seen, "test_connection")
	r.restartWithoutCalls() // links may be asked for twice, and then three times a minute
	r.waitHealthy()
	r.lookInTrouble(&seen, "no access", inputKey, func() {
		r.tenant.Fail(defendertest.Rule{Path: exportedFiles, Status: 403, Body: "<Error>" + r.api + exportedFiles + "x?sig=sig0123456789abcdef</Error>"})
		if err := r.tenant.ChangeRows(defendertest.Gathered, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := r.agent.PerformAction(r.ctx, inputKey, "collect_from", map[string]any{"time": "1h"}); err != nil {
			t.Fatal(err)
		}
	}, func() {
		r.tenant.Heal()
		if _, err := r.agent.PerformAction(r.ctx, inputKey, "collect_now", nil); err != nil {
			t.Fatal(err)
		}
	})
	r.stop()
	r.recall(&seen)
	if !readAll(t, r.dir, &seen) {
		t.Error("no trace was written")
	}
	text := seen.String()
	if !strings.Contains(text, "part-00001.json.gz") || !strings.Contains(text, client.UnitStateDegraded.String()) {
		t.Error("what is searched has no files, or no trouble")
	}
	if at := signature.FindStringIndex(text); at != nil {
		t.Errorf("a signature shows: ...%s...", text[max(0, at[0]-300):min(len(text), at[1]+50)])
	}
}
