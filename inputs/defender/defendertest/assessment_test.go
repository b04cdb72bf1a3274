package defendertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	findings       = "/api/machines/SoftwareVulnerabilitiesByMachine"
	findingChanges = "/api/machines/SoftwareVulnerabilityChangesByMachine"
	findingFiles   = "/api/machines/SoftwareVulnerabilitiesExport"
)

func assessed(now func() time.Time) *defendertest.Tenant {
	return defendertest.New(defendertest.Options{
		Machines: 4, Vulnerabilities: 5, Configurations: 3, Baselines: 2, RowsPerFile: 6, Now: now,
	})
}

// rows reads a list by its links.
func (c *client) rows(path string) (rows []string) {
	c.Helper()
	for path != "" {
		p := c.list(path)
		for _, row := range p.Value {
			rows = append(rows, string(row))
		}
		path = strings.TrimPrefix(p.NextLink, "http://example.com")
	}
	return rows
}

// file reads a file, with a header where there is one.
func file(tenant http.Handler, link, authorization string) (status int, rows []string, body string) {
	r := httptest.NewRequest(http.MethodGet, link, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	body = w.Body.String()
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		return w.Code, nil, body
	}
	text, _ := io.ReadAll(z)
	return w.Code, strings.Split(strings.TrimSpace(string(text)), "\n"), string(text)
}

func (c *client) index(path string) (links []string, made string) {
	c.Helper()
	var index struct {
		ExportFiles   []string
		GeneratedTime string
	}
	if err := json.Unmarshal([]byte(c.get(path).Body), &index); err != nil {
		c.Fatal(err)
	}
	return index.ExportFiles, index.GeneratedTime
}

func TestRowsByLinks(t *testing.T) {
	tenant := assessed(midnight)
	c := connect(t, tenant)
	for path, want := range map[string]struct {
		of   defendertest.Assessment
		rows int
	}{
		findings + "?pageSize=7": {defendertest.Vulnerabilities, 20},
		"/api/machines/SecureConfigurationsAssessmentByMachine?pageSize=5": {defendertest.Configurations, 12},
		"/api/machines/baselineComplianceAssessmentByMachine":              {defendertest.Baselines, 8},
	} {
		rows := c.rows(path)
		if truth := slices.Collect(tenant.RowBodies(want.of, false)); len(rows) != want.rows || !slices.Equal(rows, truth) {
			t.Errorf("%s: %d rows of %d: %.300q", path, len(rows), want.rows, rows)
		}
		keys := map[string]bool{}
		for _, row := range rows {
			keys[row] = true
		}
		if len(keys) != want.rows {
			t.Errorf("%s: rows are alike", path)
		}
	}
	if p := c.list(findings + "?$top=3"); p.NextLink != "" || len(p.Value) != 3 {
		t.Errorf("$top hides the link: %s", p.NextLink)
	}
	if n := c.get("/api/machines/$count").Body; n != "\ufeff4" {
		t.Errorf("%q machines", n)
	}
	if rules := c.list("/api/baselineConfigurations?$top=10000"); len(rules.Value) != 2 {
		t.Errorf("%d rules", len(rules.Value))
	}
}

// TestPagesAreOfOneSnapshot, regardless of what happens between them.
func TestPagesAreOfOneSnapshot(t *testing.T) {
	tenant := assessed(midnight)
	before := slices.Collect(tenant.RowBodies(defendertest.Vulnerabilities, false))
	tenant.AfterPage(func(defendertest.Request) {
		if err := tenant.FixFindings(9, 19); err != nil {
			t.Error(err)
		}
	})
	c := connect(t, tenant)
	if rows := c.rows(findings + "?pageSize=7"); !slices.Equal(rows, before) {
		t.Errorf("%d rows of %d", len(rows), len(before))
	}
	tenant.AfterPage(nil)
	if rows := c.rows(findings + "?pageSize=7"); len(rows) != 18 {
		t.Errorf("%d rows after two were fixed", len(rows))
	}
}

func TestChangesOfFindings(t *testing.T) {
	clock := newClock()
	tenant := assessed(clock.Now)
	clock.advance(7 * time.Hour)
	for _, err := range []error{
		tenant.ChangeRows(defendertest.Vulnerabilities, 3), tenant.FixFindings(4), tenant.MoveFindings(5), tenant.FixFindings(20),
	} {
		if err != nil && !strings.Contains(err.Error(), "row 20 of 20") {
			t.Error(err)
		}
	}
	c := connect(t, tenant)
	var got []string
	groups := map[float64]bool{}
	for _, text := range c.rows(findingChanges + "?sinceTime=2026-03-02T11:00:00.000Z&pageSize=2") {
		var row map[string]any
		if err := json.Unmarshal([]byte(text), &row); err != nil || row["eventTimestamp"] != "2026-03-02T07:00:00Z" {
			t.Errorf("%v: %s", err, text)
		}
		got = append(got, row["status"].(string))
		if id := row["id"]; strings.Contains(text, `"status":"New"`) || id == "" {
			groups[row["rbacGroupId"].(float64)] = true
		}
	}
	if want := []string{"Updated", "Fixed", "Fixed", "New"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if rows := c.rows(findingChanges + "?sinceTime=2026-03-02T12:00:00.000Z"); len(rows) != 0 {
		t.Errorf("%d changes of a later slot", len(rows))
	}
	if n := len(slices.Collect(tenant.ChangeBodies(defendertest.Vulnerabilities))); n != 4 {
		t.Errorf("%d changes", n)
	}
	for _, query := range []string{"", "?sinceTime=yesterday", "?sinceTime=2026-02-15T00:00:00Z", "?sinceTime=2026-03-02T11:00:00Z&pageSize=200001", "?sinceTime=2026-03-02T11:00:00Z&x=1"} {
		if p := c.get(findingChanges + query); p.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, p.Status)
		}
	}
}

