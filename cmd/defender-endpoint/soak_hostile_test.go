package main_test

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// hostileRounds is how often the program is killed in each row of a server that
// misbehaves: 300 times and more in the long form.
func hostileRounds() int {
	if *long {
		return 7
	}
	return 1
}

// hostileRows are servers that refuse, ignore or mislead, clocks, late records
// and versions. Each is as it is while the program is killed and started again,
// and everything must be stored before it heals: then nothing stands still.
func hostileRows() []row {
	rows := slices.Concat(refusedRows(), misleadingRows(), largePageRows(), waitingRows(), timeRows(), ownClockRows(), versionRows(), poisonRows(), drippingRows(), evidenceRows(), []row{{name: "p: another tenant in the same streams, and back", run: otherTenant}})
	kinds := map[byte]bool{}
	for i := range rows { // the short form has the first row of each kind
		rows[i].long = kinds[rows[i].name[0]]
		kinds[rows[i].name[0]] = true
	}
	return rows
}

// against is a server that breaks these rules throughout.
func against(name string, rules ...defendertest.Rule) row {
	return row{name: name, run: func(s *soak) {
		s.tenant.Fail(rules...)
		s.killedOften()
		s.waitDrained()
	}}
}

// killedOften kills at random points while records change, and starts again.
func (s *soak) killedOften() {
	for range hostileRounds() {
		s.change(3)
		if !s.running {
			s.start()
		}
		s.until(time.Duration(300+s.random.IntN(900))*time.Millisecond, func() bool { return false })
		s.kill()
	}
	s.start()
}

func refusedRows() []row {
	var rows []row
	for _, wording := range []string{"BadRequest", "ODataError", ""} {
		said := " refused with no code"
		if wording != "" {
			said = " refused with " + wording
		}
		refuse := func(name string, r defendertest.Rule) {
			r.Status, r.Body = http.StatusBadRequest, defendertest.APIError(wording, "No.")
			if r.Path == "" {
				r.Path = "/api/"
			}
			rows = append(rows, against("r: "+name+said, r))
		}
		refuse("$orderby", defendertest.Rule{With: defendertest.OrderBy})
		refuse("$top above 20", defendertest.Rule{TopAbove: 20})
		refuse("$skip above 60", defendertest.Rule{SkipAbove: 60})
		refuse("machines behind an id", defendertest.Rule{Path: machinesPath, With: defendertest.IDAfter})
		refuse("update time of actions", defendertest.Rule{Path: actionsPath, FilterBy: "lastUpdateDateTimeUtc"})
	}
	return rows
}

func misleadingRows() []row {
	return []row{
		against("l: sorted within the page", defendertest.Rule{Path: "/api/", SortPage: true}),
		against("l: sorted by nothing", defendertest.Rule{Path: "/api/", Sort: defendertest.Shuffled}),
		against("l: filter ignored", defendertest.Rule{Path: "/api/", Ignore: defendertest.Filter}),
		against("l: $orderby ignored", defendertest.Rule{Path: "/api/", Ignore: defendertest.OrderBy}),
		against("l: $top ignored", defendertest.Rule{Path: "/api/", Ignore: defendertest.Top}),
		against("l: $skip ignored", defendertest.Rule{Path: "/api/", Ignore: defendertest.Skip}),
		against("l: whole seconds", defendertest.Rule{Path: "/api/", WholeSeconds: true}),
		against("l: pages that never end", defendertest.Rule{Path: machinesPath, Endless: true}),
		against("l: 404 behind the first page", defendertest.Rule{Path: "/api/", Status: http.StatusNotFound, After: 2, Times: 3}),
		against("l: an empty page behind the first", defendertest.Rule{Path: "/api/", EmptyPage: true, After: 2, Times: 3}),
	}
}

func largePageRows() []row {
	var rows []row
	add := func(name string, r defendertest.Rule) {
		r.Path, r.Holds = "/api/", 20
		rows = append(rows, against("m: pages of more than 20 records, "+name, r))
	}
	add("504", defendertest.Rule{Status: http.StatusGatewayTimeout})
	add("500", defendertest.Rule{Status: http.StatusInternalServerError})
	add("400", defendertest.Rule{Status: http.StatusBadRequest, Body: defendertest.APIError("BadRequest", "The result set is too large.")})
	add("cut", defendertest.Rule{CutAfter: 8_000})
	return rows
}

