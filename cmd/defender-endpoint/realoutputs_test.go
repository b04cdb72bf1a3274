package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestRealAgentToOthers: a real agent hands units of type logstash and kafka over,
// they are HEALTHY, and documents arrive.
func TestRealAgentToOthers(t *testing.T) {
	for name, connect := range map[string]func(*rig) (settings map[string]any, stored func() int){
		"logstash": func(r *rig) (map[string]any, func() int) {
			s, unit := r.newLogstash(logstashtest.Options{Security: logstashtest.ClientCertificates})
			return unit.Config, func() int { stats, _ := s.Stats(); return stats.Stored }
		},
		"kafka": func(r *rig) (map[string]any, func() int) {
			_, reader, unit := r.newKafka(kafkatest.Options{TLS: true, SASL: "SCRAM-SHA-512"})
			return unit.Config, func() int { stats, _ := reader.Stats(); return stats.Stored }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, defendertest.Options{Seed: 13, Alerts: 100})
			settings, stored := connect(r)
			flow, err := json.Marshal(settings) // JSON is YAML
			if err != nil {
				t.Fatal(err)
			}
			before, rest, _ := strings.Cut(policy(r.api, r.esURL), "  default: ")
			_, after, _ := strings.Cut(rest, "\n")
			a := newRealAgent(t, r, before+"  default: "+string(flow)+"\n"+after+"        interval: 1s\n")
			r.eventually("all units HEALTHY", a.healthy)
			r.eventually("all documents stored", func() bool { return stored() >= r.want() })
			a.touch(5)
			r.eventually("news are stored", func() bool { return stored() >= r.want() })
			if !a.healthy() {
				t.Errorf("not HEALTHY at the end: %+v", a.status())
			}
			a.expectStop()
			if n := stored(); n != r.want() {
				t.Errorf("%d documents, want %d", n, r.want())
			}
			t.Logf("offered %d, stored %d", r.want(), stored())
		})
	}
}
