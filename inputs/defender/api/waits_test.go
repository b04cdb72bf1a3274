package api_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// TestLongWaitsAreTold: anyone who holds something that others want can give it back.
func TestLongWaitsAreTold(t *testing.T) {
	for name, test := range map[string]struct {
		list   func(int, *http.Request) (*http.Response, error)
		before int // calls that use up the burst
		calls  int
	}{
		"no wait":   {nil, 0, 0},
		"throttled": {first(429, "{}", "Retry-After", "20"), 0, 1},
		"own pace":  {nil, 10, 0}, // two thirds of a second
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, config(&fake{list: test.list}))
				calls := 0
				began := time.Now()
				for range test.before + 1 {
					page, err := client.Open(t.Context(), api.Request{Path: "/api/alerts", Waits: func() { calls++ }})
					if err != nil {
						t.Fatal(err)
					}
					_ = page.Close()
				}
				if calls != test.calls {
					t.Errorf("called %d times in %s, want %d", calls, time.Since(began), test.calls)
				}
			})
		})
	}
}
