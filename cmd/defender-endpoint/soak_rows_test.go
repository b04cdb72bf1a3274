package main_test

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	alertsPath   = "/api/alerts"
	machinesPath = "/api/machines"
	actionsPath  = "/api/machineactions"
)

func soakRows() []row {
	var rows []row
	for _, group := range [][]row{killRows(), dataRows(), serverRows(), throttleRows(), identityRows(), clockRows(), elasticsearchRows(), shipperRows(), stateRows(), agentlessRows(), rolloverRows(), peerRows(), hostileRows(), assessmentRows(), logstashRows(), kafkaRows()} {
		rows = append(rows, group...)
	}
	return rows
}

func killRows() []row {
	rounds := 6
	if *long {
		rounds = 200
	}
	return []row{
		{name: "a: SIGKILL at random points", run: func(s *soak) { s.killAtRandom(rounds) }},
		{name: "a: SIGKILL, shipper", shipper: &shippertest.Options{TLS: true, Name: outputID}, run: func(s *soak) { s.killAtRandom(max(rounds/10, 3)) }},
	}
}

// killAtRandom kills at random moments, while records change.
func (s *soak) killAtRandom(rounds int) {
	s.es.Fault(elasticsearchtest.Fault{Delay: 3 * time.Millisecond})
	for range rounds {
		s.change(s.random.IntN(12))
		s.startAndKill(1 + s.random.IntN(5))
	}
	// What one round sends again is at most what lay between two saves: a page
	// of alerts with up to 6 items each, one of actions, a sweep of machines.
	if most := rounds * (40*6 + 40 + 90); s.resent() > most {
		s.Errorf("%d documents were sent again in %d rounds, want at most %d", s.resent(), rounds, most)
	}
}

// startAndKill kills after some time, n requests to the API or n to the output.
func (s *soak) startAndKill(n int) {
	s.Helper()
	asked, sent := len(s.tenant.Requests()), s.sent()
	s.start()
	switch s.random.IntN(3) {
	case 0:
		s.until(time.Duration(s.random.IntN(900))*time.Millisecond, func() bool { return false })
	case 1:
		s.until(3*time.Second, func() bool { return len(s.tenant.Requests()) >= asked+n })
	case 2:
		s.until(2*time.Second, func() bool { return s.sent() >= sent+n })
	}
	s.kill()
}

// collectAll starts and waits until everything is stored.
func collectAll(s *soak) {
	s.start()
	s.waitDrained()
}

func dataRows() []row {
	return []row{
		{name: "b: all at one time, more than a page", options: defendertest.Options{Alerts: 250, TieRun: 250}, run: collectAll},
		{name: "b: ties across every page boundary", options: defendertest.Options{Alerts: 250, TieRun: 35}, settings: map[string]any{"batch_size": 25.0}, run: collectAll},
		{name: "c: updated while being paged", run: func(s *soak) {
			ids := s.ids(defendertest.Alerts, 60)
			pages := make(chan struct{}, 1000)
			s.tenant.AfterPage(func(r defendertest.Request) {
				if r.Path != alertsPath {
					return
				}
				pages <- struct{}{}
				if n := len(pages); n*2 <= len(ids) {
					_ = s.tenant.Touch(defendertest.Alerts, ids[n*2-2:n*2]...)
				}
			})
			s.start()
			s.until(20*time.Second, func() bool { return len(pages)*2 > len(ids) })
		}},
		{name: "c: visible 1 to 15 minutes late", run: func(s *soak) {
			collectAll(s)
			for minutes := 1; minutes < 15; minutes++ {
				s.arrive(time.Now().Add(-time.Duration(minutes) * time.Minute))
			}
			s.settle()
			s.kill() // what was late is known, although the cursor has not moved
			s.rollover()
			s.start()
			s.until(2500*time.Millisecond, func() bool { return false })
		}},
		{name: "c: backlog of 170 days, killed in the middle", options: defendertest.Options{Alerts: 800, Span: 170 * 24 * time.Hour},
			settings: map[string]any{"initial_interval": "4320h"}, run: func(s *soak) {
				for _, part := range []int{300, 900} {
					s.start()
					s.until(20*time.Second, func() bool { return s.es.Count(dataStream) > part })
					s.kill()
				}
			}},
		{name: "c: machines that change without a new time", run: func(s *soak) {
			collectAll(s)
			if err := s.tenant.Amend(defendertest.Machines, s.ids(defendertest.Machines, 20)...); err != nil {
				s.Fatal(err)
			}
		}},
	}
}

