package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestLargeBacklog reads 200,000 alerts of half a year from an API that takes
// 150 ms for each call, in as few calls as there are weeks and full pages.
func TestLargeBacklog(t *testing.T) {
	if !*long {
		t.Skip("takes a minute: run with -long")
	}
	measured(t)
	const alerts, latency = 200_000, 150 * time.Millisecond
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: alerts, EvidencePerAlert: 1, Span: 179 * 24 * time.Hour})
	tenant.Fail(defendertest.Rule{Path: "/api/", Latency: latency})
	api := listen(t, tenant)
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true})
	dir, file := writePolicy(t, fmt.Sprintf(`
outputs: {default: {type: elasticsearch, hosts: [%q], api_key: "id:key"}}
inputs:
  - {id: in, type: microsoft_defender_endpoint, url: %q, login_url: %q, tenant_id: %q, client_id: %q, client_secret: %q, initial_interval: 4320h,
     streams: [{id: log, data_stream: {dataset: microsoft_defender_endpoint.log}}]}
`, listen(t, es), api, api, defendertest.TenantID, defendertest.ClientID, defendertest.ClientSecret))
	cmd := exec.Command(binary, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calls := tenant.Counts(defendertest.Alerts).Calls
	t.Logf("%d alerts in %s and %d calls; CPU %s", alerts, time.Since(began), calls, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if stored := es.Stats().Stored; stored != alerts {
		t.Errorf("%d documents stored, want %d", stored, alerts)
	}
	// A week has 7,800: a page with a question about its order, and one that ends it.
	if calls > 26*3+20 {
		t.Errorf("%d calls", calls)
	}
}
