package defender_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	findingsList    = "/api/machines/SoftwareVulnerabilitiesByMachine"
	findingsChanges = "/api/machines/SoftwareVulnerabilityChangesByMachine"
	gatheredFiles   = "/api/machines/InfoGatheringExport"
	baselinesList   = "/api/machines/baselineComplianceAssessmentByMachine"
	exportedFiles   = "/tvm-export/"
)

// badInput is a fault of an assessment list, and what is to become of it.
type badInput struct {
	name, stream string
	of           tenant.Assessment
	files        bool
	settings     map[string]any
	rules        []tenant.Rule
	before       func(*assessmentRig)
	row          string // of the health table; "" where the stream is healthy
	stored       int    // rows of the 120, or of the 30 gathered ones
	asked        string // see assessmentRig.calls
}

// in makes a fault one of files.
func inFiles(c badInput) badInput {
	c.stream, c.of, c.files = "information_gathering", tenant.Gathered, true
	c.settings = map[string]any{}
	return c
}

func inFindings(c badInput) badInput {
	c.stream, c.of = "vulnerability", tenant.Vulnerabilities
	return c
}

const askedFindings = "$count SoftwareVulnerabilitiesByMachine"

func badInputs() []badInput {
	expired := tenant.Rule{Path: exportedFiles, Status: http.StatusForbidden, Body: "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>", Times: 1}
	foreign := `{"exportFiles":["https://evil.example/x?sig=secret-signature"],"generatedTime":"2026-03-02T12:00:00Z"}`
	return []badInput{
		inFindings(badInput{name: "empty 200 twice", rules: []tenant.Rule{{Path: findingsList, EmptyBody: true, Times: 2, After: 1}}, stored: 120, asked: askedFindings}),
		inFindings(badInput{name: "empty 200 for good", rules: []tenant.Rule{{Path: findingsList, EmptyBody: true, After: 2}}, row: "API unreachable", stored: 50, asked: askedFindings}),
		inFindings(badInput{name: "page cut in the middle", rules: []tenant.Rule{{Path: findingsList, CutAfter: 9000, Times: 1, After: 1}}, stored: 120, asked: askedFindings}),
		inFindings(badInput{name: "link to a foreign host", rules: []tenant.Rule{{Path: findingsList, NextLink: "https://evil.example/api?$skiptoken=secret-signature"}}, row: "malformed answers", stored: 25, asked: askedFindings}),
		inFindings(badInput{name: "links in a circle", rules: []tenant.Rule{{Path: findingsList, NextLink: tenant.NextLinkLoop}}, row: "malformed answers", stored: 25, asked: askedFindings}),
		inFindings(badInput{name: "dead link", rules: []tenant.Rule{{Path: findingsList, Query: "skiptoken", Status: http.StatusBadRequest, Times: 1, After: 2}}, stored: 120, asked: askedFindings}),
		inFindings(badInput{name: "page size refused", rules: []tenant.Rule{{Path: findingsList, Query: "pageSize", Status: http.StatusBadRequest}}, stored: 120, asked: askedFindings}),
		inFindings(badInput{name: "devices not countable", rules: []tenant.Rule{{Path: "/api/machines/$count", Status: http.StatusForbidden}}, stored: 120, asked: askedFindings}),
		inFindings(badInput{name: "throttled for an hour", rules: []tenant.Rule{{Path: findingsList, Status: http.StatusTooManyRequests, RetryAfter: time.Hour, After: 1}}, row: "hourly quota gone", stored: 25, asked: askedFindings}),
		inFindings(badInput{name: "list not there", rules: []tenant.Rule{{Path: findingsList, Status: http.StatusNotFound}}, row: "request refused", asked: askedFindings + " alerts"}),
		inFiles(badInput{name: "empty file", rules: []tenant.Rule{{Path: exportedFiles, EmptyBody: true, Times: 2}}, stored: 30, asked: "InfoGatheringExport file"}),
		inFiles(badInput{name: "file empty for good", rules: []tenant.Rule{{Path: exportedFiles, EmptyBody: true}}, row: "API unreachable", asked: "InfoGatheringExport file"}),
		inFiles(badInput{name: "gzip cut in the middle", rules: []tenant.Rule{{Path: exportedFiles, CutAfter: 700, CutClean: true, Times: 2}}, stored: 30, asked: "InfoGatheringExport file"}),
		inFiles(badInput{name: "connection lost in a file", rules: []tenant.Rule{{Path: exportedFiles, CutAfter: 700, Times: 2}}, stored: 30, asked: "InfoGatheringExport file"}),
		inFiles(badInput{name: "a page in place of a file", rules: []tenant.Rule{{Path: exportedFiles, NotJSON: true}}, row: "malformed answers", asked: "InfoGatheringExport file"}),
		inFiles(badInput{name: "file expired", rules: []tenant.Rule{expired}, stored: 30, asked: "InfoGatheringExport file InfoGatheringExport file"}),
		inFiles(badInput{name: "no access to files", rules: []tenant.Rule{{Path: exportedFiles, Status: http.StatusForbidden}}, row: "request refused", asked: "InfoGatheringExport file InfoGatheringExport file"}),
		inFiles(badInput{name: "files of a foreign host", rules: []tenant.Rule{{Path: gatheredFiles, Status: http.StatusOK, Body: foreign}}, row: "malformed answers", asked: "InfoGatheringExport"}),
		inFiles(badInput{name: "host not named", settings: nil, before: func(r *assessmentRig) { r.settings["file_hosts"] = []any{} }, row: "malformed answers", asked: "InfoGatheringExport"}),
		inFiles(badInput{name: "no list of files", rules: []tenant.Rule{{Path: gatheredFiles, Status: http.StatusOK, Body: `{"value":[]}`}}, row: "malformed answers", asked: "InfoGatheringExport"}),
		{name: "baselines without licence", stream: "baseline", of: tenant.Baselines,
			rules: []tenant.Rule{{Path: baselinesList, Status: http.StatusForbidden, Body: tenant.APIError("DisabledFeature", "Your tenant does not have access")}},
			row:   "missing permission or consent", asked: "$count baselineProfiles baselineConfigurations baselineComplianceAssessmentByMachine"},
		{name: "baselines without the permission", stream: "baseline", of: tenant.Baselines,
			before: func(r *assessmentRig) { r.tenant.SetRoles("Vulnerability.Read.All", "Machine.Read.All") },
			row:    "missing permission or consent", asked: "$count baselineProfiles baselineConfigurations baselineComplianceAssessmentByMachine"},
		{name: "names of rules not readable", stream: "baseline", of: tenant.Baselines,
			rules:  []tenant.Rule{{Path: "/api/baselineConfigurations", Status: http.StatusForbidden}},
			stored: 120, asked: "$count baselineProfiles baselineConfigurations baselineComplianceAssessmentByMachine"},
		{name: "names of rules not there at the moment", stream: "baseline", of: tenant.Baselines,
			rules: []tenant.Rule{{Path: "/api/baselineConfigurations", Status: http.StatusInternalServerError}},
			row:   "API fails (5xx)", asked: "$count baselineProfiles baselineConfigurations"},
	}
}

