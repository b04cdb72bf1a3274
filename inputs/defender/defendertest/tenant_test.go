package defendertest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// midnight is the time at which the tests' tenants are made.
func midnight() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: midnight()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// credentials are the form of a token request that succeeds.
func credentials() url.Values {
	return url.Values{
		"client_id": {defendertest.ClientID}, "client_secret": {defendertest.ClientSecret},
		"grant_type": {"client_credentials"}, "scope": {defendertest.Scope},
	}
}

func requestToken(tenant http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	tenant.ServeHTTP(w, r)
	return w
}

const tokenURL = "/" + defendertest.TenantID + defendertest.TokenPath

func token(tb testing.TB, tenant http.Handler) string {
	tb.Helper()
	w := requestToken(tenant, tokenURL, credentials())
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		tb.Fatalf("no token: %d %s", w.Code, w.Body)
	}
	return answer.Token
}

// page is what a list request answers.
type page struct {
	Status   int
	Header   http.Header
	Body     string
	Context  string            `json:"@odata.context"`
	NextLink string            `json:"@odata.nextLink"`
	Value    []json.RawMessage `json:"value"`
	Error    struct {
		Code, Message, Target string
	} `json:"error"`
}

// ids are the page's ids, empty for a record without one.
func (p page) ids() []string {
	ids := make([]string, len(p.Value))
	for i, raw := range p.Value {
		var r struct{ ID string }
		_ = json.Unmarshal(raw, &r)
		ids[i] = r.ID
	}
	return ids
}

// client asks with a token.
type client struct {
	*testing.T
	handler http.Handler
	token   string
}

func connect(t *testing.T, tenant http.Handler) *client {
	t.Helper()
	return &client{t, tenant, token(t, tenant)}
}

// get takes a path with a query whose spaces may be left unescaped.
func (c *client) get(path string) page {
	c.Helper()
	r := httptest.NewRequest(http.MethodGet, strings.ReplaceAll(path, " ", "+"), nil)
	r.Header.Set("Authorization", "Bearer "+c.token)
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	p := page{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &p) // not every answer is JSON
	return p
}

// list is get of a page that must be there.
func (c *client) list(path string) page {
	c.Helper()
	p := c.get(path)
	if p.Status != http.StatusOK || p.Value == nil {
		c.Fatalf("GET %s: %d %.200s", path, p.Status, p.Body)
	}
	return p
}
