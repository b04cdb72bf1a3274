package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// anyTenant serves a tenant under any id it is asked for tokens of, and refuses
// one.
func anyTenant(tenant *defendertest.Tenant, refused string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, rest, is := strings.Cut(r.URL.Path[1:], "/oauth2/"); is && name != refused {
			r.URL.Path = "/" + defendertest.TenantID + "/oauth2/" + rest
		}
		tenant.ServeHTTP(w, r)
	})
}

// TestRealAgentManyTenants: the agent itself makes a unit of each tenant in a list,
// and the trouble of one is its own.
func TestRealAgentManyTenants(t *testing.T) {
	r := newRig(t, defendertest.Options{Seed: 12, Alerts: 10})
	const refused = "00000000-0000-0000-0000-000000000002"
	url := listen(t, anyTenant(r.tenant, refused))
	t.Setenv("PLANTED_SECRET", defendertest.ClientSecret)
	var items strings.Builder
	for i := range 5 {
		fmt.Fprintf(&items, "      - vars: {tenant: 00000000-0000-0000-0000-%012d, namespace: tenant%d}\n", i, i)
	}
	policy := fmt.Sprintf(`outputs: {default: {type: elasticsearch, hosts: [%q], api_key: "id:key"}}
providers:
  local_dynamic:
    items:
%sinputs:
  - id: msp
    type: microsoft_defender_endpoint
    use_output: default
    data_stream.namespace: ${local_dynamic.namespace}
    tenant_id: ${local_dynamic.tenant}
    client_id: %q
    client_secret: ${env.PLANTED_SECRET}
    url: %q
    login_url: %q
    streams:
      - id: log
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.log}
`, r.esURL, items.String(), defendertest.ClientID, url, url)
	a := newRealAgent(t, r, policy)
	a.eventually("four units are well, the fifth tells of its tenant", func() bool {
		well, failed := 0, 0
		for _, c := range a.status().Components {
			for _, u := range c.Units {
				switch {
				case !strings.Contains(u.ID, "msp-local_dynamic-"):
				case u.State == statusHealthy:
					well++
				case u.State == statusFailed && strings.HasSuffix(u.ID, "-2") && strings.Contains(u.Message, "there is no such tenant"):
					failed++
				}
			}
		}
		return well == 4 && failed == 1
	})
	for i := range 5 {
		index := fmt.Sprintf("logs-microsoft_defender_endpoint.log-tenant%d", i)
		if got := r.es.Count(index); (got == 0) != (i == 2) {
			t.Errorf("%d documents in %s", got, index)
		}
	}
}