// TestBadInputOfAssessments: each fault has its document or its row of the health
// table, and when it heals all rows are there, once.
func TestBadInputOfAssessments(t *testing.T) {
	for _, c := range badInputs() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := map[string]any{"calls_per_minute": 100_000.0, "calls_per_hour": 1_000_000.0}
				r := newAssessmentRig(t, c.stream, settings)
				if c.before != nil {
					c.before(r)
				}
				r.tenant.Fail(c.rules...)
				err := r.poll()
				row := ""
				if err != nil {
					if d := r.input.Diagnose(err); d.Condition != nil {
						row = d.Condition.Name
					}
				}
				if row != c.row || (err != nil) != (c.row != "") {
					t.Errorf("row %q, want %q: %v", row, c.row, err)
				}
				if asked := r.calls(); asked != c.asked {
					t.Errorf("asked %q, want %q", asked, c.asked)
				}
				if n := len(r.sink.stored); n != c.stored {
					t.Errorf("%d rows are stored, want %d", n, c.stored)
				}
				if said := fmt.Sprint(err, r.log.String()); strings.Contains(said, "secret-signature") || strings.Contains(said, "sig=") {
					t.Errorf("a link shows: %s", said)
				}
				r.heal()
				r.expectRows(c.of, c.files)
			})
		})
	}
}

// heal ends all faults and polls until all is well.
func (r *assessmentRig) heal() {
	r.Helper()
	r.tenant.Heal()
	r.tenant.SetRoles(tenant.AllRoles()...)
	delete(r.settings, "file_hosts")
	time.Sleep(time.Hour)
	r.restart()
	if err := r.poll(); err != nil {
		r.Errorf("after the fault had healed: %v", err)
	}
}

