package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// captures adds every capture with every setting that changes documents.
func (f *feed) captures() {
	captures(f, func(resource, name string, record []byte) {
		for _, w := range ways() {
			f.add(resource, w, name, record)
		}
	})
}

// tenant adds the some 20,000 documents of a simulated tenant: of assessments the
// rows of lists, of files and of changes.
func (f *feed) tenant() {
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 1800, Machines: 400, Actions: 300, Vulnerabilities: 8, Configurations: 5, Baselines: 5})
	for name, resource := range map[string]defendertest.Resource{
		"alert": defendertest.Alerts, "machine": defendertest.Machines, "machine_action": defendertest.MachineActions,
	} {
		for _, record := range list(f, tenant, resource.String()) {
			f.add(name, usual, "tenant/"+name, record)
		}
	}
	for _, change := range []func(...int) error{tenant.FixFindings, tenant.FindAgain, tenant.MoveFindings} {
		if err := change(1, 20, 300); err != nil {
			f.Fatal(err)
		}
	}
	for body := range tenant.ChangeBodies(defendertest.Vulnerabilities) {
		f.add("vulnerability", usual, "tenant/changes", []byte(body))
	}
	for name, assessment := range map[string]defendertest.Assessment{
		"vulnerability": defendertest.Vulnerabilities, "configuration": defendertest.Configurations,
		"baseline": defendertest.Baselines, "information_gathering": defendertest.Gathered,
	} {
		for _, files := range []bool{false, true} {
			for body := range tenant.RowBodies(assessment, files) {
				f.add(name, usual, "tenant/"+name, []byte(body))
			}
		}
	}
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
