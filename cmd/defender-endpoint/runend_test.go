package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestOnceEndsWhenTheOutputFailed for good: it waited for ever before.
func TestOnceEndsWhenTheOutputFailed(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5})
	dir, file := writePolicy(t, strings.Replace(policy(listen(t, tenant), "http://127.0.0.1:9"), "id:key", "nokey", 1))
	code, out := both(t, dir, "run", "-c", file, "--once")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	expectLine(t, out, "defender-endpoint: unit microsoft_defender_endpoint-default: api_key: must be id:key")
	expectLine(t, out, "records ", "= seen before ")
}

// TestLimit ends what does not end by itself, and says what it waited for.
func TestLimit(t *testing.T) {
	leaveOut(t, "TestWrongInput")
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5, EvidencePerAlert: 1})
	es, url := newElasticsearch(t)
	es.Fault(elasticsearchtest.Fault{Status: http.StatusUnauthorized})
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	code, out := both(t, dir, "run", "-c", file, "--once", "--limit", "3s")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	expectLine(t, out, "defender-endpoint: unit microsoft_defender_endpoint-default: Elasticsearch refuses the credentials", "check api_key")
	es.Heal()
	if code, out = both(t, dir, "run", "-c", file, "--limit", "3s"); code != 0 || !strings.Contains(out, "stored 5 + already there 0") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if code, out = both(t, dir, "run", "-c", file, "--limit", "-3s"); code != 2 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestSummaryHasAllStreams, those too for whose counters the payload has no room.
func TestSummaryHasAllStreams(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 2, Alerts: 7, EvidencePerAlert: 1})
	es, url := newElasticsearch(t)
	var text strings.Builder
	text.WriteString(policy(listen(t, tenant), url))
	for _, namespace := range strings.Fields("b c d e f g h i j k l m n o p q r s t u v w x y z") {
		text.WriteString("      - id: defender-1-log-of-the-namespace-" + namespace + "\n        data_stream: {dataset: microsoft_defender_endpoint.log, namespace: " + namespace + "}\n")
	}
	dir, file := writePolicy(t, text.String())
	code, out := both(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	if code != 0 || !strings.Contains(out, "mapped 182 (quarantined 0), documents 182 = stored 182 + ") {
		t.Errorf("exit code %d, %d requests:\n%s", code, es.Stats().Requests, out[max(0, len(out)-600):])
	}
}
