package defender_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestEngineTakesEveryCapture: every capture with every setting that changes
// documents, as the stack sets an index and strictly.
func TestEngineTakesEveryCapture(t *testing.T) {
	engine.Shared(t) // skipped at once where there is none
	for namespace, strict := range map[string]bool{"captures": false, "captures_strict": true} {
		t.Run(namespace, func(t *testing.T) {
			f := &feed{TB: t, namespace: namespace}
			captures(t, func(resource, name string, record []byte) {
				for _, w := range ways() {
					f.add(resource, w, name, record)
				}
			})
			f.expect(t, strict)
		})
	}
}

// TestEngineTakesTheSimulatedTenant: a tenant of some 6,000 documents.
func TestEngineTakesTheSimulatedTenant(t *testing.T) {
	engine.Shared(t)
	f := &feed{TB: t, namespace: "tenant"}
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 1800, Machines: 400, Actions: 300})
	for name, resource := range map[string]defendertest.Resource{
		"alert": defendertest.Alerts, "machine": defendertest.Machines, "machine_action": defendertest.MachineActions,
	} {
		for _, record := range list(t, tenant, resource.String()) {
			f.add(name, usual, "tenant/"+name, record)
		}
	}
	f.expect(t, false)
}

// list reads all records of a collection.
func list(t testing.TB, tenant http.Handler, path string) []json.RawMessage {
	t.Helper()
	form := url.Values{
		"client_id": {defendertest.ClientID}, "client_secret": {defendertest.ClientSecret},
		"grant_type": {"client_credentials"}, "scope": {defendertest.Scope},
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/"+defendertest.TenantID+defendertest.TokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	answer(t, tenant, r, &token)
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/"+path+"?$expand=evidence", nil)
	if path != defendertest.Alerts.String() {
		r.URL.RawQuery = ""
	}
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	var page struct {
		Value []json.RawMessage `json:"value"`
	}
	answer(t, tenant, r, &page)
	return page.Value
}

func answer(t testing.TB, tenant http.Handler, r *http.Request, to any) {
	t.Helper()
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d", r.URL.Path, w.Code)
	}
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
		t.Fatal(err)
	}
}
