package defender_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// within is how soon it shows that a poll cannot be read, and a little.
const within = time.Minute + 5*time.Second

// slow are networks that are silent or drip for ten minutes, with the time-out that
// is the default and with a patient one.
func slow() []hostile {
	var rows []hostile
	for name, trouble := range map[string]trouble{
		"silent before the head": silent,
		"silent in the body": func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			return pacing(next, r, time.Hour)
		},
		"a byte every ten seconds": func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			return pacing(next, r, 10*time.Second)
		},
		"a byte every tenth second": func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			return pacing(next, r, time.Second/10)
		},
	} {
		patient := badForTenMinutes(name+", http_client_timeout of five minutes", trouble)
		patient.settings = map[string]any{"http_client_timeout": "5m"}
		patient.twin = !strings.Contains(name, "silent")
		rows = append(rows, badForTenMinutes(name, trouble), patient)
	}
	return rows
}

// trouble is what becomes of a request to the API.
type trouble func(next http.RoundTripper, r *http.Request) (*http.Response, error)

func badForTenMinutes(name string, trouble trouble) hostile {
	var bad atomic.Bool
	return hostile{
		name: "the network is bad for ten minutes: " + name, healthy: true, length: 40 * time.Minute,
		options: tenant.Options{Alerts: 60, EvidencePerAlert: 1, Live: 0.01},
		network: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if bad.Load() && strings.HasPrefix(r.URL.Path, "/api/") {
					return trouble(next, r)
				}
				return next.RoundTrip(r)
			})
		},
		during: func(h *hostileRun) {
			time.Sleep(10*time.Minute - time.Second) // the next poll begins in a moment
			bad.Store(true)
			time.Sleep(time.Second + within)
			if health := h.reporter.String(); health == "HEALTHY" {
				h.Errorf("HEALTHY although nothing was read for %v", within)
			}
			time.Sleep(10*time.Minute - within)
			bad.Store(false)
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func silent(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// pacing gives a byte of the body at a time, each after a pause.
func pacing(next http.RoundTripper, r *http.Request, pause time.Duration) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err == nil {
		response.Body = &drip{response.Body, r, pause}
	}
	return response, err
}

type drip struct {
	io.ReadCloser
	request *http.Request
	pause   time.Duration
}

func (d *drip) Read(b []byte) (int, error) {
	select {
	case <-time.After(d.pause):
		return d.ReadCloser.Read(b[:1])
	case <-d.request.Context().Done():
		return 0, d.request.Context().Err()
	}
}
