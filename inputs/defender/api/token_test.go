package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

func TestTokenRequest(t *testing.T) {
	f := &fake{}
	c := config(f)
	c.TokenParams = url.Values{"claims": {"x"}}
	if _, _, err := read(t.Context(), newClient(t, c)); err != nil {
		t.Fatal(err)
	}
	if got := f.sent[0].URL.String(); got != "https://login.example/tenant-1/oauth2/v2.0/token" {
		t.Errorf("endpoint %s", got)
	}
	want := url.Values{"grant_type": {"client_credentials"}, "client_id": {"client-1"}, "client_secret": {secret},
		"scope": {"https://api.example/.default"}, "claims": {"x"}}
	if f.forms[0] != want.Encode() { // byte for byte
		t.Errorf("form %q", f.forms[0])
	}
	for _, r := range f.sent {
		if r.UserAgent() != "defender-endpoint" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("headers of %s: %v", r.URL.Path, r.Header)
		}
	}
	if got := f.sent[1].Header.Get("Authorization"); got != "Bearer token-1" {
		t.Errorf("authorization %q", got)
	}
}

func TestTokenIsSharedBySimultaneousCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(n int, _ *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return granted("token", "3599")
		}}
		c := newClient(t, config(f))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, _, err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantCounts(t, f, 1, 8)
	})
}

func TestRefusalIsSharedBySimultaneousCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(n int, _ *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answered(401, `{"error":"invalid_client","error_codes":[7000222]}`)
		}}
		c := newClient(t, config(f))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, _, err := read(t.Context(), c)
				wantError(t, err, api.Auth, "expired")
			})
		}
		wg.Wait()
		wantCounts(t, f, 1, 0)
	})
}

func TestCallerLeavesWithoutHarmToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(n int, r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(10 * time.Second):
				return granted("token", "3599")
			}
		}}
		c := newClient(t, config(f))
		var wg sync.WaitGroup
		leave := func(after time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			_, _, err := read(ctx, c)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != after {
				t.Errorf("left after %v with %v", time.Since(began), err)
			}
		}
		wg.Go(func() { leave(2 * time.Second) }) // asks the endpoint
		synctest.Wait()
		wg.Go(func() { leave(time.Second) }) // waits for the first
		wg.Go(func() {
			if _, _, err := read(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		wantCounts(t, f, 2, 1)
	})
}

func TestTokenLifetime(t *testing.T) {
	for _, test := range []struct {
		name, expiresIn string
		renewed         time.Duration // the first whole minute with a second token
	}{
		{"five minutes early", "3600", 55 * time.Minute},
		{"expires in as string", `"3600"`, 55 * time.Minute},
		{"short-lived after half its life", "480", 4 * time.Minute},
		{"unknown life is short", "null", 5 * time.Minute},
		{"long-lived", "86400", 24*time.Hour - 5*time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{token: func(n int, _ *http.Request) (*http.Response, error) {
					return granted(fmt.Sprint("token-", n), test.expiresIn)
				}}
				c := newClient(t, config(f))
				for began := time.Now(); ; time.Sleep(time.Minute) {
					if _, _, err := read(t.Context(), c); err != nil {
						t.Fatal(err)
					}
					if tokens, _ := f.counts(); tokens == 2 {
						if got := time.Since(began); got != test.renewed {
							t.Errorf("renewed after %v, want %v", got, test.renewed)
						}
						return
					}
				}
			})
		})
	}
}

func TestFailedRenewalKeepsTheOldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return granted("token", "3600")
			}
			return answered(503, "")
		}}
		c := newClient(t, config(f))
		var last time.Duration
		for began := time.Now(); ; time.Sleep(30 * time.Second) {
			if _, _, err := read(t.Context(), c); err != nil {
				wantError(t, err, api.Transient, "get a token: 503")
				break
			}
			last = time.Since(began)
		}
		if last != 59*time.Minute+30*time.Second {
			t.Errorf("last used after %v", last)
		}
		if tokens, _ := f.counts(); tokens != 1+5+5 { // a minute apart while it worked, then with backoff
			t.Errorf("%d token requests", tokens)
		}
	})
}

