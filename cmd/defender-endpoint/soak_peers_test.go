package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// peerRows are about what is behind the component: refusals in every form,
// conditions of the cluster, a front that reads along, the elastic-agent-shipper.
func peerRows() []row {
	return slices.Concat(refusalRows(), troubleRows(), plainShipperRows(), policyRows())
}

// troubleRows are conditions that end without the document being changed.
func troubleRows() []row {
	return []row{
		{name: "g: conditions of the cluster that heal", run: func(s *soak) {
			s.start()
			for _, name := range slices.Sorted(maps.Keys(elasticsearchtest.Conditions())) {
				if name != missingPipeline {
					s.suffer(name)
					s.waitHealthy()
				}
			}
		}},
		{name: "g: a missing pipeline that comes back", beside: true, run: func(s *soak) {
			s.start()
			s.suffer(missingPipeline)
			s.refused = s.lesser() > 0
			if n := s.lesser(); n > 3 {
				s.Errorf("%d documents in lesser forms, want one for each stream at most", n)
			}
		}},
		{name: "g: stopped during trouble", resends: true, run: func(s *soak) {
			for _, f := range []elasticsearchtest.Fault{{Status: 503}, {Status: 429}, {Drop: true}, {Hang: true}} {
				s.es.Fault(f)
				s.change(5)
				before := s.sent()
				s.start()
				s.until(5*time.Second, func() bool { return s.sent() > before })
				s.end() // within its time
				s.es.Heal()
			}
		}},
	}
}

// policyRows are what a policy, an operator or a record may ask for.
func policyRows() []row {
	return []row{
		{name: "k: a bad stream beside good ones", run: func(s *soak) {
			good := s.policyStreams()
			s.apply(map[string]any{"streams": append(good,
				map[string]any{"id": "newer-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.newer"}},
				map[string]any{"id": "odd-1", "interval": "soon", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.log"}},
			)})
			collectAll(s)
			if state := s.agent.States()[inputKey].State; state != client.UnitStateFailed {
				s.Errorf("the unit is %s", state)
			}
			s.change(5)
			s.waitDrained()
			s.apply(nil)
		}},
		{name: "k: members in odd shapes", run: func(s *soak) {
			for i, member := range oddMembers() {
				s.tenant.Add(defendertest.Alerts, odd("odd", i, member))
				s.tenant.Add(defendertest.Machines, strings.Replace(odd("machine", i, member), `"evidence":[],`, "", 1))
			}
			collectAll(s)
			s.expectOddKept()
		}},
		{name: "k: collected again, killed in the middle", resends: true, run: func(s *soak) {
			s.apply(map[string]any{"streams": s.policyStreams()[:1]}) // machines are new documents each time
			s.start()
			s.eventually("alerts stored", func() bool { return s.es.Count(dataStream) >= s.want() })
			for range 3 {
				before := s.resent()
				s.wait("healthy", func(states agenttest.States) bool { return states.All(client.UnitStateHealthy) })
				if _, err := s.agent.PerformAction(s.ctx, inputKey, "collect_from", map[string]any{"time": "48h"}); err != nil {
					s.Fatal(err)
				}
				s.eventually("collected again", func() bool { return s.resent() > before+40 })
				s.kill()
				s.change(5)
				s.start()
			}
			s.apply(nil)
		}},
	}
}

// missingPipeline answers with a type that a document may have caused too, so that
// one of each batch is tried in its lesser forms. If the pipeline comes back just
// then, that form is stored beside the full one.
const missingPipeline = "missing pipeline"

// suffer lets a condition of the cluster last for a while.
func (s *soak) suffer(name string) {
	s.Helper()
	condition := elasticsearchtest.Conditions()[name]
	s.es.Fault(elasticsearchtest.Fault{Item: func(elasticsearchtest.Document) elasticsearchtest.ItemFault { return condition }})
	s.change(5)
	s.wait(name, outputIs(client.UnitStateDegraded))
	s.until(s.a(300*time.Millisecond), func() bool { return false })
	s.es.Heal()
	s.waitDrained()
}

// a is so long in the short form, and ten times as long in the long one.
func (s *soak) a(d time.Duration) time.Duration {
	if *long {
		return 10 * d
	}
	return d
}

func outputIs(state client.UnitState) func(agenttest.States) bool {
	return func(states agenttest.States) bool { return states[outputKey].State == state }
}

// isBare reports whether a document is the bare form of one that was refused.
func isBare(document []byte) bool {
	return isLesser(document) && bytes.Contains(document, []byte("SHA-256"))
}