// rollover makes every data stream forget its ids.
func (s *soak) rollover() {
	for _, name := range s.es.DataStreams() {
		s.es.Rollover(name)
	}
}

func serverRows() []row {
	quirk := func(name string, rules ...defendertest.Rule) row {
		return row{name: "d: " + name, run: func(s *soak) {
			s.tenant.Fail(rules...)
			collectAll(s)
			s.change(5)
			s.waitDrained()
			for _, r := range rules {
				if refuses := r.RejectOrderBy || r.RejectDeepSkip > 0 || r.RejectFilterProperty != ""; refuses && !s.refusedBy(r.Path) {
					s.Error("the server never refused anything: the row proves nothing")
				}
			}
		}}
	}
	return []row{
		quirk("no nextLink with $top"),
		quirk("nextLink that leads to itself", defendertest.Rule{Path: "/api/", NextLink: defendertest.NextLinkLoop}),
		quirk("nextLink without end", defendertest.Rule{Path: "/api/", NextLink: defendertest.NextLinkEndless}),
		quirk("$top clamped", defendertest.Rule{Path: "/api/", ClampTop: 17}),
		quirk("$orderby refused", defendertest.Rule{Path: "/api/", RejectOrderBy: true}),
		quirk("deep $skip refused", defendertest.Rule{Path: "/api/", RejectOrderBy: true}, defendertest.Rule{Path: "/api/", RejectDeepSkip: 80}),
		quirk("machines not filtered by id", defendertest.Rule{Path: machinesPath, RejectFilterProperty: "id"}),
		quirk("actions not filtered by update time", defendertest.Rule{Path: actionsPath, RejectFilterProperty: "lastUpdateDateTimeUtc"}),
		quirk("one page without a body", defendertest.Rule{Path: "/api/", EmptyBody: true, After: 2, Times: 3}),
		quirk("bodies cut", defendertest.Rule{Path: "/api/", CutAfter: 20_000, Times: 6}),
		quirk("bodies that end cleanly too early", defendertest.Rule{Path: "/api/", CutAfter: 20_000, CutClean: true, Times: 4}),
		quirk("a proxy's page", defendertest.Rule{Path: "/api/", NotJSON: true, After: 1, Times: 4}),
		{name: "d: a record too large to read", options: defendertest.Options{Machines: 40, Actions: 20}, run: oneHugeRecord},
		{name: "d: machines answered with 404", run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: machinesPath, Status: 404})
			s.start()
			s.until(3*time.Second, func() bool { return false })
		}},
		{name: "d: 500 that lasts", run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: "/api/", Status: 500, After: 3})
			s.start()
			s.until(8*time.Second, func() bool { return false })
		}},
	}
}

func oneHugeRecord(s *soak) {
	s.tenant.Fail(defendertest.Rule{Path: alertsPath, HugeRecord: 17 << 20, Times: 1})
	s.start()
	s.until(5*time.Second, func() bool { return s.es.Count(dataStream) > 0 })
	if documents := s.es.Documents(dataStream); len(documents) != 1 || !strings.Contains(string(documents[0]), `"kind":"pipeline_error"`) {
		s.Errorf("%d documents stand for the record", len(documents))
	}
}