func TestTokenRefusedByAPI(t *testing.T) {
	unauthorized := `{"error":{"code":"Unauthorized","message":"token expired","target":"t"}}`
	t.Run("renewed once", func(t *testing.T) {
		f := &fake{list: first(401, unauthorized)}
		if _, _, err := read(t.Context(), newClient(t, config(f))); err != nil {
			t.Error(err)
		}
		wantCounts(t, f, 2, 2)
		if got := f.sent[3].Header.Get("Authorization"); got != "Bearer token-2" {
			t.Errorf("authorization %q", got)
		}
	})
	t.Run("and not again", func(t *testing.T) {
		f := &fake{list: always(401, unauthorized)}
		_, _, err := read(t.Context(), newClient(t, config(f)))
		wantError(t, err, api.Auth, "get /api/alerts: 401 Unauthorized: token expired", "token_scopes")
		wantCounts(t, f, 2, 2)
	})
	t.Run("late refusal spares the new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: func(n int, r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") != "Bearer token-1" {
					return answered(200, `{"value":[]}`)
				}
				time.Sleep(time.Duration(n) * time.Second)
				return answered(401, unauthorized)
			}}
			c := newClient(t, config(f))
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, _, err := read(t.Context(), c); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			wantCounts(t, f, 2, 6)
		})
	})
}

func TestTokenErrorSecretIdPasted(t *testing.T) {
	f := &fake{token: always(401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. `+
		`Ensure the secret being sent in the request is the client secret value.\r\nTrace ID: 1\r\nTimestamp: 2026-01-01 00:00:00Z",`+
		`"error_codes":[7000215],"correlation_id":"c-1"}`)}
	_, _, err := read(t.Context(), newClient(t, config(f)))
	e := wantError(t, err, api.Auth, "not its ID")
	if want := "get a token: 401 AADSTS7000215: Invalid client secret provided. " +
		"Ensure the secret being sent in the request is the client secret value."; e.Error() != want {
		t.Errorf("got %q", e.Error())
	}
	if e.RequestID != "c-1" {
		t.Errorf("request id %q", e.RequestID)
	}
	wantCounts(t, f, 1, 0)
}

func TestTokenErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   api.Kind
		words  string
		tries  int
	}{
		{"tenant of another cloud", 400, `{"error":"invalid_request","error_codes":[90002]}`, api.Misconfigured, "check tenant_id", 1},
		{"application unknown", 400, `{"error":"unauthorized_client","error_codes":[700016]}`, api.Auth, "check client_id", 1},
		{"resource unknown", 400, `{"error":"invalid_resource","error_codes":[500011]}`, api.Misconfigured, "token_scopes", 1},
		{"code only in the text", 401, `{"error":"invalid_client","error_description":"AADSTS7000222: expired. Trace ID: 5"}`, api.Auth, "create a new one", 1},
		{"code of no number", 401, `{"error":"invalid_client","error_codes":["x",{}]}`, api.Auth, "401 invalid_client", 1},
		{"code unknown", 400, `{"error":"invalid_grant","error_codes":[999]}`, api.Auth, "AADSTS999", 1},
		{"transient code", 400, `{"error":"invalid_request","error_codes":[90033]}`, api.Transient, "AADSTS90033", 5},
		{"unavailable", 400, `{"error":"temporarily_unavailable"}`, api.Transient, "", 5},
		{"server error", 502, `<html>`, api.Transient, "502 Bad Gateway", 5},
		{"throttled", 429, `{}`, api.Throttled, "429", 2},
		{"error with 200", 200, `{"error":"invalid_client"}`, api.Auth, "invalid_client", 1},
		{"page with 403", 403, `<html>`, api.Malformed, "proxy_url", 2},
		{"page with 200", 200, `<html>`, api.Malformed, "proxy_url", 2},
		{"no token", 200, `{"token_type":"Bearer"}`, api.Malformed, "not that of a token endpoint", 2},
		{"error of another shape", 403, `{"error":{"code":"Blocked","message":"by policy"}}`, api.Auth, "403 Blocked: by policy", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{token: always(test.status, test.body)}
				_, _, err := read(t.Context(), newClient(t, config(f)))
				wantError(t, err, test.kind, test.words)
				wantCounts(t, f, test.tries, 0)
			})
		})
	}
}

func TestTokenAnswerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return streamed(200, io.NopCloser(io.MultiReader(strings.NewReader(`{"acc`), failing{io.ErrUnexpectedEOF})))
			}
			return granted("token", "3599")
		}}
		if _, _, err := read(t.Context(), newClient(t, config(f))); err != nil {
			t.Error(err)
		}
		wantCounts(t, f, 2, 1)
	})
}

func TestTokenEndpointSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := config(f)
		c.Timeout = 5 * time.Minute // of lists, which may take long
		began := time.Now()
		_, _, err := read(t.Context(), newClient(t, c))
		wantError(t, err, api.Transient, "get a token: no answer in time", "login_url")
		if waited := time.Since(began); waited > time.Minute {
			t.Errorf("waited for %v", waited)
		}
	})
}

func TestTokenRedirectRefused(t *testing.T) {
	f := &fake{token: always(307, "", "Location", "https://evil.example/steal?x=1")}
	_, _, err := read(t.Context(), newClient(t, config(f)))
	e := wantError(t, err, api.Misconfigured, "redirected to evil.example", "check login_url")
	if strings.Contains(e.Error(), "steal") {
		t.Errorf("shows the link: %v", e)
	}
	wantCounts(t, f, 1, 0)
}

func TestRoles(t *testing.T) {
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"ver":"1.0","roles":["Alert.Read.All","Machine.Read.All"]}`))
	for name, test := range map[string]struct {
		token string
		want  []string
	}{
		"granted":       {"eyJh." + payload + ".sig", []string{"Alert.Read.All", "Machine.Read.All"}},
		"none":          {"eyJh.e30.sig", nil},
		"not a JWT":     {"opaque", nil},
		"not base64":    {"a.$$.c", nil},
		"not JSON":      {"a.YWFh.c", nil},
		"of wrong type": {"a." + base64.RawURLEncoding.EncodeToString([]byte(`{"roles":5}`)) + ".c", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{token: func(int, *http.Request) (*http.Response, error) { return granted(test.token, "3599") }}
			got, err := newClient(t, config(f)).Roles(t.Context())
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestConsentGivenBack: roles are in the token, so one that lacks a role is
// replaced, but not with every call, and not thrown away for nothing.
func TestConsentGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consent, service := false, true
		f := &fake{}
		f.token = func(n int, _ *http.Request) (*http.Response, error) {
			switch {
			case !service:
				return answered(503, "")
			case consent:
				return granted(fmt.Sprint("with-role-", n), "3599")
			}
			return granted(fmt.Sprint("without-", n), "3599")
		}
		f.list = func(_ int, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.Header.Get("Authorization"), "with-role") {
				return answered(200, `{"value":[]}`)
			}
			return answered(403, `{"error":{"code":"Forbidden","message":"no"}}`)
		}
		c := newClient(t, config(f))
		refused := func(tokens int) {
			t.Helper()
			_, _, err := read(t.Context(), c)
			wantError(t, err, api.Permission)
			if got, _ := f.counts(); got != tokens {
				t.Errorf("%d token requests, want %d", got, tokens)
			}
		}
		refused(1)
		time.Sleep(30 * time.Second)
		refused(1) // too young to be the cause
		time.Sleep(time.Minute)
		refused(2)
		service = false
		time.Sleep(2 * time.Minute)
		refused(3) // the old one still serves other calls
		consent, service = true, true
		if _, _, err := read(t.Context(), c); err != nil {
			t.Errorf("after consent: %v", err)
		}
	})
}
