package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
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
	clock := previewTime
	tenant := defendertest.New(defendertest.Options{
		Seed: 1, Alerts: 200, Machines: 50, Actions: 120, Vulnerabilities: 12, Configurations: 8, Baselines: 8, Now: func() time.Time { return clock },
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
	assessed, err := assessments(tenant, &clock)
	if err != nil {
		return nil, err
	}
	reports, err := selfReports()
	if err != nil {
		return nil, err
	}
	documents = slices.Concat(documents, assessed, reports)
	return between(documents, previewTime.Add(-previewSpan), previewTime), nil
}

// assessmentRows are the simulated assessments by the names of the mapping.
var assessmentRows = map[string]defendertest.Assessment{
	"vulnerability": defendertest.Vulnerabilities, "configuration": defendertest.Configurations,
	"baseline": defendertest.Baselines, "information_gathering": defendertest.Gathered,
}

// assessments are the rows of full reads, and the changes of some hours.
func assessments(tenant *defendertest.Tenant, clock *time.Time) ([]document, error) {
	var all []document
	add := func(name string, rows iter.Seq[string], whole bool) error {
		m, err := newMapping(name, nil)
		if err != nil {
			return err
		}
		if whole {
			m.mapper.Began(previewTime.Add(-time.Minute))
		} else if m.mapper, err = defender.NewMapper(name, nil, collector); err != nil {
			return err
		}
		var records []json.RawMessage
		for row := range rows {
			records = append(records, json.RawMessage(row))
		}
		documents, err := m.all(name, records)
		all = append(all, documents...)
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(assessmentRows)) {
		if err := add(name, tenant.RowBodies(assessmentRows[name], false), true); err != nil {
			return nil, err
		}
	}
	for hour := range 3 {
		*clock = previewTime.Add(time.Duration(hour-2)*6*time.Hour - time.Minute)
		first := 100 * hour
		if err := errors.Join(tenant.FixFindings(first, first+7, first+31, first+45), tenant.ChangeRows(defendertest.Vulnerabilities, first+3, first+4)); err != nil {
			return nil, err
		}
		*clock = clock.Add(time.Second)
		if err := tenant.FindAgain(first+7, first+45); err != nil {
			return nil, err
		}
	}
	*clock = previewTime
	if err := add("vulnerability", tenant.ChangeBodies(defendertest.Vulnerabilities), false); err != nil {
		return nil, err
	}
	all = append(all, latestStates(all, latestFinding, "vulnerability.id", "vulnerability.id", "resource.id", "package.name", "package.version")...)
	return append(all, latestStates(all, latestPosture, evaluation, "rule.id", "rule.benchmark.id", "resource.id")...), nil
}

// latestStates are what a transform makes of documents that have a field: of those
// that are alike in the keys the newest one.
func latestStates(documents []document, index, has string, keys ...string) []document {
	newest, order := map[string]document{}, []string{}
	for _, d := range documents {
		if len(d[has]) == 0 || len(d[indexField]) > 0 {
			continue
		}
		var key []any
		for _, k := range keys {
			key = append(key, d[k])
		}
		name := fmt.Sprint(key...)
		former, there := newest[name]
		if !there {
			order = append(order, name)
		}
		if !there || !timeOf(d).Before(timeOf(former)) {
			newest[name] = d
		}
	}
	var latest []document
	for _, name := range order {
		one := maps.Clone(newest[name])
		one[indexField] = []any{index}
		latest = append(latest, one)
	}
	return latest
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
	return m.all(resource, records)
}

// all maps records of a resource, and makes of them what transforms would.
func (m *mapping) all(resource string, records []json.RawMessage) ([]document, error) {
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
// has a later version, so of each the first document represents all.
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
