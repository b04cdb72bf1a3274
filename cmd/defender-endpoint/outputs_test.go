package main_test

import (
	"maps"
	"testing"

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
