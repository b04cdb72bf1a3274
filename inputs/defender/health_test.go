package defender

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

func TestEveryReasonHasARow(t *testing.T) {
	in := New("test")
	// One row is no error's: it warns of the end of credentials.
	if got, want := len(in.Conditions()), len(api.Reasons())+1; got != want {
		t.Errorf("%d rows for %d reasons", got, want)
	}
	for _, reason := range api.Reasons() {
		if conditionOf(reason) == nil {
			t.Errorf("reason %d has no row", reason)
		}
	}
}

// TestKindAloneDecidesTheState: status and code only choose words.
func TestKindAloneDecidesTheState(t *testing.T) {
	in := New("test")
	failed := map[api.Kind]bool{
		api.Auth: true, api.Misconfigured: true,
		api.Permission: false, api.Throttled: false, api.Transient: false, api.Malformed: false, api.Other: false,
	}
	codes := []string{
		"", "AADSTS7000215", "AADSTS7000222", "AADSTS700016", "AADSTS90002", "AADSTS900382", "AADSTS500011", "AADSTS90033",
		"Forbidden", "TooManyRequests", api.CodeTLS, api.CodeProxy,
	}
	for kind, want := range failed {
		for _, code := range codes {
			for _, status := range []int{0, 200, 400, 401, 403, 407, 429, 500, 503} {
				for _, after := range []time.Duration{0, time.Hour} {
					e := &api.Error{Op: "get /api/alerts", Kind: kind, Code: code, Status: status, RetryAfter: after}
					d := in.Diagnose(fmt.Errorf("poll: %w", e))
					if d.Condition == nil || d.Condition.Failed != want {
						t.Errorf("%s %d %q: %+v, want failed %v", kind, status, code, d.Condition, want)
					}
				}
			}
		}
	}
}

// TestRowsHoldNothingOfTheTenant: what Entra says names tenant and application;
// only the message of a network or of this program is shown.
func TestRowsHoldNothingOfTheTenant(t *testing.T) {
	in := New("test")
	for kind := api.Other; kind <= api.Misconfigured; kind++ {
		if kind == api.Transient || kind == api.Malformed {
			continue // their message is ours or the network's, never the service's
		}
		e := &api.Error{Op: "get a token", Kind: kind, Status: http.StatusBadRequest, Code: "AADSTS1", Message: "Tenant 'contoso' not found", RequestID: "77"}
		d := in.Diagnose(e)
		if strings.Contains(d.Condition.Message, "{cause}") || strings.Contains(d.Remedy+d.Code+d.Call, "contoso") || strings.Contains(d.Code, "77") {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

func TestOtherErrorsAreNotKnownHere(t *testing.T) {
	if d := New("test").Diagnose(http.ErrServerClosed); d.Condition != nil {
		t.Errorf("got %+v", d)
	}
}
