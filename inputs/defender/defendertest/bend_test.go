package defendertest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// five are the alerts of odata, in a tenant that can be broken.
func five(t *testing.T, rules ...defendertest.Rule) (*client, *defendertest.Tenant) {
	c := odata(t)
	tenant := c.handler.(*defendertest.Tenant)
	tenant.Fail(rules...)
	return c, tenant
}

// What each option gives when the server ignores it or takes it otherwise.
func TestBent(t *testing.T) {
	type rule = defendertest.Rule
	const late = "$filter=lastUpdateTime ge 2026-03-01T11:00:00Z"
	for _, test := range []struct {
		name  string
		rule  rule
		query string
		want  string
	}{
		{"filter ignored", rule{Ignore: defendertest.Filter}, late, "a b c d e"},
		{"order ignored", rule{Ignore: defendertest.OrderBy}, "$orderby=lastUpdateTime", "a b c d e"},
		{"top ignored", rule{Ignore: defendertest.Top}, "$top=2", "a b c d e"},
		{"skip ignored", rule{Ignore: defendertest.Skip}, "$top=2&$skip=2", "a b"},
		{"id gt ignored", rule{Ignore: defendertest.IDAfter}, "$filter=id gt 'd' and severity eq 'High'", "d e"},
		{"id gt alone ignored", rule{Ignore: defendertest.IDAfter}, "$filter=id gt 'c'", "a b c d e"},
		{"two ignored", rule{Ignore: defendertest.OrderBy | defendertest.Filter}, late + "&$orderby=lastUpdateTime", "a b c d e"},
		{"top clamped", rule{ClampTop: 2}, "$top=4", "a b"},
		{"skip clamped", rule{ClampSkip: 1}, "$top=2&$skip=3", "b c"},
		{"whole seconds", rule{WholeSeconds: true}, "$filter=lastUpdateTime ge 2026-03-01T10:00:00.5Z&$orderby=lastUpdateTime", "d b e a c"},
		{"sorted down", rule{Sort: "lastUpdateTime desc"}, "$orderby=lastUpdateTime&$top=2", "c a"},
		{"sorted by another", rule{Sort: "incidentId"}, "$orderby=lastUpdateTime", "a e b d c"},
		{"shuffled", rule{Sort: defendertest.Shuffled}, "$orderby=id", "a c b e d"},
		{"shuffled and filtered", rule{Sort: defendertest.Shuffled}, late + "&$orderby=lastUpdateTime desc", "a c"},
		{"sorted in the page", rule{SortPage: true}, "$orderby=lastUpdateTime&$top=3", "b a c"},
		{"begins again by skip", rule{Endless: true}, "$top=2&$skip=6", "a b"},
		{"begins again by time", rule{Endless: true}, "$filter=lastUpdateTime gt 2026-03-01T12:00:00Z&$top=2", "a b"},
		{"one empty page", rule{EmptyPage: true}, "$top=2", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.rule.Path, test.rule.Times = "/api/alerts", 1
			c, _ := five(t, test.rule)
			whole := strings.Join(c.list("/api/alerts?"+test.query).ids(), " ")
			if whole != test.want {
				t.Errorf("got %q, want %q", whole, test.want)
			}
			if again := strings.Join(c.list("/api/alerts?"+test.query).ids(), " "); again == test.want {
				t.Error("the fault changes nothing")
			}
		})
	}
}

