package defendertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

func TestRuleAnswers(t *testing.T) {
	type rule = defendertest.Rule
	for _, test := range []struct {
		name   string
		rule   rule
		status int
		code   string
		body   string
		header http.Header
	}{
		{"429 with seconds", rule{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, 429, "TooManyRequests", "", http.Header{"Retry-After": {"7"}}},
		{"429 without", rule{Status: 429}, 429, "TooManyRequests", "", nil},
		{"500", rule{Status: 500}, 500, "InternalServerError", "", nil},
		{"503 of the front door", rule{Status: 503}, 503, "", "<html>", nil},
		{"401", rule{Status: 401}, 401, "Unauthorized", "", nil},
		{"403 by hand", rule{Status: 403, Body: defendertest.APIError("DisabledFeature", "off")}, 403, "DisabledFeature", "", nil},
		{"empty 200", rule{EmptyBody: true}, 200, "", "", nil},
		{"empty 500", rule{EmptyBody: true, Status: 500}, 500, "", "", nil},
		{"a proxy's page", rule{NotJSON: true}, 200, "", "<!DOCTYPE html>", nil},
		{"header only", rule{Header: http.Header{"X-Request-Id": {"1"}}}, 200, "", `{"@odata.context"`, http.Header{"X-Request-Id": {"1"}}},
		{"order refused", rule{RejectOrderBy: true}, 400, "ODataError", "", nil},
		{"property refused", rule{RejectFilterProperty: "lastUpdateTime"}, 400, "ODataError", "", nil},
		{"other property refused", rule{RejectFilterProperty: "status"}, 200, "", "{", nil},
		{"skip refused", rule{RejectDeepSkip: 2}, 400, "ODataError", "", nil},
		{"skip allowed", rule{RejectDeepSkip: 3}, 200, "", "{", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			tenant := defendertest.New(defendertest.Options{Alerts: 5})
			c := connect(t, tenant)
			tenant.Fail(test.rule)
			p := c.get("/api/alerts?$orderby=lastUpdateTime&$skip=3")
			if p.Status != test.status || p.Error.Code != test.code || !strings.HasPrefix(p.Body, test.body) {
				t.Errorf("got %d %.100s", p.Status, p.Body)
			}
			for name := range test.header {
				if p.Header.Get(name) != test.header.Get(name) {
					t.Errorf("%s: %q", name, p.Header.Get(name))
				}
			}
		})
	}
}

func TestRuleMatches(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Machines: 1})
	c := connect(t, tenant)
	tenant.Fail(
		defendertest.Rule{Path: "/api/alerts", After: 1, Times: 2, Status: 500},
		defendertest.Rule{Path: "/api/alerts", Query: "$skip=1&", Times: 1, Status: 429},
		defendertest.Rule{Path: defendertest.TokenPath, Status: 400, Body: defendertest.TokenError("invalid_client", 7000222, "expired")},
	)
	for i, test := range []struct {
		path   string
		status int
	}{
		{"/api/alerts", 200}, {"/api/v1.0/alerts", 500}, {"/api/machines", 200}, {"/api/alerts", 500},
		{"/api/alerts", 200}, {"/api/alerts?%24skip=1&$top=1", 429}, {"/api/alerts?$skip=1&$top=1", 200},
	} {
		if p := c.get(test.path); p.Status != test.status {
			t.Errorf("request %d: %d", i, p.Status)
		}
	}
	if w := requestToken(tenant, tokenURL, credentials()); w.Code != 400 || !strings.Contains(w.Body.String(), "AADSTS7000222: expired") {
		t.Errorf("token: %d %s", w.Code, w.Body)
	}
	tenant.Heal()
	token(t, tenant)
}

func TestCut(t *testing.T) {
	const length = 5000
	for _, clean := range []bool{false, true} {
		tenant := defendertest.New(defendertest.Options{Alerts: 100, Now: midnight})
		server := httptest.NewServer(tenant)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/alerts?$expand=evidence", nil)
		r.Header.Set("Authorization", "Bearer "+token(t, tenant))
		tenant.Fail(defendertest.Rule{CutAfter: length, CutClean: clean})
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		if len(got) != length || errors.Is(err, io.ErrUnexpectedEOF) == clean {
			t.Errorf("clean %v: %d bytes, %v", clean, len(got), err)
		}
		_ = response.Body.Close()
		server.Close()
		if json.Valid(got) {
			t.Error("what is cut off is JSON")
		}
		if log := tenant.Requests(); len(log) != 2 || log[1].Status != http.StatusOK {
			t.Errorf("request log %+v", log)
		}
	}
}

func TestCutBeyondTheEnd(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 3})
	c := connect(t, tenant)
	tenant.Fail(defendertest.Rule{CutAfter: 1 << 30})
	if p := c.list("/api/alerts"); len(p.Value) != 3 || !json.Valid([]byte(p.Body)) {
		t.Errorf("got %s", p.Body)
	}
}

func TestClampTop(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 9})
	c := connect(t, tenant)
	tenant.Fail(defendertest.Rule{ClampTop: 4})
	if p := c.list("/api/alerts?$top=8"); len(p.Value) != 4 || p.NextLink != "" {
		t.Errorf("%d records, next %q", len(p.Value), p.NextLink)
	}
}

func TestNextLinkFaults(t *testing.T) {
	for link, want := range map[string]string{
		"https://evil.example/api/alerts":   "https://evil.example/api/alerts",
		defendertest.NextLinkLoop:           "http://example.com/api/alerts?$top=2&$skip=4",
		defendertest.NextLinkEndless + "":   "http://example.com/api/alerts?$top=2&$skip=5",
		"/relative/without?a=scheme&quot\"": "/relative/without?a=scheme&quot\"",
	} {
		tenant := defendertest.New(defendertest.Options{Alerts: 5})
		c := connect(t, tenant)
		tenant.Fail(defendertest.Rule{NextLink: link})
		if p := c.list("/api/alerts?$top=2&$skip=4"); p.NextLink != want {
			t.Errorf("%s: next %q", link, p.NextLink)
		}
	}
}

func TestHugeRecord(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 2})
	c := connect(t, tenant)
	tenant.Fail(defendertest.Rule{HugeRecord: 3 << 20})
	p := c.list("/api/alerts")
	if ids := p.ids(); len(ids) != 3 || ids[0] != "huge" {
		t.Fatalf("ids %v", ids)
	}
	if n := len(p.Value[0]); n < 3<<20 || n > 3<<20+200 {
		t.Errorf("%d bytes", n)
	}
}

func TestSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := defendertest.New(defendertest.Options{Alerts: 10})
		c := connect(t, tenant)
		tenant.Fail(defendertest.Rule{Path: "/api", Latency: time.Minute, SlowPerRecord: time.Second})
		start := time.Now()
		c.list("/api/alerts")
		if took := time.Since(start); took != 70*time.Second {
			t.Errorf("took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 65*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/alerts", nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		start = time.Now()
		tenant.ServeHTTP(w, r)
		if took := time.Since(start); took != 65*time.Second || json.Valid(w.Body.Bytes()) {
			t.Errorf("a client that left was served for %s, %.100s", took, w.Body)
		}
	})
}
