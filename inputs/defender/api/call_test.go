package api_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

func TestRequestURL(t *testing.T) {
	f := &fake{}
	c := config(f)
	c.URL = "https://api.example/base/"
	r := api.Request{Path: "/api/alerts", Query: url.Values{"$top": {"1000"}, "$filter": {"lastUpdateTime ge 2026-01-01T00:00:00Z"}}}
	page, err := newClient(t, c).Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	want := "https://api.example/base/api/alerts?%24filter=lastUpdateTime+ge+2026-01-01T00%3A00%3A00Z&%24top=1000"
	if got := f.sent[1].URL.String(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestMissingRolesAreNamed(t *testing.T) {
	for name, test := range map[string]struct{ message, hint string }{
		"several": {"Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, application roles: Machine.Read.All.",
			"grant one of Alert.Read.All, Alert.ReadWrite.All to the application and give admin consent"},
		"spaced":    {"Missing application roles. API required roles: Alert.Read.All, Alert.ReadWrite.All", "grant one of Alert.Read.All, Alert.ReadWrite.All to"},
		"one":       {"missing APPLICATION roles. API REQUIRED ROLES: Machine.Read.All, application roles: .", "grant Machine.Read.All to"},
		"not named": {"Forbidden", "grant one of Caller.Read, Caller.Write to"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{list: always(403, `{"error":{"code":"Forbidden","message":"`+test.message+`","target":"guid"}}`)}
			_, err := newClient(t, config(f)).Open(t.Context(), api.Request{Path: "/api/alerts", Roles: []string{"Caller.Read", "Caller.Write"}})
			e := wantError(t, err, api.Permission, test.hint)
			if e.RequestID != "guid" || strings.Contains(e.Error(), "guid") {
				t.Errorf("request id %q in %q", e.RequestID, e.Error())
			}
			wantCounts(t, f, 1, 1)
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   api.Kind
		words  string
		tries  int
	}{
		{"query", 400, `{"error":{"code":"ODataError","message":"Could not find a property named 'x'."}}`, api.Other,
			"get /api/alerts: 400 ODataError: Could not find a property named 'x'.", 1},
		{"feature off", 403, `{"error":{"code":"DisabledFeature","message":"off"}}`, api.Permission, "licence", 1},
		{"nothing there", 404, `{"error":{"code":"ResourceNotFound","message":"none"}}`, api.Other, "404 ResourceNotFound: none", 1},
		{"of a gateway", 400, `{"code":"X","message":"gateway"}`, api.Other, "400 X: gateway", 1},
		{"of wrong types", 400, `{"error":{"code":5,"message":{"a":1}}}`, api.Other, "400 5", 1},
		{"null", 400, `{"error":null,"code":"X"}`, api.Other, "400 X", 1},
		{"page", 500, `<html>private</html>`, api.Transient, "get /api/alerts: 500 Internal Server Error", 5},
		{"empty", 503, ``, api.Transient, "503 Service Unavailable", 5},
		{"endless", 500, `{"error":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`, api.Transient, "500 Internal Server Error", 5},
		{"proxy", 407, ``, api.Misconfigured, "proxy_url", 1},
		{"elsewhere", 302, ``, api.Misconfigured, "redirected to an unnamed place", 1},
		{"no content", 204, ``, api.Transient, "cut short", 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{list: always(test.status, test.body)}
				_, _, err := read(t.Context(), newClient(t, config(f)))
				e := wantError(t, err, test.kind, test.words)
				if e.Status != test.status || strings.Contains(e.Error(), "private") {
					t.Errorf("%+v", e)
				}
				wantCounts(t, f, 1, test.tries)
			})
		})
	}
}

func TestMessageIsOneBoundedLine(t *testing.T) {
	f := &fake{list: always(400, `{"error":{"code":"A\u001b[31m\nB","message":"one\r\n\ttwo\u0000\u200b\u202ethree \ud800`+strings.Repeat("ü", 1000)+`"}}`)}
	_, _, err := read(t.Context(), newClient(t, config(f)))
	e := wantError(t, err, api.Other, "A [31m B: one two three ü")
	if n := len([]rune(e.Message)); n > 303 || !strings.HasSuffix(e.Message, "...") {
		t.Errorf("%d characters: %q", n, e.Message)
	}
}