// waitingRows are servers that are waited for. While nothing comes the unit tells.
func waitingRows() []row {
	tells := func(name string, rule defendertest.Rule) row {
		return row{name: "n: " + name, settings: map[string]any{"http_client_timeout": "2s"}, run: func(s *soak) {
			s.killedOften()
			s.waitDrained()
			s.tenant.Fail(rule)
			s.change(5)
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateDegraded })
			s.tenant.Heal()
			s.waitDrained()
		}}
	}
	return []row{
		tells("silence", defendertest.Rule{Path: "/api/", Silent: true}),
		against("n: one 503 that asks for two seconds", defendertest.Rule{Path: "/api/", Status: http.StatusServiceUnavailable, RetryAfter: 2 * time.Second, After: 1, Times: 2}),
		against("n: 429 with a date", defendertest.Rule{Path: "/api/", Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second, RetryDate: true, After: 1, Times: 2}),
		tells("503 that asks for minutes", defendertest.Rule{Path: alertsPath, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Minute, Times: 1000}),
		{name: "n: 429 of machines alone", resends: true, run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: machinesPath, Status: http.StatusTooManyRequests, RetryAfter: 90 * time.Second})
			began := time.Now()
			s.killedOften()
			s.eventually("alerts are stored", s.alertsStored)
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateDegraded })
			s.killedOften() // into a hold that lasts
			if calls := s.tenant.Counts(defendertest.Machines).Calls; calls > 1+int(time.Since(began)/(90*time.Second)) {
				s.Errorf("%d calls of machines in %s, although each was answered with 90 seconds to wait", calls, time.Since(began))
			}
			s.tenant.Heal()
			s.until(90*time.Second, s.drained())
		}},
		{name: "n: started again and again within the quota", options: defendertest.Options{Alerts: 20, Machines: 10, Actions: 10},
			settings: map[string]any{"calls_per_minute": 20.0, "calls_per_hour": 300.0}, run: func(s *soak) {
				for range 25 {
					s.start()
					s.until(400*time.Millisecond, func() bool { return false })
					s.kill()
				}
				s.start()
				s.waitDrained() // seldom asked, machines last
				if most := s.busiestMinute(); most > 20 || most == 0 {
					s.Errorf("%d calls in a minute, want 20 at most", most)
				}
			}},
	}
}

// alertsStored reports whether all alerts are, as they are now.
func (s *soak) alertsStored() bool {
	stored := map[string]bool{}
	for _, d := range s.es.Documents(dataStream) {
		var document struct {
			Event struct {
				Original string `json:"original"`
			} `json:"event"`
		}
		s.try(json.Unmarshal(d, &document))
		stored[document.Event.Original] = true
	}
	for body := range s.tenant.Bodies(defendertest.Alerts) {
		if !stored[body] {
			return false
		}
	}
	return true
}

// busiestMinute is the largest number of calls that the tenant had of the API in
// any minute.
func (s *soak) busiestMinute() (most int) {
	var calls []time.Time
	for _, r := range s.tenant.Requests() {
		if strings.HasPrefix(r.Path, "/api/") {
			calls = append(calls, r.Time)
		}
	}
	for i, at := range calls {
		first := slices.IndexFunc(calls, func(c time.Time) bool { return at.Sub(c) <= time.Minute })
		most = max(most, i-first+1)
	}
	return most
}

func timeRows() []row {
	return []row{
		{name: "o: late records while Elasticsearch is away", settings: map[string]any{"overlap": "5s"}, run: func(s *soak) {
			s.killedOften()
			s.settle()
			s.es.Fault(elasticsearchtest.Fault{Status: http.StatusServiceUnavailable})
			s.change(5)
			for range 8 { // the poll lasts longer than the overlap
				s.until(time.Second, func() bool { return false })
				s.arrive(time.Now().Add(-4 * time.Second))
			}
			s.es.Heal()
			s.waitDrained()
		}},
		{name: "o: an alert dated 2099", run: func(s *soak) {
			s.arrive(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
			s.killedOften()
			s.change(5)
			s.waitDrained()
		}},
		{name: "o: the tenant's clock jumps two days on and back", run: func(s *soak) { s.jump(48 * time.Hour) }},
		{name: "o: the tenant's clock jumps a month back and on", run: func(s *soak) { s.jump(-30 * 24 * time.Hour) }},
	}
}

// jump moves the tenant's clock for some polls.
func (s *soak) jump(d time.Duration) {
	s.killedOften()
	s.settle()
	s.tenant.MoveClock(d)
	s.until(4*time.Second, func() bool { return false })
	s.tenant.MoveClock(-d)
	s.change(10)
	s.killedOften()
	s.waitDrained()
}

func versionRows() []row {
	rows := []row{
		{name: "p: alerts and actions revised without a new time", options: defendertest.Options{Alerts: 60, Machines: 30, Actions: 30, Span: 5 * time.Minute}, run: func(s *soak) {
			s.killedOften()
			s.settle()
			for _, resource := range []defendertest.Resource{defendertest.Alerts, defendertest.MachineActions} {
				if err := s.tenant.Revise(resource, s.ids(resource, 20)...); err != nil {
					s.Fatal(err)
				}
			}
			s.waitDrained()
		}},
		{name: "p: a stream renamed, after a rollover", run: func(s *soak) {
			s.killedOften()
			s.settle()
			s.rollover()
			streams := s.policyStreams()
			for _, stream := range streams {
				stream.(map[string]any)["id"] = stream.(map[string]any)["id"].(string) + "-renamed"
			}
			s.apply(map[string]any{"streams": streams})
			s.change(10)
			s.waitDrained()
		}},
	}
	for name, w := range map[string]defendertest.Writing{
		"members reversed": defendertest.Reordered, "spaces": defendertest.Spaced, "one more null": defendertest.ExtraNull,
		"numbers": defendertest.Numbers, "addresses": defendertest.Addresses,
	} {
		rows = append(rows, row{name: "p: written otherwise, " + name, run: func(s *soak) {
			s.killedOften()
			s.settle()
			s.rollover()
			stored := len(s.documents())
			s.tenant.Fail(defendertest.Rule{Path: "/api/", Writing: w})
			asked := len(s.tenant.Requests())
			s.eventually("all is read again", func() bool { return len(s.tenant.Requests()) >= asked+30 })
			if n := len(s.documents()); n != stored {
				s.Errorf("%d documents more for the same content", n-stored)
			}
		}})
	}
	return rows
}

// poisonRows have one record that cannot be served. A document represents it,
// and the others are collected; it is counted when it is served again.
func poisonRows() []row {
	poison := func(name string, rule defendertest.Rule) row {
		rule.Serves = "poison"
		return row{name: "q: one record cannot be served, " + name, unserved: true, run: func(s *soak) {
			at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
			s.tenant.Add(defendertest.Alerts, `{"id":"poison","title":"by hand","alertCreationTime":"`+at+`","lastUpdateTime":"`+at+`","evidence":[]}`)
			s.tenant.Fail(rule)
			s.killedOften()
			s.waitDrained()
		}}
	}
	return []row{
		poison("cut", defendertest.Rule{Damage: defendertest.CutInside}),
		poison("500", defendertest.Rule{Status: http.StatusInternalServerError}),
		poison("control character", defendertest.Rule{Damage: defendertest.ControlCharacter}),
		poison("nesting", defendertest.Rule{Damage: defendertest.DeepNesting}),
	}
}

// drippingRows are answers that come slowly: too slowly to be of use, and not.
func drippingRows() []row {
	few := defendertest.Options{Alerts: 40, Machines: 20, Actions: 20, EvidencePerAlert: 1}
	return []row{
		{name: "n: a body that drips, and is of use", options: few, run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: "/api/", BytesPerSecond: 10_000})
			s.killedOften()
			s.waitDrained()
		}},
		{name: "n: a body that drips for ever", options: few, run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: "/api/", BytesPerSecond: 200})
			s.killedOften()
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateDegraded })
			s.tenant.Heal()
			s.waitDrained()
		}},
	}
}