func refusalRows() []row {
	const attack = "' UNION SELECT password"
	return []row{
		{name: "g: 400 for some documents, and for their minimal forms", refused: true, run: func(s *soak) {
			s.es.Fault(elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
				if isBare(d.JSON) || !isLesser(d.JSON) && d.ID[len(d.ID)-1]%7 != 0 {
					return elasticsearchtest.ItemFault{}
				}
				return elasticsearchtest.ItemFault{Status: 400}
			}})
			collectAll(s)
			if !slices.ContainsFunc(s.documents(), isBare) {
				s.Error("no document is bare: the row proves nothing")
			}
		}},
		{name: "g: a firewall refuses words", refused: true, run: func(s *soak) {
			for i := range 3 {
				s.tenant.Add(defendertest.Alerts, odd(attack, i, `"x":1`))
			}
			s.es.Fault(elasticsearchtest.Fault{Status: 403, Body: "<html>Request blocked</html>",
				Match: func(body []byte) bool { return bytes.Contains(body, []byte(attack)) }})
			collectAll(s)
			if n := s.lesser(); n != 3 {
				s.Errorf("%d documents in lesser forms, want those 3 that have the words", n)
			}
		}},
	}
}

func plainShipperRows() []row {
	shipping := func(name string, o shippertest.Options, run func(*soak)) row {
		o.Certificates = true
		return row{name: "h: plain, " + name, shipper: &o, resends: true, run: run}
	}
	replaced := func(end func(*soak)) func(*soak) {
		return func(s *soak) {
			s.start()
			for range 3 {
				before, _ := s.sink.Stats()
				s.until(3*time.Second, func() bool { now, _ := s.sink.Stats(); return now.Received > before.Received })
				end(s)
				if err := s.sink.Start(); err != nil {
					s.Fatal(err)
				}
				s.change(5)
			}
		}
	}
	return []row{
		shipping("persists late", shippertest.Options{Delay: 1500 * time.Millisecond}, collectAll),
		shipping("killed", shippertest.Options{Delay: 300 * time.Millisecond}, replaced(func(s *soak) { s.sink.Stop() })),
		shipping("ended by SIGTERM", shippertest.Options{Delay: 300 * time.Millisecond}, replaced(func(s *soak) { s.sink.Terminate(20) })),
		shipping("never persists some", shippertest.Options{}, func(s *soak) {
			collectAll(s)
			s.sink.GiveUp(3)
			s.change(10)
			s.until(2*time.Second, func() bool { return false })
			if *long { // it takes most of a minute
				s.wait("the unit tells", outputIs(client.UnitStateDegraded))
			}
			if err := s.sink.Restart(); err != nil { // which alone ends it
				s.Fatal(err)
			}
		}),
	}
}

// odd is an alert with a member more.
func odd(title string, n int, member string) string {
	stamp := time.Now().UTC().Add(-time.Duration(n+1) * time.Minute).Format("2006-01-02T15:04:05.0000000Z")
	return fmt.Sprintf(`{"id":"%x-%d","lastUpdateTime":%q,"alertCreationTime":%q,"title":%q,"evidence":[],%s}`, title, n, stamp, stamp, title, member)
}

// oddMembers are members that nobody declared, in shapes that change, and known
// ones in shapes that nobody declared.
func oddMembers() []string {
	members := []string{
		`"news":1`, `"news":"text"`, `"news":true`, `"news":null`, `"news":{"a":{"b":[1,"2"]}}`, `"news":[{"a":1},2,"3"]`,
		`"news.part":1,"news":{"part":2}`, `" ":1,".":2,"..":{"":3}`,
		`"news":` + strings.Repeat(`{"a":`, 25) + "1" + strings.Repeat("}", 25),
		`"news":"` + strings.Repeat("x", 40_000) + `"`,
		`"comments":"text"`, `"loggedOnUsers":["bob"]`, `"domains":[{"host":"a.example"},"b.example"]`, `"mitreTechniques":[{"id":"T1059"}]`,
	}
	var many strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&many, `"news%d":%d,`, i, i)
	}
	return append(members, strings.TrimSuffix(many.String(), ","))
}

// expectOddKept checks that undeclared members are texts of one field, no matter what
// they were.
func (s *soak) expectOddKept() {
	s.Helper()
	found := 0
	for _, d := range s.documents() {
		var document map[string]any
		if err := json.Unmarshal(d, &document); err != nil {
			s.Fatal(err)
		}
		for _, unknown := range []any{
			at(document, "microsoft", "defender_endpoint", "unknown"),
			at(document, "microsoft_defender_endpoint", "machine", "unknown"),
		} {
			members, _ := unknown.(map[string]any)
			if v := members["news"]; v != nil {
				found++
			}
			for name, v := range members {
				if _, text := v.(string); !text {
					s.Errorf("%s is a %T", name, v)
				}
			}
		}
	}
	if found < 16 {
		s.Errorf("%d documents have the member, want 16", found)
	}
}
