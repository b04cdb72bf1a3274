package defendertest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// tokenErrors are faults of a token request, and how Entra ID refuses each.
var tokenErrors = []struct {
	name    string
	path    string
	set     url.Values
	status  int
	kind    string
	code    int
	mention string
}{
	{"wrong secret", "", url.Values{"client_secret": {"x"}}, 401, "invalid_client", 7000215, "not the client secret ID"},
	{"no secret", "", url.Values{"client_secret": nil}, 401, "invalid_client", 7000218, "client_assertion"},
	{"wrong tenant", "/nowhere.example" + defendertest.TokenPath, nil, 400, "invalid_request", 90002, "'nowhere.example' not found"},
	{"unknown client", "", url.Values{"client_id": {"x"}}, 400, "unauthorized_client", 700016, "'x' was not found"},
	{"no client", "", url.Values{"client_id": nil}, 400, "invalid_request", 900144, "client_id"},
	{"foreign scope", "", url.Values{"scope": {"https://graph.microsoft.com/.default"}}, 400, "invalid_resource", 500011, "https://graph.microsoft.com"},
	{"bare scope", "", url.Values{"scope": {"https://api.securitycenter.microsoft.com"}}, 400, "invalid_scope", 1002012, "/.default"},
	{"wrong grant", "", url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type", 70003, "password"},
}

func TestTokenErrors(t *testing.T) {
	for _, test := range tokenErrors {
		t.Run(test.name, func(t *testing.T) {
			form := credentials()
			for name, values := range test.set {
				form[name] = values
			}
			path := tokenURL
			if test.path != "" {
				path = test.path
			}
			w := requestToken(defendertest.New(defendertest.Options{Now: midnight}), path, form)
			var e struct {
				Error       string
				Description string `json:"error_description"`
				Codes       []int  `json:"error_codes"`
				Timestamp   string
				TraceID     string `json:"trace_id"`
				Correlation string `json:"correlation_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if w.Code != test.status || e.Error != test.kind || !slices.Equal(e.Codes, []int{test.code}) {
				t.Errorf("got %d %s %v", w.Code, e.Error, e.Codes)
			}
			if !strings.HasPrefix(e.Description, "AADSTS") || !strings.Contains(e.Description, test.mention) ||
				!strings.Contains(e.Description, "\r\nTrace ID: "+e.TraceID+"\r\nCorrelation ID: "+e.Correlation) {
				t.Errorf("description %q", e.Description)
			}
			if e.Timestamp != "2026-03-02 00:00:00Z" {
				t.Errorf("timestamp %q", e.Timestamp)
			}
		})
	}
}

func TestTokenShape(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Now: midnight})
	w := requestToken(tenant, tokenURL, credentials())
	var answer struct {
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Token   string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Type != "Bearer" || answer.Expires != 3599 {
		t.Errorf("got %+v", answer)
	}
	parts := strings.Split(answer.Token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Roles                []string
		Tid, AppID, Ver, Aud string
		Exp                  int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(claims.Roles, defendertest.AllRoles()) ||
		claims.Tid != defendertest.TenantID || claims.AppID != defendertest.ClientID || claims.Ver != "1.0" ||
		claims.Exp != midnight().Unix()+3599 {
		t.Errorf("claims %+v", claims)
	}
}

// Clients of OAuth try Basic first and encode both parts for a form.
func TestTokenBasicAuth(t *testing.T) {
	form := credentials()
	form.Del("client_id")
	form.Del("client_secret")
	r := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(defendertest.ClientID, url.QueryEscape(defendertest.ClientSecret))
	w := httptest.NewRecorder()
	defendertest.New(defendertest.Options{}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestTokenRunsOut(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Now: now.Now, TokenLifetime: time.Hour})
	c := connect(t, tenant)
	now.advance(time.Hour - time.Second)
	c.list("/api/alerts")
	now.advance(time.Second)
	if p := c.get("/api/alerts"); p.Status != http.StatusUnauthorized || p.Error.Code != "Unauthorized" || p.Error.Target == "" {
		t.Errorf("expired: %d %s", p.Status, p.Body)
	}
	c = connect(t, tenant)
	c.list("/api/alerts")
	tenant.RevokeTokens()
	if p := c.get("/api/alerts"); p.Status != http.StatusUnauthorized {
		t.Errorf("revoked: %d %s", p.Status, p.Body)
	}
}

func TestSecretRotates(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1})
	c := connect(t, tenant)
	tenant.RotateSecret("new")
	if w := requestToken(tenant, tokenURL, credentials()); w.Code != http.StatusUnauthorized {
		t.Errorf("old secret: %d", w.Code)
	}
	c.list("/api/alerts")
}

// Consent withdrawn still gives tokens; it is the API that refuses them.
func TestMissingRoles(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Machines: 1})
	before := connect(t, tenant)
	for _, test := range []struct {
		roles         []string
		path, message string
	}{
		{nil, "/api/alerts", "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, application roles: ."},
		{[]string{"Alert.Read.All"}, "/api/machines", "Missing application roles. API required roles: Machine.Read.All,Machine.ReadWrite.All, application roles: Alert.Read.All."},
	} {
		tenant.SetRoles(test.roles...)
		p := connect(t, tenant).get(test.path)
		if p.Status != http.StatusForbidden || p.Error.Code != "Forbidden" || p.Error.Message != test.message {
			t.Errorf("%v: %d %s", test.roles, p.Status, p.Body)
		}
	}
	before.list("/api/alerts")
}

func TestQuota(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Machines: 1, Now: now.Now, CallsPerMinute: 2, CallsPerHour: 3, TokenLifetime: 24 * time.Hour})
	c := connect(t, tenant)
	for i, test := range []struct {
		wait   time.Duration
		status int
		after  string
	}{
		{0, 200, ""}, {10 * time.Second, 200, ""}, {15 * time.Second, 429, "35"}, // the minute
		{35 * time.Second, 200, ""}, {time.Second, 429, "3539"}, // the hour
		{3539 * time.Second, 200, ""},
	} {
		now.advance(test.wait)
		p := c.get([]string{"/api/alerts", "/api/machines"}[i%2])
		if p.Status != test.status || p.Header.Get("Retry-After") != test.after {
			t.Errorf("call %d: %d, Retry-After %q", i, p.Status, p.Header.Get("Retry-After"))
		}
	}
}