func throttleRows() []row {
	throttled := func(name string, rule defendertest.Rule) row {
		rule.Path, rule.Status = "/api/", http.StatusTooManyRequests
		return row{name: "e: " + name, run: func(s *soak) {
			s.tenant.Fail(rule)
			collectAll(s)
		}}
	}
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	rows := []row{
		throttled("429 with seconds", defendertest.Rule{Header: after("1"), After: 2, Times: 3}),
		throttled("429 with a date", defendertest.Rule{Header: after(time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)), After: 2, Times: 2}),
		throttled("429 with an odd Retry-After", defendertest.Rule{Header: after("soon"), After: 2, Times: 1}),
		{name: "e: hourly quota gone, process restarted", resends: true, run: quotaGone},
		{name: "e: another application eats the quota", long: true, options: defendertest.Options{Alerts: 1500, CallsPerMinute: 20}, settings: map[string]any{"calls_per_minute": 100.0}, run: collectAll},
	}
	rows[2].long = true // waits a minute
	return rows
}

// quotaGone restarts into a hold of every list, which lasts. It ends with the state
// that knows of it.
func quotaGone(s *soak) {
	s.tenant.Fail(defendertest.Rule{Path: "/api/", Status: 429, RetryAfter: time.Hour, After: 4})
	tells := func(states agenttest.States) bool {
		// Any stream may be the one that gets the 429; the others are held.
		return states[inputKey].State == client.UnitStateDegraded && strings.Contains(states[inputKey].Message, "quota")
	}
	refused := func() (n int) {
		for _, resource := range defendertest.Resources() {
			n += s.tenant.Counts(resource).Statuses[http.StatusTooManyRequests]
		}
		return n
	}
	s.start()
	s.wait("the unit tells", tells)
	s.eventually("all lists are held", func() bool { return refused() == 3 })
	s.end()
	for range 3 {
		s.start()
		s.wait("the unit tells", tells)
		s.kill()
	}
	if n := refused(); n != 3 {
		s.Errorf("%d calls were made into the hold", n-3)
	}
	s.forgetCalls()
}

func identityRows() []row {
	return []row{
		{name: "f: token ends while a page is read", options: defendertest.Options{Alerts: 150, TokenLifetime: 2 * time.Second}, run: func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: alertsPath, SlowPerRecord: 60 * time.Millisecond, Times: 4})
			collectAll(s)
		}},
		{name: "f: tokens revoked", run: func(s *soak) {
			s.start()
			for range 3 {
				s.until(time.Second, func() bool { return false })
				s.tenant.RevokeTokens()
				s.change(4)
			}
		}},
		{name: "f: secret rotated, then the policy", run: func(s *soak) {
			collectAll(s)
			s.secret = "another~secret"
			s.tenant.RotateSecret(s.secret)
			s.tenant.RevokeTokens()
			s.change(10)
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateFailed })
			s.apply(nil)
		}},
		{name: "f: consent withdrawn and given back", run: func(s *soak) {
			collectAll(s)
			s.tenant.SetRoles()
			s.tenant.RevokeTokens()
			s.change(10)
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateDegraded })
			s.tenant.SetRoles("Alert.Read.All", "Machine.Read.All")
			s.tenant.RevokeTokens()
		}},
		{name: "f: consent given back, old token still valid", long: true, run: func(s *soak) {
			s.tenant.SetRoles("Machine.Read.All")
			s.start()
			s.wait("the unit tells", func(states agenttest.States) bool { return states[inputKey].State == client.UnitStateDegraded })
			s.tenant.SetRoles("Alert.Read.All", "Machine.Read.All")
			s.until(65*time.Second, func() bool { return false })
		}},
	}
}

func clockRows() []row {
	return []row{
		{name: "f: our clock an hour ahead", options: defendertest.Options{Alerts: 150, Now: func() time.Time { return time.Now().Add(-time.Hour) }}, run: func(s *soak) {
			collectAll(s)
			s.change(10)
		}},
		{name: "f: our clock an hour behind", options: defendertest.Options{Alerts: 150, Now: func() time.Time { return time.Now().Add(time.Hour) }}, run: func(s *soak) {
			collectAll(s)
			s.change(10)
			s.settle()
			s.kill()
			s.rollover()
			s.start()
			s.change(10)
		}},
	}
}

