package defender_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestRefusedBaselinesNameWhatIsMissing: the permission where the token has it not,
// else the licence, in a poll and in check.
func TestRefusedBaselinesNameWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		roles        []string
		want         string
	}{
		{"licence", "baseline", []string{"SecurityBaselinesAssessment.Read.All", "Machine.Read.All"}, "check that the tenant has a licence of Defender Vulnerability Management"},
		{"permission", "baseline", []string{"Machine.Read.All"}, "grant SecurityBaselinesAssessment.Read.All to the application"},
		{"another list", "configuration", []string{"Vulnerability.Read.All"}, "grant Vulnerability.Read.All to the application"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newAssessmentRig(t, c.stream, map[string]any{})
				r.tenant.SetRoles(c.roles...)
				r.tenant.Fail(tenant.Rule{Path: "/api/machines/", Status: http.StatusForbidden, Body: tenant.APIError("Forbidden", "Access denied")})
				d := r.input.Diagnose(r.poll())
				if d.Condition == nil || d.Condition.Failed || !strings.Contains(d.Remedy, c.want) {
					t.Errorf("a poll tells %+v, want %s", d, c.want)
				}
				trial := r.stream().Try(t.Context())
				if d := r.input.Diagnose(trial.Err); !strings.Contains(d.Remedy, c.want) || trial.Status != http.StatusForbidden {
					t.Errorf("check tells %+v of %v", d, trial)
				}
			})
		})
	}
}