func TestRetryAfterForms(t *testing.T) {
	for name, test := range map[string]struct {
		header func() string
		want   time.Duration
	}{
		"seconds": {func() string { return "45" }, 45 * time.Second},
		"date":    {func() string { return time.Now().Add(50 * time.Second).UTC().Format(http.TimeFormat) }, 50 * time.Second},
		"absent":  {func() string { return "" }, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{list: first(429, `{}`, "Retry-After", test.header())}
				began := time.Now()
				if _, _, err := read(t.Context(), newClient(t, config(f))); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(began); got != test.want {
					t.Errorf("waited %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestLongThrottleIsLeftToTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: first(429, `{"error":{"code":"TooManyRequests","message":"Quota."}}`, "Retry-After", "600")}
		c := newClient(t, config(f))
		began := time.Now()
		for range 3 { // the others are not even sent
			_, _, err := read(t.Context(), c)
			e := wantError(t, err, api.Throttled, "quota")
			if e.RetryAfter != 10*time.Minute {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		}
		if time.Since(began) != 0 || c.Quota().HeldUntil.IsZero() {
			t.Errorf("waited %v, quota %+v", time.Since(began), c.Quota())
		}
		wantCounts(t, f, 1, 1)
		time.Sleep(10 * time.Minute)
		if _, _, err := read(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
}

func TestThrottleHoldsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: first(429, `{}`, "Retry-After", "60")}
		c := newClient(t, config(f))
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if _, _, err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, at := range f.times[1:] {
			if d := at.Sub(f.times[0]); d < time.Minute {
				t.Errorf("called after %v", d)
			}
		}
		wantCounts(t, f, 1, 4)
	})
}

func TestUnexplainedThrottlesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: always(429, ``)}
		c := newClient(t, config(f))
		var holds []time.Duration
		for len(holds) < 7 {
			_, _, err := read(t.Context(), c)
			e := wantError(t, err, api.Throttled, "429 Too Many Requests")
			holds = append(holds, e.RetryAfter)
			time.Sleep(e.RetryAfter)
		}
		// The first minute was waited out inside the first call.
		want := []time.Duration{2, 4, 8, 16, 32, 60, 60}
		for i := range want {
			if holds[i] != want[i]*time.Minute {
				t.Fatalf("holds %v", holds)
			}
		}
	})
}

func TestWaitsObeyTheContext(t *testing.T) {
	for name, f := range map[string]*fake{
		"throttled":       {list: always(429, ``, "Retry-After", "50")},
		"server error":    {list: always(500, ``, "Retry-After", "20")},
		"token throttled": {token: always(429, ``, "Retry-After", "50")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				_, _, err := read(ctx, newClient(t, config(f)))
				if _, ok := errors.AsType[*api.Error](err); ok || !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestNetworkErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"refused": {&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 4711}, Err: errors.New("connect: connection refused")},
			"get /api/alerts: dial: connect: connection refused"},
		"unknown host": {&net.DNSError{Name: "api.example", Err: "no such host", Server: "10.0.0.1:53"}, "look up api.example: no such host"},
		"reset":        {io.EOF, "get /api/alerts: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{list: func(int, *http.Request) (*http.Response, error) { return nil, test.err }}
				_, _, err := read(t.Context(), newClient(t, config(f)))
				e := wantError(t, err, api.Transient, test.want, "proxy_url")
				if strings.Contains(e.Error(), "4711") || strings.Contains(e.Error(), "10.0.0.1") {
					t.Errorf("shows an address: %v", e)
				}
				wantCounts(t, f, 1, 5)
			})
		})
	}
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c := config(nil)
	c.URL, c.LoginURL = s.URL, s.URL
	_, err := newClient(t, c).Roles(t.Context())
	wantError(t, err, api.Misconfigured, "get a token", "ssl.certificate_authorities")
}

