package defender_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestAssessmentsAreCollected, each row once, as a list where there is one and as
// files; and what is not due is not asked for.
func TestAssessmentsAreCollected(t *testing.T) {
	const lookups = "baselineProfiles baselineConfigurations "
	for _, c := range []struct {
		stream      string
		of          tenant.Assessment
		list, files string
		later       string // asked three hours later
	}{
		{"vulnerability", tenant.Vulnerabilities, "$count SoftwareVulnerabilitiesByMachine", "$count SoftwareVulnerabilitiesExport file", "SoftwareVulnerabilityChangesByMachine"},
		{"configuration", tenant.Configurations, "$count SecureConfigurationsAssessmentByMachine", "$count SecureConfigurationsAssessmentExport file", ""},
		{"baseline", tenant.Baselines, "$count " + lookups + "baselineComplianceAssessmentByMachine", "$count " + lookups + "BaselineComplianceAssessmentExport file", ""},
		{"information_gathering", tenant.Gathered, "InfoGatheringExport file", "InfoGatheringExport file", ""},
	} {
		for settings, want := range map[float64]string{30: c.list, 29: c.files} {
			t.Run(fmt.Sprintf("%s above %v", c.stream, settings), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newAssessmentRig(t, c.stream, map[string]any{"files_above_devices": settings})
					r.did(want)
					r.expectRows(c.of, strings.HasSuffix(want, "file"))
					r.restart()
					time.Sleep(3 * time.Hour)
					r.did(c.later)
					r.expectRows(c.of, strings.HasSuffix(want, "file"))
					if r.sink.duplicates > 0 {
						t.Errorf("%d documents were sent again", r.sink.duplicates)
					}
				})
			})
		}
	}
}

// TestDailyRows: an unchanged row is stored once a day, a changed one at once, with
// the start of the sweep as its time.
func TestDailyRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at midnight
		r := newAssessmentRig(t, "configuration", map[string]any{"interval": "6h"})
		for i, want := range []int{120, 122, 122, 122, 242} {
			if i == 1 {
				if err := r.tenant.ChangeRows(tenant.Configurations, 3, 4); err != nil {
					t.Fatal(err)
				}
			}
			r.did("$count SecureConfigurationsAssessmentByMachine")
			if n := len(r.sink.stored); n != want {
				t.Errorf("%d documents after sweep %d, want %d", n, i+1, want)
			}
			time.Sleep(6 * time.Hour)
		}
		times := map[string]int{}
		for _, d := range r.sink.stored {
			times[r.text(d, "@timestamp")[:16]]++
		}
		if want := map[string]int{"2000-01-01T00:00": 120, "2000-01-01T06:00": 2, "2000-01-02T00:00": 120}; fmt.Sprint(times) != fmt.Sprint(want) {
			t.Errorf("times %v, want %v", times, want)
		}
	})
}

// TestFindingsLife: a whole list, changes each once, and a whole list after two
// days, with the rows that are left.
func TestFindingsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "vulnerability", nil)
		r.did("$count SoftwareVulnerabilitiesByMachine")
		for _, err := range []error{r.tenant.FixFindings(1, 2), r.tenant.ChangeRows(tenant.Vulnerabilities, 3)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			time.Sleep(4 * time.Hour)
			r.did("SoftwareVulnerabilityChangesByMachine")
			r.restart()
		}
		if n := len(r.sink.stored); n != 123 || r.sink.duplicates > 0 {
			t.Errorf("%d documents after three changes, %d sent again", n, r.sink.duplicates)
		}
		time.Sleep(28 * time.Hour)
		r.did("$count SoftwareVulnerabilitiesByMachine")
		if n := len(r.sink.stored); n != 123+118 {
			t.Errorf("%d documents after another whole list", n)
		}
	})
}

// TestQuietChangesCostOneCall besides a token.
func TestQuietChangesCostOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "vulnerability", nil)
		r.did("$count SoftwareVulnerabilitiesByMachine")
		time.Sleep(4 * time.Hour)
		before := len(r.tenant.Requests())
		r.did("SoftwareVulnerabilityChangesByMachine")
		if calls := len(r.tenant.Requests()) - before; calls != 2 {
			t.Errorf("%d calls, want a token and one for the changes", calls)
		}
	})
}

// TestMovedDevice: the open finding is the newest of the two documents with its id.
func TestMovedDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAssessmentRig(t, "vulnerability", nil)
		r.did("$count SoftwareVulnerabilitiesByMachine")
		if err := r.tenant.MoveFindings(0, 1, 2, 3); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Hour)
		r.did("SoftwareVulnerabilityChangesByMachine")
		newest := map[string]string{} // status to time
		for _, d := range r.sink.stored {
			if change := r.text(d, "microsoft_defender_endpoint.vulnerability.status"); change != "" && r.text(d, "vulnerability.status") != "" {
				newest[r.text(d, "vulnerability.status")] = r.text(d, "@timestamp")
			}
		}
		if len(newest) != 2 || newest["open"] <= newest["fixed"] {
			t.Errorf("%v", newest)
		}
	})
}