func elasticsearchRows() []row {
	faulty := func(name string, faults ...elasticsearchtest.Fault) row {
		return row{name: "g: " + name, run: func(s *soak) {
			for _, f := range faults {
				s.es.Fault(f)
			}
			s.start()
			s.until(4*time.Second, func() bool { return false })
			s.change(5)
		}}
	}
	item := func(status int, share uint8) elasticsearchtest.Fault {
		return elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
			if d.ID[len(d.ID)-1]%share != 0 || status == http.StatusBadRequest && isLesser(d.JSON) {
				return elasticsearchtest.ItemFault{}
			}
			return elasticsearchtest.ItemFault{Status: status}
		}}
	}
	aside := elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
		return elasticsearchtest.ItemFault{FailureStore: d.ID[len(d.ID)-1]%5 == 0 && !isLesser(d.JSON)}
	}}
	rows := []row{
		{name: "g: 413 for large requests", maxBody: 30_000, run: collectAll},
		faulty("429 for some documents", item(429, 3)),
		faulty("403 for some documents", item(403, 3)),
		faulty("401", elasticsearchtest.Fault{Status: 401}),
		faulty("403", elasticsearchtest.Fault{Status: 403}),
		faulty("503, then connections that break", elasticsearchtest.Fault{Status: 503, Times: 3}, elasticsearchtest.Fault{Drop: true}),
		faulty("stored, but the answer is lost", elasticsearchtest.Fault{DropAnswer: true, Times: 4}),
		faulty("stored, but the answer is cut", elasticsearchtest.Fault{Answer: func(b []byte) []byte { return b[:len(b)/2] }, Times: 4}),
		faulty("slow", elasticsearchtest.Fault{Delay: 400 * time.Millisecond}),
		faulty("hangs", elasticsearchtest.Fault{Hang: true}),
	}
	rows[6].resends, rows[7].resends = true, true // their answers
	for _, w := range []row{
		faulty("400 for some documents", item(400, 4)),
		faulty("some go to the failure store", aside),
	} {
		w.refused = true
		rows = append(rows, w)
	}
	return rows
}

// isLesser reports whether a document represents one that was refused.
func isLesser(document []byte) bool {
	return bytes.Contains(document, []byte("the full document was refused"))
}

func shipperRows() []row {
	shipping := func(name string, o shippertest.Options, run func(*soak)) row {
		o.TLS, o.Name = true, outputID
		return row{name: "h: " + name, shipper: &o, resends: true, run: run}
	}
	return []row{
		shipping("queue of 30 events", shippertest.Options{Queue: 30, Delay: 10 * time.Millisecond}, collectAll),
		shipping("restarted with a new uuid", shippertest.Options{Delay: 300 * time.Millisecond}, func(s *soak) {
			s.start()
			for range 3 {
				before, _ := s.sink.Stats()
				s.until(3*time.Second, func() bool { now, _ := s.sink.Stats(); return now.Received > before.Received })
				if err := s.sink.Restart(); err != nil {
					s.Fatal(err)
				}
				s.change(5)
			}
		}),
		shipping("streams break", shippertest.Options{Delay: 50 * time.Millisecond}, func(s *soak) {
			s.start()
			for range 5 {
				s.until(500*time.Millisecond, func() bool { return false })
				s.sink.BreakStreams()
				s.change(3)
			}
		}),
		shipping("gone for a while", shippertest.Options{}, func(s *soak) {
			collectAll(s)
			s.sink.Stop()
			s.change(10)
			s.until(4*time.Second, func() bool { return false })
			if err := s.sink.Start(); err != nil {
				s.Fatal(err)
			}
		}),
		shipping("events taken, but the reply is lost", shippertest.Options{}, func(s *soak) {
			s.sink.FailPublish(&shippertest.Fault{Code: codes.Unavailable, Late: true, Times: 3})
			collectAll(s)
		}),
	}
}