func TestConnectionIsReused(t *testing.T) {
	var mu sync.Mutex
	addresses := map[string]bool{}
	n := 0
	client := serve(t, config(nil), func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		addresses[r.RemoteAddr] = true
		if n++; n%2 == 1 {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, strings.Repeat("x", 70_000))
			return
		}
		_, _ = io.WriteString(w, `{"value":[{"id":1}]}`+strings.Repeat(" ", 5000))
	})
	for range 6 {
		_, _, _ = read(t.Context(), client)
	}
	if len(addresses) != 1 || n != 6 {
		t.Errorf("%d connections for %d calls", len(addresses), n)
	}
}

func TestObserverSeesEveryCallWithoutQuery(t *testing.T) {
	f := &fake{list: first(400, `{}`)}
	c := config(f)
	var calls []api.Call
	c.Observe = func(call api.Call) { calls = append(calls, call) }
	client := newClient(t, c)
	r := api.Request{Path: "/api/alerts", Query: url.Values{"$filter": {"private"}}}
	_, _ = client.Open(t.Context(), r)
	page, err := client.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := page.Next(); err != io.EOF {
		t.Error(err)
	}
	_ = page.Close()
	_ = page.Close()
	want := []api.Call{
		{Method: "POST", Path: "/tenant-1/oauth2/v2.0/token", Status: 200, Bytes: 66},
		{Method: "GET", Path: "/api/alerts", Status: 400, Bytes: 2},
		{Method: "GET", Path: "/api/alerts", Status: 200, Bytes: 12},
	}
	if len(calls) != len(want) {
		t.Fatalf("got %+v", calls)
	}
	for i, got := range calls {
		want[i].Duration = got.Duration
		if got != want[i] {
			t.Errorf("call %d: %+v, want %+v", i, got, want[i])
		}
	}
}

func TestTokenRequestsAreNotPaced(t *testing.T) {
	f := &fake{}
	c := newClient(t, config(f))
	if _, err := c.Roles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := c.Quota(); q.MinuteLeft != 100 || q.HourLeft != 1500 {
		t.Errorf("%+v", q)
	}
}

func TestClosedPage(t *testing.T) {
	f := &fake{list: always(200, `{"value":[1,2],"@odata.nextLink":"https://api.example/n"}`)}
	page, err := newClient(t, config(f)).Open(t.Context(), alerts)
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Close()
	if _, err := page.Next(); err == nil || err == io.EOF || page.NextLink() != "" {
		t.Errorf("got %v, next %q", err, page.NextLink())
	}
}

func TestConfigFaultsAreJoined(t *testing.T) {
	_, err := api.New(api.Config{URL: "ftp://x", LoginURL: "https://user:hunter2@host", TenantID: "a/b"})
	for _, setting := range []string{"url: ", "login_url: ", "tenant_id: ", "client_id: ", "client_secret: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+setting) {
			t.Errorf("no fault of %s: %v", setting, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("shows a password: %v", err)
	}
}

// TestDates: one of a year that no clock can mean is none, so that ours is used. Years
// that JSON cannot write must not get near a checkpoint.
func TestDates(t *testing.T) {
	for date, taken := range map[string]bool{
		"Sat, 01 Jan 0000 00:00:00 GMT": false, "Mon, 01 Jan 0001 00:00:00 GMT": false, "Sun, 31 Dec 1989 23:59:59 GMT": false,
		"Fri, 31 Dec 9999 23:59:59 GMT": false, "Fri, 01 Jan 9999 00:00:00 GMT": false, "yesterday": false,
		"Mon, 01 Jan 1990 00:00:01 GMT": true, "Mon, 02 Mar 2026 12:00:00 GMT": true, "Thu, 31 Dec 9998 00:00:00 GMT": true,
	} {
		page, err := newClient(t, config(&fake{list: always(200, `{"value":[]}`, "Date", date)})).Open(t.Context(), api.Request{Path: "/api/alerts"})
		if err != nil {
			t.Fatal(err)
		}
		if asked := page.Asked(); asked.IsZero() == taken {
			t.Errorf("%s: asked at %s", date, asked)
		}
		page.Close()
	}
}