// Each option is refused in each wording, and nothing else is.
func TestRefused(t *testing.T) {
	type rule = defendertest.Rule
	for name, test := range map[string]struct {
		rule            rule
		refused, passed string
	}{
		"$filter":         {rule{With: defendertest.Filter}, "$filter=severity eq 'Low'", "$top=1"},
		"by one property": {rule{FilterBy: "severity"}, "$filter=id ne 'x' and severity eq 'Low'", "$filter=status eq 'severity'"},
		"id gt":           {rule{With: defendertest.IDAfter}, "$filter=id ge 'c'", "$filter=id le 'c'"},
		"$orderby":        {rule{With: defendertest.OrderBy}, "$orderby=id", "$top=1"},
		"$top above":      {rule{TopAbove: 2}, "$top=3", "$top=2"},
		"$skip above":     {rule{SkipAbove: 2}, "$skip=3", "$skip=2"},
		"$skip at all":    {rule{With: defendertest.Skip}, "$skip=1", "$skip=0"},
		"$expand":         {rule{With: defendertest.Expand}, "$expand=evidence", "$top=1"},
		"two together":    {rule{With: defendertest.OrderBy | defendertest.Filter}, "$orderby=id&$filter=id ne 'x'", "$orderby=id"},
		"one without":     {rule{With: defendertest.Filter, Without: defendertest.OrderBy}, "$filter=id ne 'x'", "$orderby=id&$filter=id ne 'x'"},
		"a large page":    {rule{Holds: 4}, "$top=5", "$top=4"},
		"one record":      {rule{Serves: "e"}, "$top=5", "$top=4"},
		"one expanded":    {rule{Serves: "e", With: defendertest.Expand}, "$expand=evidence", "$top=5"},
	} {
		for wording, body := range defendertest.Wordings("The query is not valid.") {
			for _, status := range []int{400, 500, 504} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, wording, status), func(t *testing.T) {
					test.rule.Path, test.rule.Status, test.rule.Body = "/api/alerts", status, body
					c, _ := five(t, test.rule)
					if p := c.get("/api/alerts?" + test.refused); p.Status != status || p.Body != body {
						t.Errorf("%s: %d %s", test.refused, p.Status, p.Body)
					}
					if p := c.get("/api/alerts?" + test.passed); p.Status != 200 {
						t.Errorf("%s: %d %s", test.passed, p.Status, p.Body)
					}
				})
			}
		}
	}
}

// A fault of one list leaves the others alone.
func TestOneList(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Machines: 1, Actions: 1})
	c := connect(t, tenant)
	tenant.Fail(defendertest.Rule{Path: "/api/machines", Status: 429, RetryAfter: 90 * time.Second})
	for path, want := range map[string]int{"/api/alerts": 200, "/api/machines": 429, "/api/machineactions": 200} {
		p := c.get(path)
		if p.Status != want || (p.Header.Get("Retry-After") == "90") != (want == 429) {
			t.Errorf("%s: %d %v", path, p.Status, p.Header)
		}
	}
	tenant.Heal()
	tenant.Fail(defendertest.Rule{Path: "/api/", Status: 404})
	for _, res := range defendertest.Resources() {
		if p := c.get("/api/" + res.String()); p.Status != 404 || p.Error.Code != "ResourceNotFound" {
			t.Errorf("%s: %d %s", res, p.Status, p.Body)
		}
	}
}

// 404 behind the first page, by whichever way the client pages.
func TestNotFoundBehindTheFirstPage(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Machines: 5})
	c := connect(t, tenant)
	tenant.Fail(defendertest.Rule{With: defendertest.Skip, Status: 404}, defendertest.Rule{With: defendertest.IDAfter, Status: 404})
	for query, want := range map[string]int{"$top=2": 200, "$top=2&$skip=2": 404, "$top=2&$filter=id gt '0'": 404} {
		if p := c.get("/api/machines?" + query); p.Status != want {
			t.Errorf("%s: %d", query, p.Status)
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Now: midnight})
	c := connect(t, tenant)
	tenant.MoveClock(36 * time.Hour)
	tenant.Fail(defendertest.Rule{Path: "/api/alerts", Status: 503, RetryAfter: 5 * time.Minute, RetryDate: true})
	p := c.get("/api/alerts")
	if p.Status != 503 || p.Header.Get("Date") != "Tue, 03 Mar 2026 12:00:00 GMT" || p.Header.Get("Retry-After") != "Tue, 03 Mar 2026 12:05:00 GMT" {
		t.Errorf("%d %v", p.Status, p.Header)
	}
}

func TestMixedNumbersAreWellFormed(t *testing.T) {
	c, _ := five(t, defendertest.Rule{Serves: "d", Damage: defendertest.MixedNumbers})
	p := c.list("/api/alerts")
	if !json.Valid([]byte(p.Body)) || !strings.Contains(string(p.Value[3]), `"incidentId":[1,2.5,"three"]`) {
		t.Errorf("got %s", p.Body)
	}
	if strings.Count(p.Body, "three") != 1 {
		t.Errorf("others are damaged too: %s", p.Body)
	}
}
