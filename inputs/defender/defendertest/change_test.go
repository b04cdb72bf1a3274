package defendertest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const alertsByTime = "/api/alerts?$orderby=lastUpdateTime&$expand=evidence"

func TestTouch(t *testing.T) {
	for _, res := range defendertest.Resources() {
		t.Run(res.String(), func(t *testing.T) {
			now := newClock()
			tenant := defendertest.New(defendertest.Options{Alerts: 20, Machines: 20, Actions: 20, Now: now.Now})
			c := connect(t, tenant)
			before := slices.Collect(tenant.Records(res))
			body := one(c, res, before[3].ID)
			now.advance(90 * time.Second)
			if err := tenant.Touch(res, before[3].ID); err != nil {
				t.Fatal(err)
			}
			after := slices.Collect(tenant.Records(res))
			last := after[len(after)-1]
			if last.ID != before[3].ID || last.Revision != 1 || !last.Time.Equal(now.Now()) {
				t.Errorf("touched record %+v", last)
			}
			if one(c, res, last.ID) == body {
				t.Error("the content is the same")
			}
			if n := len(slices.Collect(tenant.Versions(res))); n != 21 {
				t.Errorf("%d versions", n)
			}
		})
	}
}

// one is a record as the API shows it.
func one(c *client, res defendertest.Resource, id string) string {
	expand := ""
	if res == defendertest.Alerts {
		expand = "&$expand=evidence"
	}
	return string(c.list("/api/" + res.String() + "?$filter=id eq '" + id + "'" + expand).Value[0])
}

// Content can change without the version time moving.
func TestAmend(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 5, Machines: 5, EvidencePerAlert: 2, Now: midnight})
	c := connect(t, tenant)
	for _, res := range []defendertest.Resource{defendertest.Alerts, defendertest.Machines} {
		before := slices.Collect(tenant.Records(res))
		body := one(c, res, before[0].ID)
		if err := tenant.Amend(res, before[0].ID); err != nil {
			t.Fatal(err)
		}
		after := slices.Collect(tenant.Records(res))
		if !after[0].Time.Equal(before[0].Time) || after[0].ID != before[0].ID || one(c, res, before[0].ID) == body {
			t.Errorf("%s: %+v became %+v", res, before[0], after[0])
		}
	}
	if alert := slices.Collect(tenant.Records(defendertest.Alerts))[0]; alert.Evidence != 3 {
		t.Errorf("%d evidence items", alert.Evidence)
	}
}

func TestChangeErrors(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1})
	tenant.Add(defendertest.Alerts, `{"id":"mine"}`)
	for id, want := range map[string]string{"nobody": "no visible record", "mine": "hand-written"} {
		if err := tenant.Touch(defendertest.Alerts, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// All that was added comes back byte for byte, in its place in time.
func TestAddVerbatim(t *testing.T) {
	odd := []string{
		`{"id":"x1", "lastUpdateTime":"2026-03-01T10:00:00Z", "incidentId":"text", "evidence":{"entityType":"User"}}`,
		`{"id":17,"lastUpdateTime":12,"title":"\ud800"}`,
		`"a string"`, `[1,2]`, `null`, `{"id":"x2"`,
	}
	tenant := defendertest.New(defendertest.Options{Now: midnight})
	tenant.Add(defendertest.Alerts, odd...)
	c := connect(t, tenant)
	p := c.get(alertsByTime + "&$top=20")
	for _, record := range odd {
		if !strings.Contains(p.Body, record) {
			t.Errorf("%s is missing in %s", record, p.Body)
		}
	}
	if !strings.Contains(p.Body, `"value":[`+odd[0]) {
		t.Errorf("the oldest is not first in %s", p.Body)
	}
	p = c.get("/api/alerts?$filter=incidentId ne 5&$top=1")
	if p.Status != 200 {
		t.Errorf("filter over odd records: %d %s", p.Status, p.Body)
	}
}

func TestAddReplaces(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 3, Now: now.Now})
	first := slices.Collect(tenant.Records(defendertest.Alerts))[0]
	now.advance(time.Second)
	tenant.Add(defendertest.Alerts, `{"id":"`+first.ID+`","title":"mine","evidence":[{},{}]}`)
	after := slices.Collect(tenant.Records(defendertest.Alerts))
	if len(after) != 3 || after[2].ID != first.ID || after[2].Evidence != 2 || after[2].Revision != 1 {
		t.Errorf("got %+v", after)
	}
}

func TestVisibilityDelay(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 1000, Span: time.Hour, Now: now.Now, VisibilityDelay: 6 * time.Minute})
	c := connect(t, tenant)
	seen := len(c.list("/api/alerts").Value)
	if seen < 880 || seen > 920 {
		t.Errorf("%d of 1000 alerts are visible", seen)
	}
	victim := slices.Collect(tenant.Records(defendertest.Alerts))[0]
	if err := tenant.Touch(defendertest.Alerts, victim.ID); err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(tenant.Records(defendertest.Alerts))[0]; got != victim {
		t.Errorf("the change is visible at once: %+v", got)
	}
	now.advance(6 * time.Minute)
	records := slices.Collect(tenant.Records(defendertest.Alerts))
	if len(records) != 1000 || records[999].ID != victim.ID || !records[999].Time.Equal(midnight()) {
		t.Errorf("%d records, the last %+v", len(records), records[len(records)-1])
	}
}

