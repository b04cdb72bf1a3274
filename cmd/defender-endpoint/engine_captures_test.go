package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
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

// tenant adds the some 12,000 documents of a simulated tenant: of assessments the
// rows of lists, of files and of changes.
func (f *feed) tenant() {
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 1800, Machines: 400, Actions: 300, Vulnerabilities: 3, Configurations: 2, Baselines: 2})
	for name, resource := range map[string]defendertest.Resource{
		"alert": defendertest.Alerts, "machine": defendertest.Machines, "machine_action": defendertest.MachineActions,
	} {
		for _, record := range list(f, tenant, resource.String()) {
			f.add(name, usual, "tenant/"+name, record)
		}
	}
	f.assessments(tenant)
	f.reports()
}

// assessments adds the rows of a tenant's assessments, of lists, files and changes.
func (f *feed) assessments(tenant *defendertest.Tenant) {
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

// reports adds what a collector tells of streams that are well, and of one that is
// not and was held off.
func (f *feed) reports() {
	f.Helper()
	now := time.Now()
	counts := inputs.Counts{
		Records: 9, Duplicates: 1, Documents: 8, Published: inputs.Result{Stored: 5, Existing: 1, Minimal: 1, Bare: 1, KeptAside: 1},
		Dropped: 1, Quarantined: 1, Unknown: 1, Newest: now, CredentialsEnd: now.AddDate(0, 1, 0),
		Quota: &inputs.Quota{HourLeft: 1, HeldUntil: now.Add(time.Minute)},
	}
	for _, body := range defender.CollectorDocuments(engineAgent, []inputs.StreamStatus{
		{Key: inputs.Key{Stream: "log", Dataset: defender.Type + ".log"}, State: "HEALTHY", Healthy: true, Reason: "collecting", Counts: counts, LastSuccess: now},
		{Key: inputs.Key{Stream: "x"}, State: "DEGRADED", Reason: strings.Repeat("a long reason ", 2000)},
	}, now) {
		f.documents = append(f.documents, engine.Document{
			Target: "metrics-" + defender.Type + ".collector-" + f.namespace, ID: fmt.Sprintf("%d-report", len(f.documents)), Source: "report",
			JSON: bytes.Replace(body, []byte(`"namespace":"default"`), []byte(`"namespace":"`+f.namespace+`"`), 1),
		})
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
