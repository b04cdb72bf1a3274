package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// previewTime is the end of the time that previews show, previewSpan its length.
// It is fixed, so that equal code draws equal previews.
var previewTime = time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)

const previewSpan = 12 * time.Hour

// resources are the simulated collections by the names of the mapping.
var resources = map[string]defendertest.Resource{
	"alert": defendertest.Alerts, "machine": defendertest.Machines, "machine_action": defendertest.MachineActions,
}

// simulated are the documents that previews are drawn from: the records of the
// demo's simulated tenant through the production mapping.
func simulated(ctx context.Context) ([]document, error) {
	tenant := defendertest.New(defendertest.Options{
		Seed: 1, Alerts: 200, Machines: 50, Actions: 120, Now: func() time.Time { return previewTime },
	})
	var documents []document
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		records, err := list(ctx, tenant, resources[name].String())
		if err != nil {
			return nil, err
		}
		mapped, err := mapAll(name, records)
		if err != nil {
			return nil, err
		}
		documents = append(documents, mapped...)
	}
	return between(documents, previewTime.Add(-previewSpan), previewTime), nil
}

// faulty are documents with mapping faults, which the simulated tenant has
// none of: those of the captures with wrong types, an hour apart.
func faulty() ([]document, error) {
	var documents []document
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		record, err := os.ReadFile(filepath.Join(capturesDir, name, "wrong-types.json"))
		if err != nil {
			return nil, err
		}
		mapped, err := mapAll(name, []json.RawMessage{record})
		if err != nil {
			return nil, err
		}
		documents = append(documents, mapped...)
	}
	for i, d := range documents {
		d["@timestamp"] = []any{previewTime.Add(-time.Duration(i+1) * time.Hour).Format(time.RFC3339)}
	}
	return documents, nil
}

func mapAll(resource string, records []json.RawMessage) ([]document, error) {
	m, err := newMapping(resource, nil)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		if err := m.add(record); err != nil {
			return nil, err
		}
	}
	var documents []document
	for _, body := range m.documents {
		flat, err := flatten(body)
		if err != nil {
			return nil, err
		}
		documents = append(documents, flat)
		if resource == "machine_action" {
			documents = append(documents, latestOf(flat))
		}
	}
	if resource == "alert" {
		documents = append(documents, latestAlerts(documents)...)
	}
	return documents, nil
}

// latestAlerts are what the transform makes of alerts: no record of the tenant
// has a later version, so of each the first document stands for all.
func latestAlerts(documents []document) []document {
	var latest []document
	seen := map[string]bool{}
	for _, d := range documents {
		id := fmt.Sprint(d[alertKey])
		if seen[id] {
			continue
		}
		seen[id] = true
		one := maps.Clone(d)
		one[indexField] = []any{latestAlert}
		latest = append(latest, one)
	}
	return latest
}

// latestOf marks a machine action as one of the data stream, and returns what
// the transform makes of it: no record of the tenant has a later version, so
// each is the latest.
func latestOf(action document) document {
	const constant = "labels.is_transform_source"
	latest := maps.Clone(action)
	action[constant], latest[constant] = []any{"true"}, []any{"false"}
	return latest
}

// list asks the simulated API for a collection.
func list(ctx context.Context, tenant http.Handler, path string) ([]json.RawMessage, error) {
	form := url.Values{
		"client_id": {defendertest.ClientID}, "client_secret": {defendertest.ClientSecret},
		"grant_type": {"client_credentials"}, "scope": {defendertest.Scope},
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+defendertest.TenantID+defendertest.TokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := answer(tenant, r, &token); err != nil {
		return nil, err
	}
	query := url.Values{}
	if path == defendertest.Alerts.String() {
		query.Set("$expand", "evidence")
	}
	r = httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/"+path+"?"+query.Encode(), nil)
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	var page struct {
		Value []json.RawMessage `json:"value"`
	}
	err := answer(tenant, r, &page)
	return page.Value, err
}

func answer(tenant http.Handler, r *http.Request, to any) error {
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return fmt.Errorf("%s: status %d", r.URL.Path, w.Code)
	}
	return json.Unmarshal(w.Body.Bytes(), to)
}