func TestExportedFiles(t *testing.T) {
	clock := newClock()
	tenant := assessed(clock.Now)
	c := connect(t, tenant)
	links, made := c.index(findingFiles)
	var rows []string
	for _, link := range links {
		status, part, _ := file(tenant, link, "")
		if status != http.StatusOK {
			t.Fatalf("%s: %d", link, status)
		}
		rows = append(rows, part...)
	}
	if truth := slices.Collect(tenant.RowBodies(defendertest.Vulnerabilities, true)); len(links) != 4 || !slices.Equal(rows, truth) {
		t.Errorf("%d files, %d rows of %d", len(links), len(rows), len(truth))
	}
	if text := strings.Join(rows, ""); strings.Contains(text, `"deviceId"`) || !strings.Contains(text, `"DeviceId"`) || strings.Contains(text, "null") {
		t.Errorf("not written as files are: %.300s", text)
	}
	if made != "2026-03-02T00:00:00Z" {
		t.Errorf("made %s", made)
	}
	for name, answer := range map[string]struct {
		link, authorization string
		status              int
	}{
		"a token":           {links[0], "Bearer x", http.StatusBadRequest},
		"another signature": {strings.Replace(links[0], "sig=sig", "sig=sie", 1), "", http.StatusForbidden},
		"another file":      {strings.Replace(links[0], "part-00000", "part-00001", 1), "", http.StatusForbidden},
	} {
		if status, _, body := file(tenant, answer.link, answer.authorization); status != answer.status || !strings.HasPrefix(body, "<?xml") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	clock.advance(time.Hour)
	if status, _, _ := file(tenant, links[0], ""); status != http.StatusForbidden {
		t.Errorf("after an hour: %d", status)
	}
	c = connect(t, tenant)
	links, _ = c.index(findingFiles + "?sasValidHours=6")
	clock.advance(5 * time.Hour)
	if status, _, _ := file(tenant, links[0], ""); status != http.StatusOK {
		t.Errorf("within six hours: %d", status)
	}
	tenant.ExpireLinks()
	if status, _, _ := file(tenant, links[0], ""); status != http.StatusForbidden {
		t.Errorf("expired: %d", status)
	}
}

// TestFilesGoWrong as rules say: in the middle, and without a byte.
func TestFilesGoWrong(t *testing.T) {
	tenant := assessed(midnight)
	c := connect(t, tenant)
	links, _ := c.index("/api/machines/InfoGatheringExport")
	tenant.Fail(defendertest.Rule{Path: "/tvm-export/", CutAfter: 200, CutClean: true, Times: 1}, defendertest.Rule{Path: "/tvm-export/", EmptyBody: true, Times: 1, After: 1})
	for _, want := range []int{200, 0} {
		r := httptest.NewRequest(http.MethodGet, links[0], nil)
		w := httptest.NewRecorder()
		tenant.ServeHTTP(w, r)
		if w.Body.Len() != want || w.Code != http.StatusOK {
			t.Errorf("%d bytes, want %d", w.Body.Len(), want)
		}
	}
	if _, rows, _ := file(tenant, links[0], ""); len(rows) != 4 || !strings.Contains(rows[0], `"DeviceGatheredInfo":"{\"AvMode\"`) {
		t.Errorf("rows %.300q", rows)
	}
}

// TestAssessmentsNeedTheirRoles: those of baselines are others than those of the rest.
func TestAssessmentsNeedTheirRoles(t *testing.T) {
	tenant := assessed(midnight)
	tenant.SetRoles("Vulnerability.Read.All")
	c := connect(t, tenant)
	if p := c.get("/api/machines/BaselineComplianceAssessmentByMachine"); p.Status != http.StatusForbidden || !strings.Contains(p.Body, "SecurityBaselinesAssessment.Read.All") {
		t.Errorf("%d %s", p.Status, p.Body)
	}
	c.list(findings)
	for _, path := range []string{"/api/machines/nothing", "/tvm-export/x"} {
		if p := c.get(path); p.Status == http.StatusOK {
			t.Errorf("%s: %d", path, p.Status)
		}
	}
}