// TestSinceTimeRefused: all is read in place of the changes, and the log says so once.
func TestSinceTimeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "vulnerability", nil)
		r.did(askedFindings)
		r.tenant.Fail(tenant.Rule{Path: findingsChanges, Status: http.StatusBadRequest, Body: tenant.APIError("BadRequest", "sinceTime is too early")})
		time.Sleep(4 * time.Hour)
		r.did("SoftwareVulnerabilityChangesByMachine " + askedFindings)
		if n := strings.Count(r.log.String(), "asking another way"); n != 1 || len(r.sink.stored) != 240 {
			t.Errorf("told %d times, %d rows stored: %s", n, len(r.sink.stored), r.log.String())
		}
		time.Sleep(4 * time.Hour)
		err := r.poll()
		if d := r.input.Diagnose(err); d.Condition == nil || d.Condition.Name != "request refused" {
			t.Errorf("refused again: %v", err)
		}
	})
}

// oddRows are rows of findings as no one answer has them.
const oddRows = `{"value":[
	{"id":"1","deviceId":"d","cveId":"CVE-2026-1","cvssScore":"7.8","rbacGroupId":"17","softwareName":"a","softwareVersion":"1"},
	{"Id":"2","DeviceId":"d","CveId":"CVE-2026-1","CvssScore":7.8,"RbacGroupId":17,"SoftwareName":"a","SoftwareVersion":"1"},
	{"Id":"3","deviceId":"d","CveId":"CVE-2026-1","cvssScore":7.8,"rbacGroupId":17,"SoftwareName":"a","softwareVersion":"1"},
	{"id":"4","deviceId":"d","cveId":null,"cvssScore":null,"softwareName":"a","softwareVersion":"1"}]}`

// TestOddRows: keys of both styles, mixed ones, numbers as text; and a product
// without a known vulnerability, which a setting keeps.
func TestOddRows(t *testing.T) {
	for withoutCVE, want := range map[bool]int{true: 4, false: 3} {
		synctest.Test(t, func(t *testing.T) {
			r := newAssessmentRig(t, "vulnerability", map[string]any{"software_without_cve": withoutCVE})
			r.tenant.Fail(tenant.Rule{Path: findingsList, Status: http.StatusOK, Body: oddRows})
			r.did(askedFindings)
			var scores []string
			for _, d := range r.sink.stored {
				if strings.Contains(d, `"score":{"base":7.8}`) || strings.Contains(d, `"cveId\":null`) {
					scores = append(scores, d)
				}
				if strings.Contains(d, "pipeline_error") {
					t.Errorf("a fault: %s", d)
				}
			}
			if len(scores) != want || len(r.sink.stored) != want {
				t.Errorf("%d documents, %d with a score, want %d", len(r.sink.stored), len(scores), want)
			}
		})
	}
}

// TestHugeRowOfAFile becomes a document that says so, and the others are stored.
func TestHugeRowOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "information_gathering", nil)
		huge := `{"DeviceId":"a"}` + "\n" + `{"DeviceId":"huge","X":"` + strings.Repeat("x", 13<<20) + `"}` + "\n" + `{"DeviceId":"b"}`
		r.tenant.Fail(tenant.Rule{Path: exportedFiles, Status: http.StatusOK, Body: huge})
		r.did("InfoGatheringExport file")
		errors := slices.Sorted(func(yield func(string) bool) {
			for _, d := range r.sink.stored {
				if strings.Contains(d, `"kind":"pipeline_error"`) && strings.Contains(d, `huge`) && !yield("huge") {
					return
				}
			}
		})
		if len(r.sink.stored) != 3 || len(errors) != 1 {
			t.Errorf("%d documents, %q", len(r.sink.stored), errors)
		}
	})
}

// TestLookupsAreReadOnceASweep, and what cannot be read is told once.
func TestLookupsAreReadOnceASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "baseline", nil)
		r.tenant.Fail(tenant.Rule{Path: "/api/baselineProfiles", Status: http.StatusForbidden})
		for range 3 {
			before := len(r.tenant.Requests())
			r.did("$count baselineProfiles baselineConfigurations baselineComplianceAssessmentByMachine")
			n := 0
			for _, q := range r.tenant.Requests()[before:] {
				if q.Path == "/api/baselineConfigurations" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d calls for the names of rules", n)
			}
			time.Sleep(12 * time.Hour)
		}
		for _, d := range r.sink.stored {
			if name := r.text(d, "rule.name"); !strings.HasPrefix(name, "(L1) Ensure that setting 1.1.") {
				t.Fatalf("rule.name %q: %s", name, d)
			}
		}
	})
}
