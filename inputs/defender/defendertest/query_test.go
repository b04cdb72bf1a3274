package defendertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// odata is a tenant with five known alerts.
func odata(t *testing.T) *client {
	tenant := defendertest.New(defendertest.Options{Now: midnight})
	tenant.Add(defendertest.Alerts,
		`{"id":"d","lastUpdateTime":"2026-03-01T10:00:00Z","alertCreationTime":"2026-03-01T09:00:00Z","severity":"High","incidentId":4,"assignedTo":"o'neil","evidence":[]}`,
		`{"id":"b","lastUpdateTime":"2026-03-01T10:00:00.1066667Z","alertCreationTime":"2026-02-01T09:00:00Z","severity":"Low","incidentId":3,"assignedTo":null,"evidence":[{"entityType":"Ip"}]}`,
		`{"id":"e","lastUpdateTime":"2026-03-01T10:00:00.1066667Z","severity":"High","incidentId":2,"assignedTo":"x","evidence":[{"entityType":"Ip"},{}]}`,
		`{"id":"a","lastUpdateTime":"2026-03-01T11:00:00Z","alertCreationTime":"2026-03-01T09:00:00Z","severity":"Low","incidentId":null,"evidence":[]}`,
		`{"id":"c","lastUpdateTime":"2026-03-01T12:00:00Z","alertCreationTime":"2026-01-01T09:00:00Z","severity":"Medium","incidentId":10,"assignedTo":"x"}`)
	return connect(t, tenant)
}