// evidenceRows do not give the evidence of alerts for a while. It must come all the
// same, of every alert, although none of them changes.
func evidenceRows() []row {
	refused := defendertest.Rule{Path: alertsPath, With: defendertest.Expand, Status: http.StatusBadRequest, Body: defendertest.APIError("BadRequest", "No.")}
	withoutEvidence := func(s *soak, rule defendertest.Rule) {
		s.tenant.Fail(rule)
		s.killedOften()
		s.eventually("all alerts are stored, without evidence", func() bool { return s.es.Count(dataStream) >= len(s.ids(defendertest.Alerts, 1000)) })
		s.settleWithout()
		if missing, _ := s.compare(); missing == 0 {
			s.Error("no evidence is missing: the row proves nothing")
		}
	}
	return []row{
		{name: "r: $expand refused for a while, then killed", run: func(s *soak) {
			withoutEvidence(s, refused)
			s.kill()
			s.tenant.Heal()
			s.killedOften()
			s.waitDrained()
		}},
		{name: "l: $expand ignored for a while", options: defendertest.Options{Alerts: 60, Machines: 30, Actions: 30, Span: 5 * time.Minute}, run: func(s *soak) {
			withoutEvidence(s, defendertest.Rule{Path: alertsPath, Ignore: defendertest.Expand})
			s.tenant.Heal()
			s.killedOften()
			s.waitDrained()
		}},
	}
}

// settleWithout waits for two polls of alerts more.
func (s *soak) settleWithout() {
	s.Helper()
	before := s.tenant.Counts(defendertest.Alerts).Calls
	s.eventually("cursors saved", func() bool { return s.tenant.Counts(defendertest.Alerts).Calls >= before+6 })
}

// otherTenant gives the streams another tenant in the middle of what changes, and
// the first one again.
func otherTenant(s *soak) {
	options := s.options
	options.Seed, options.TenantID = options.Seed+1000, "5d1f3f0a-0000-4c53-8d38-0d4f3a1c6a10"
	first, second := s.tenant, defendertest.New(options)
	url := listen(s.T, second)
	use := map[*defendertest.Tenant]map[string]any{
		first: nil, second: {"tenant_id": options.TenantID, "url": url, "login_url": url},
	}
	for range hostileRounds() {
		for _, tenant := range []*defendertest.Tenant{second, first} {
			if s.running {
				s.change(10) // and moved on before they are collected
			}
			s.tenant = tenant
			s.apply(use[tenant])
			s.killedOften()
			s.waitDrained() // of this one
		}
	}
	s.tenant = second
	s.apply(use[second])
	s.waitDrained()
	s.tenant, s.others = first, []*defendertest.Tenant{second}
	s.apply(nil)
}
