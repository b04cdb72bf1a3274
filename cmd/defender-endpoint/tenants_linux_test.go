package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// manyLimit is what a process may take at its peak for 200 tenants with three
// streams each, in KiB.
const manyLimit = 300 << 10

// TestManyTenants: memory does not follow the number of streams by their batches.
// All tenants show the same records, each in its own name.
func TestManyTenants(t *testing.T) {
	if !*long {
		t.Skip("takes a minute: run with -long")
	}
	const tenants, records = 200, 2_000
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: records, Machines: records, Actions: records, EvidencePerAlert: 1})
	api := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, rest, is := strings.Cut(r.URL.Path[1:], "/oauth2/"); is && name != "" {
			r.URL.Path = "/" + defendertest.TenantID + "/oauth2/" + rest
		}
		tenant.ServeHTTP(w, r)
	}))
	es := componenttest.NewElasticsearch(componenttest.ElasticsearchOptions{APIKey: "id:key", CountOnly: true})
	var text strings.Builder
	fmt.Fprintf(&text, "outputs: {default: {type: elasticsearch, hosts: [%q], api_key: \"id:key\"}}\ninputs:\n", listen(t, es))
	for i := range tenants {
		fmt.Fprintf(&text, `  - {id: in-%d, type: microsoft_defender_endpoint, url: %q, login_url: %q, tenant_id: 00000000-0000-0000-0000-%012d, client_id: %q, client_secret: %q, streams: [
      {id: log, data_stream: {dataset: microsoft_defender_endpoint.log}}, {id: machine, data_stream: {dataset: microsoft_defender_endpoint.machine}},
      {id: machine_action, data_stream: {dataset: microsoft_defender_endpoint.machine_action}}]}
`, i, api, api, i, defendertest.ClientID, defendertest.ClientSecret)
	}
	dir, file := writePolicy(t, text.String())
	cmd := exec.Command(binary, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := cost{peak: watchPeak(cmd)}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("%d tenants, %d documents: %s", tenants, es.Stats().Stored, c)
	if stored := es.Stats().Stored; stored != tenants*3*records {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		t.Errorf("%d documents stored, want %d: %s", stored, tenants*3*records, lines[len(lines)-1])
	}
	if c.peak > manyLimit {
		t.Errorf("peak RSS %d KiB, limit %d KiB", c.peak, manyLimit)
	}
}