func TestQuery(t *testing.T) {
	c := odata(t)
	for _, test := range []struct{ query, want string }{
		{"", "a b c d e"}, // by id, not by time
		{"$orderby=lastUpdateTime", "d b e a c"},
		{"$orderby=lastUpdateTime asc,id asc", "d b e a c"},
		{"$orderby=lastUpdateTime desc", "c a e b d"},
		{"$orderby=lastUpdateTime desc,id", "c a b e d"},
		{"$orderby=incidentId desc", "c d b e a"},
		{"$orderby=severity,lastUpdateTime desc", "e d a b c"},
		{"$orderby=id desc&$top=2", "e d"},
		{"$orderby=lastUpdateTime&$skip=1&$top=2", "b e"},
		{"$skip=9", ""},
		{"$top=0", ""},
		{"$filter=lastUpdateTime ge 2026-03-01T10:00:00.1066667Z&$orderby=lastUpdateTime", "b e a c"},
		{"$filter=lastUpdateTime gt 2026-03-01T10:00:00.1066667Z&$orderby=lastUpdateTime", "a c"},
		{"$filter=lastUpdateTime gt 2026-03-01T10:00:00.1066666Z", "a b c e"},
		{"$filter=lastUpdateTime eq 2026-03-01T10:00:00.1066667Z", "b e"},
		{"$filter=lastUpdateTime ge 2026-03-01T10:00:00Z and lastUpdateTime lt 2026-03-01T11:00:00Z&$orderby=lastUpdateTime desc", "e b d"},
		{"$filter=lastUpdateTime le 2026-03-01T10:00:00Z&$orderby=lastUpdateTime", "d"},
		{"$filter=lastUpdateTime gt 2026-03-03T10:00:00Z&$orderby=lastUpdateTime", ""},
		{"$filter=lastUpdateTime ge 2026-03-01T12:00:00%2B01:00&$orderby=lastUpdateTime", "a c"},
		{"$filter=severity eq 'High'", "d e"},
		{"$filter=severity ne 'High'", "a b c"},
		{"$filter=severity eq 'Low' or severity eq 'High' and incidentId lt 3", "a b e"},
		{"$filter=assignedTo eq 'o''neil'", "d"},
		{"$filter=assignedTo eq null", "a b"},
		{"$filter=assignedTo ne null", "c d e"},
		{"$filter=alertCreationTime ge 2026-03-01T09:00:00Z", "a d"},
		{"$filter=incidentId ge 3 and id ne 'd'", "b c"},
		{"$filter=InvestigationId eq null&$top=1", "a"},
	} {
		t.Run(test.query, func(t *testing.T) {
			p := c.list("/api/v1.0/alerts?" + test.query)
			if got := strings.Join(p.ids(), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestQueryErrors(t *testing.T) {
	c := odata(t)
	for _, test := range []struct{ query, message string }{
		{"$filter=lastUpdateTime ge 2026-03-01T10:00:00.10666667Z", "literal"}, // eight digits
		{"$filter=lastUpdateTime ge '2026-03-01T10:00:00Z'", "Found operand types 'Edm.DateTimeOffset' and 'Edm.String' for operator kind 'GreaterThanOrEqual'"},
		{"$filter=lastUpdateTime ge 2026-03-01", "literal"},
		{"$filter=lastUpdateTime ge 2026-03-01T12:00:00+01:00", ""}, // + is a space
		{"$filter=lastUpdateTime over 2026-03-01T10:00:00Z", "operator"},
		{"$filter=lastUpdatedTime ge 2026-03-01T10:00:00Z", "Could not find a property named 'lastUpdatedTime' on type 'microsoft.windowsDefenderATP.api.Alert'"},
		{"$filter=lastUpdateTime ge", "Syntax error"},
		{"$filter=(severity eq 'High')", "Syntax error"},
		{"$filter=severity eq 'High' xor severity eq 'Low'", "Syntax error"},
		{"$filter=severity eq 'High", "unterminated"},
		{"$filter=incidentId eq 1E%2B06", "literal"},
		{"$orderby=lastUpdateTime up", "Syntax error"},
		{"$orderby=when", "property named 'when'"},
		{"$top=10001", "The limit of '10000' for Top query has been exceeded. The value from the incoming request is '10001'"},
		{"$top=1e3", "non-negative integer"},
		{"$skip=-1", "non-negative integer"},
		{"$expand=comments", "property named 'comments'"},
		{"$select=id", "'$select' is not supported"},
		{"top=1", "'top' is not supported"},
		{"$top=1&$top=2", "more than once"},
	} {
		t.Run(test.query, func(t *testing.T) {
			p := c.get("/api/alerts?" + test.query)
			if p.Status != http.StatusBadRequest || p.Error.Code != "ODataError" || p.Error.Target == "" {
				t.Errorf("got %d %s", p.Status, p.Body)
			}
			if !strings.Contains(p.Error.Message, test.message) {
				t.Errorf("message %q", p.Error.Message)
			}
		})
	}
}

// Without $expand the list shows an empty array, which does not show whether
// there is evidence.
func TestExpand(t *testing.T) {
	c := odata(t)
	for query, want := range map[string]int{"$filter=id eq 'e'": 0, "$expand=evidence&$filter=id eq 'e'": 2} {
		var alert struct{ Evidence []json.RawMessage }
		if err := json.Unmarshal(c.list("/api/alerts?" + query).Value[0], &alert); err != nil {
			t.Fatal(err)
		}
		if alert.Evidence == nil || len(alert.Evidence) != want {
			t.Errorf("%s: %d items", query, len(alert.Evidence))
		}
	}
}

func TestHeaders(t *testing.T) {
	p := odata(t).list("/api/alerts")
	if got := p.Header.Get("Content-Type"); got != "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if p.Header.Get("OData-Version") != "4.0" || !strings.HasSuffix(p.Context, "/api/$metadata#Alerts") {
		t.Errorf("got %v, %q", p.Header, p.Context)
	}
}

func TestOtherPaths(t *testing.T) {
	c := odata(t)
	if p := c.get("/api/indicators"); p.Status != http.StatusNotFound || p.Error.Code != "NotFound" {
		t.Errorf("unknown path: %d %s", p.Status, p.Body)
	}
	c.token = ""
	if p := c.get("/api/alerts"); p.Status != http.StatusUnauthorized {
		t.Errorf("no token: %d", p.Status)
	}
}

// No machine is a 404, not an empty list; a page after the last is empty.
func TestMachinesNotFound(t *testing.T) {
	c := connect(t, defendertest.New(defendertest.Options{Machines: 3}))
	for query, status := range map[string]int{"": 200, "$skip=3": 200, "$filter=osPlatform eq 'Amiga'": 404} {
		if p := c.get("/api/machines?" + query); p.Status != status || status == 404 && p.Error.Code != "ResourceNotFound" {
			t.Errorf("%q: %d %s", query, p.Status, p.Body)
		}
	}
	empty := connect(t, defendertest.New(defendertest.Options{}))
	if p := empty.get("/api/machines"); p.Status != http.StatusNotFound {
		t.Errorf("no machines: %d", p.Status)
	}
	if p := empty.list("/api/machineactions"); len(p.Value) != 0 {
		t.Errorf("no actions: %s", p.Body)
	}
}

func TestNextLink(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 25, Now: midnight, PageSize: 10})
	c := connect(t, tenant)
	path := "/api/alerts?$skip=2&$filter=" + url.QueryEscape("lastUpdateTime ge 2026-03-01T00:00:00Z")
	var sizes []int
	var ids []string
	for path != "" {
		p := c.list(path)
		sizes = append(sizes, len(p.Value))
		ids = append(ids, p.ids()...)
		path = strings.TrimPrefix(p.NextLink, "http://example.com")
	}
	if !slices.Equal(sizes, []int{10, 10, 3}) || !slices.IsSorted(ids) || len(slices.Compact(ids)) != 23 {
		t.Errorf("pages of %v, ids %v", sizes, ids)
	}
	if p := c.list("/api/alerts?$top=10"); p.NextLink != "" {
		t.Errorf("with $top there is a next link, %s", p.NextLink)
	}
}

// Every alert is found by its own time, and keyset pages by time meet all.
func TestOrderByTimeIsComplete(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 2000, TieRun: 7, Now: midnight})
	c := connect(t, tenant)
	seen := map[string]bool{}
	bound := "2000-01-01T00:00:00Z"
	for {
		p := c.list("/api/alerts?$orderby=lastUpdateTime asc&$top=100&$filter=lastUpdateTime ge " + bound)
		for i, id := range p.ids() {
			seen[id] = true
			var alert struct{ LastUpdateTime string }
			if err := json.Unmarshal(p.Value[i], &alert); err != nil {
				t.Fatal(err)
			}
			bound = alert.LastUpdateTime
		}
		if len(p.Value) < 100 {
			break
		}
	}
	if len(seen) != 2000 {
		t.Errorf("met %d alerts", len(seen))
	}
	if _, err := time.Parse(time.RFC3339Nano, bound); err != nil {
		t.Error(err)
	}
}