func TestLive(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 10, Live: 2.5, Now: now.Now})
	now.advance(time.Minute)
	records := slices.Collect(tenant.Records(defendertest.Alerts))
	if len(records) != 10+150 {
		t.Fatalf("%d alerts", len(records))
	}
	if last := records[159].Time; !last.Equal(now.Now()) {
		t.Errorf("the last is of %s", last)
	}
}

func TestAfterPage(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 30, Now: now.Now})
	c := connect(t, tenant)
	var pages []defendertest.Request
	tenant.AfterPage(func(r defendertest.Request) {
		pages = append(pages, r)
		now.advance(time.Second)
		tenant.Add(defendertest.Alerts, fmt.Sprintf(`{"id":"new%d"}`, len(pages)))
	})
	c.list("/api/alerts?$top=10")
	if n := len(c.list("/api/alerts?$top=100").Value); n != 31 {
		t.Errorf("%d alerts after the first page", n)
	}
	if len(pages) != 2 || pages[0].Records != 10 || pages[1].Query != "$top=100" {
		t.Errorf("pages %+v", pages)
	}
}

func TestRequests(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1, Now: midnight, RequestLog: 3})
	c := connect(t, tenant)
	c.get("/api/alerts?$top=1")
	c.get("/api/nothing")
	c.get("/api/machines")
	want := []defendertest.Request{
		{Time: midnight(), Method: "GET", Path: "/api/alerts", Query: "$top=1", Status: 200, Authorized: true, Records: 1},
		{Time: midnight(), Method: "GET", Path: "/api/nothing", Status: 404, Authorized: true},
		{Time: midnight(), Method: "GET", Path: "/api/machines", Status: 404, Authorized: true},
	}
	if got := tenant.Requests(); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

// What Records and Versions say is what the API serves.
func TestTruth(t *testing.T) {
	now := newClock()
	tenant := defendertest.New(defendertest.Options{Alerts: 300, Now: now.Now})
	c := connect(t, tenant)
	for i, v := range slices.Collect(tenant.Records(defendertest.Alerts)) {
		if i%10 == 0 {
			now.advance(time.Second)
			if err := tenant.Touch(defendertest.Alerts, v.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	served := c.list(alertsByTime).Value
	records := slices.Collect(tenant.Records(defendertest.Alerts))
	if len(served) != len(records) {
		t.Fatalf("%d served, %d in truth", len(served), len(records))
	}
	for i, v := range records {
		var alert struct {
			ID             string
			LastUpdateTime time.Time
			Evidence       []json.RawMessage
		}
		if err := json.Unmarshal(served[i], &alert); err != nil {
			t.Fatal(err)
		}
		if alert.ID != v.ID || !alert.LastUpdateTime.Equal(v.Time) || len(alert.Evidence) != v.Evidence {
			t.Errorf("served %+v, in truth %+v", alert, v)
		}
	}
	if n := len(slices.Collect(tenant.Versions(defendertest.Alerts))); n != 330 {
		t.Errorf("%d versions", n)
	}
}

// Meant for the race detector.
func TestConcurrentUse(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 200, Machines: 50, Actions: 50, Live: 100})
	c := connect(t, tenant)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 4 {
				c.get(alertsByTime + "&$top=20")
				c.get("/api/machines?$filter=riskScore eq 'High'")
				requestToken(tenant, tokenURL, credentials())
				for v := range tenant.Records(defendertest.Alerts) {
					_ = tenant.Touch(defendertest.Alerts, v.ID)
					break
				}
				tenant.Add(defendertest.MachineActions, `{"id":"same"}`)
				tenant.Fail(defendertest.Rule{Path: "/api/machineactions", Status: 500, Times: i})
				tenant.Requests()
			}
			tenant.Heal()
			tenant.RevokeTokens()
		})
	}
	wg.Wait()
}

// TestBodiesAreWhatIsServed: the oracle and the API agree byte for byte.
func TestBodiesAreWhatIsServed(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Seed: 3, Alerts: 40, Machines: 20, Actions: 20})
	tenant.Add(defendertest.Alerts, `{ "id":"written",  "evidence":[{"x":1}] }`)
	for _, resource := range defendertest.Resources() {
		served := map[string]bool{}
		expand := ""
		if resource == defendertest.Alerts {
			expand = "?$expand=evidence"
		}
		for _, record := range connect(t, tenant).list("/api/" + resource.String() + expand).Value {
			served[string(record)] = true
		}
		n := 0
		for body := range tenant.Bodies(resource) {
			n++
			if !served[body] {
				t.Errorf("%s: not served: %s", resource, body)
			}
		}
		if n != len(served) || n == 0 {
			t.Errorf("%s: %d bodies, %d served", resource, n, len(served))
		}
	}
}
