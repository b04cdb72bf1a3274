package main_test

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// TestCheckTellsOfCredentials: check says as whom it asked, and what a person compares
// with Entra's pages, for each kind of credentials.
func TestCheckTellsOfCredentials(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Seed: 94, Alerts: 5})
	login := httptest.NewTLSServer(tenant)
	t.Cleanup(login.Close)
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := identitytest.NewCertificate("collector", time.Now().Add(20*24*time.Hour+time.Hour), 0)
	tenant.TrustCertificate(c.Certificate)
	tenant.Federate(caseIssuer.Trust())
	assertion := put("assertion", caseIssuer.Assertion())
	service := &identitytest.Service{Kind: identitytest.AppService, Tenant: tenant, System: true}
	environment := service.Environment(listen(t, service))
	environment["AZURE_TENANT_ID"], environment["AZURE_CLIENT_ID"] = defendertest.TenantID, defendertest.ClientID
	environment["AZURE_FEDERATED_TOKEN_FILE"], environment["CLOUD_CONNECTORS_ID_TOKEN_FILE"] = assertion, assertion
	for name, value := range environment {
		t.Setenv(name, value)
	}
	_, es := newElasticsearch(t)
	presents := "issuer https://issuer.example, subject collector, audience api://AzureADTokenExchange"
	for name, test := range map[string]struct {
		settings map[string]any
		shows    []string
	}{
		"secret": {map[string]any{"client_secret": defendertest.ClientSecret, "client_secret_expires": "2099-12-31"}, []string{"note client secret note", "the client secret ends with 2099-12-31"}},
		"file":   {map[string]any{"client_secret_file": put("secret", defendertest.ClientSecret)}, []string{"client secret from a file, read again for every token"}},
		"certificate": {map[string]any{"credentials": "certificate", "certificate": put("c.pem", c.CertificatePEM()+c.KeyPEM())},
			[]string{"certificate CN=collector, thumbprint ", "(20 days left)"}},
		"managed":   {map[string]any{"credentials": "managed_identity", "client_id": ""}, []string{"managed identity, system-assigned"}},
		"workload":  {map[string]any{"credentials": "workload_identity", "client_id": "", "tenant_id": ""}, []string{"workload identity, " + presents}},
		"federated": {map[string]any{"credentials": "federated"}, []string{"federated, " + presents}},
		"assertion": {map[string]any{"credentials": "assertion_file", "assertion_file": assertion}, []string{"assertion file, " + presents}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := credentialsPolicy(t, login, es, test.settings)
			code, stdout, stderr := runCheck(t, policy)
			stdout = strings.Join(strings.Fields(stdout), " ") // its lines are short
			for _, want := range append(test.shows, "can collect", "tenant "+defendertest.TenantID, "MC1220762") {
				if !strings.Contains(stdout, want) || code != 0 {
					t.Errorf("exit code %d, want %q in\n%s%s", code, want, stdout, stderr)
				}
			}
		})
	}
}

// credentialsPolicy is a policy whose input reads a simulated tenant over TLS.
func credentialsPolicy(t *testing.T, login *httptest.Server, es string, settings map[string]any) string {
	t.Helper()
	input := map[string]any{
		"id": "d", "type": "microsoft_defender_endpoint", "tenant_id": defendertest.TenantID, "client_id": defendertest.ClientID,
		"url": login.URL, "login_url": login.URL, "ssl": map[string]any{"certificate_authorities": []any{identitytest.EncodePEM(login.Certificate())}},
		"streams": []any{stream("log-1", "log")},
	}
	maps.Copy(input, settings)
	b, err := json.Marshal(map[string]any{"outputs": map[string]any{"default": map[string]any{"type": "elasticsearch", "hosts": []any{es}, "api_key": "id:key"}}, "inputs": []any{input}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
