package main_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestOutputChangeInFlight swaps an output that has a batch in hand and does not
// acknowledge it for one of another type that works.
func TestOutputChangeInFlight(t *testing.T) {
	t.Parallel()
	type change struct {
		hanging func(*rig) (unit agenttest.Unit, met <-chan struct{})
		working func(*rig) (unit agenttest.Unit, stored func() int)
	}
	changes := map[string]change{}
	for name, hanging := range map[string]func(*rig) (unit agenttest.Unit, met <-chan struct{}){
		"from Logstash": func(r *rig) (agenttest.Unit, <-chan struct{}) {
			met := make(chan struct{}, 1)
			s, unit := r.newLogstash(logstashtest.Options{})
			s.Fault(logstashtest.Fault{Block: true, Met: met})
			return unit, met
		},
		"from Kafka": func(r *rig) (agenttest.Unit, <-chan struct{}) {
			met := make(chan struct{}, 1)
			c, _, unit := r.newKafka(kafkatest.Options{})
			c.Fault(kafkatest.Fault{Hang: true, Met: met})
			return unit, met
		},
	} {
		for to, working := range map[string]func(*rig) (unit agenttest.Unit, stored func() int){
			"to Elasticsearch": func(r *rig) (agenttest.Unit, func() int) {
				return elasticsearchUnit(r.esURL), func() int { return r.es.Count(dataStream) }
			},
			"to Logstash": func(r *rig) (agenttest.Unit, func() int) {
				s, unit := r.newLogstash(logstashtest.Options{})
				return unit, func() int { stats, _ := s.Stats(); return stats.Stored }
			},
			"to Kafka": func(r *rig) (agenttest.Unit, func() int) {
				_, reader, unit := r.newKafka(kafkatest.Options{})
				return unit, func() int { stats, _ := reader.Stats(); return stats.Stored }
			},
		} {
			changes[name+" "+to] = change{hanging, working}
		}
	}
	sideBySide(t, maps.All(changes), func(t *testing.T, c change) { swap(t, c.hanging, c.working) })
}

// swap has documents in hand of the first output when the second comes.
func swap(t *testing.T, hanging func(*rig) (agenttest.Unit, <-chan struct{}), working func(*rig) (agenttest.Unit, func() int)) {
	r := newRig(t, defendertest.Options{Seed: 3, Alerts: 100})
	first, met := hanging(r)
	second, stored := working(r)
	r.set(r.input(nil), first)
	r.start()
	select {
	case <-met:
	case <-r.ctx.Done():
		t.Fatal("nothing is sent to the first output")
	}
	r.set(r.input(nil), second)
	r.eventually("all documents stored", func() bool { return stored() >= r.want() })
	r.waitHealthy()
	r.stop()
	if n := stored(); n != r.want() {
		t.Errorf("%d documents, want %d", n, r.want())
	}
}

// TestCheckOfLogstash: a window of no events goes there, and who does not answer it is
// told of without being in the way.
func TestCheckOfLogstash(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"answers": false, "keeps quiet": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, defendertest.Options{Seed: 4, Alerts: 2})
			s, unit := r.newLogstash(logstashtest.Options{Before670: before})
			policy, err := json.Marshal(map[string]any{"outputs": map[string]any{"default": unit.Config}, "inputs": []any{r.input(nil).Config}}) // which is YAML, too
			if err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := runCheck(t, string(policy))
			if code != 0 || !strings.Contains(stdout, "output logstash: reachable") || strings.Contains(stderr, "does not answer a window of no events") != before {
				t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
			}
			if seen, _ := s.Stats(); seen != (logstashtest.Stats{Connections: 1}) {
				t.Errorf("Logstash saw %+v", seen)
			}
		})
	}
}
