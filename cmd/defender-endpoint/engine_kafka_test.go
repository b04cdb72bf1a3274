package main_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest/broker"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// TestEngineKafka is the program with a real broker: the kill table, swaps of outputs
// in flight, and what it shows of trouble. The long form has 100 kills of the program
// and 40 restarts of the broker.
func TestEngineKafka(t *testing.T) {
	b := &realBroker{Broker: broker.Start(t)}
	t.Run("broker is well", func(t *testing.T) {
		b.testKills(t, true, row{name: "SIGKILL of the program", run: func(s *soak) { s.killAtRandom(killsOfOthers()) }})
		t.Run("swap to it", b.testSwapTo)
		b.testSettings(t)
	})
	b.testKills(t, false, row{name: "SIGKILL of the broker", run: b.restarted(b.Kill)})
	t.Run("swap from it", b.testSwapFrom)
	b.testHealth(t, false, b.ended("Kafka silent", "", func(t *testing.T) { b.Freeze(t) }, func(t *testing.T) { b.Thaw(t) }))
	if *long {
		b.testKills(t, false, row{name: "SIGTERM of the broker", run: b.restarted(b.Stop)})
		b.testHealth(t, false, b.ended("Kafka unreachable", "connection refused", func(*testing.T) { b.Kill() }, func(t *testing.T) { b.Restart(t) }))
	}
}

// realBroker gives each test a topic of its own.
type realBroker struct {
	*broker.Broker
	topics atomic.Int32
}

func (b *realBroker) newTopic(t *testing.T, settings map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("program-%d", b.topics.Add(1))
	b.CreateTopic(t, name, 3, settings)
	return name
}

// restarted restarts the broker while documents are on their way.
func (b *realBroker) restarted(end func()) func(*soak) {
	restarts := 1
	if *long {
		restarts = 20
	}
	return func(s *soak) {
		s.start()
		for range restarts {
			before := s.sent()
			s.change(5)
			s.until(5*time.Second, func() bool { return s.sent() > before })
			s.change(5) // some of it is on its way
			end()
			b.Restart(s.T)
		}
	}
}

// testKills: nothing is lost, and only what is sent again after a kill of the program
// is in the topic twice, with its id.
func (b *realBroker) testKills(t *testing.T, parallel bool, w row) {
	t.Run(w.name, func(t *testing.T) {
		if parallel {
			t.Parallel()
		}
		topic := b.newTopic(t, nil)
		s := newSoak(t, w, *soakSeed)
		s.reader, s.output = b.Reader(t, topic), b.unit(topic, nil)
		s.apply(nil)
		r := s.prove()
		if err := s.reader.CatchUp(s.ctx, topic); err != nil {
			t.Fatal(err)
		}
		again := s.resent()
		if r.kills == 0 && again > 0 {
			t.Errorf("%d documents are in the topic twice", again)
		}
		t.Logf("%d kills of the program, %d records, %d documents, %d lost, %d stored in excess, %d messages again by their id, drained in %s",
			r.kills, r.records, r.documents, r.lost, r.twice, again, r.drained)
	})
}

// unit leads to a topic, with settings over the right ones.
func (b *realBroker) unit(topic string, more map[string]any) agenttest.Unit {
	return kafkaUnit(b.Settings(topic), more)
}

// testSwapFrom: the broker has documents in hand and is silent when another output comes.
func (b *realBroker) testSwapFrom(t *testing.T) {
	defer b.Thaw(t)
	swap(t, func(r *rig) (agenttest.Unit, <-chan struct{}) { return b.until(r, func() { b.Freeze(t) }) },
		func(r *rig) (agenttest.Unit, func() int) {
			return elasticsearchUnit(r.esURL), func() int { return r.es.Count(dataStream) }
		})
}

// testSwapTo: it is the other output for a Kafka that is silent.
func (b *realBroker) testSwapTo(t *testing.T) {
	t.Parallel()
	swap(t, func(r *rig) (agenttest.Unit, <-chan struct{}) {
		met := make(chan struct{}, 1)
		c, _, unit := r.newKafka(kafkatest.Options{})
		c.Fault(kafkatest.Fault{Hang: true, Met: met})
		return unit, met
	}, func(*rig) (agenttest.Unit, func() int) {
		topic := b.newTopic(t, nil)
		reader := b.Reader(t, topic)
		return b.unit(topic, nil), func() int { stats, _ := reader.Stats(); return stats.Stored }
	})
}

// until is a unit to which documents arrive; then the broker meets its end, and there
// are more of them.
func (b *realBroker) until(r *rig, end func()) (agenttest.Unit, <-chan struct{}) {
	topic, met := b.newTopic(r.T, nil), make(chan struct{})
	reader := b.Reader(r.T, topic)
	go func() {
		defer close(met)
		for stats, changed := reader.Stats(); stats.Messages == 0; stats, changed = reader.Stats() {
			select {
			case <-changed:
			case <-r.ctx.Done():
				return
			}
		}
		end()
		r.touch(5)
	}()
	return b.unit(topic, map[string]any{"bulk_max_size": 10.0}), met
}

// testSettings: the rows that wrong settings bring about.
func (b *realBroker) testSettings(t *testing.T) {
	topic := b.newTopic(t, nil)
	small := b.newTopic(t, map[string]string{"max.message.bytes": "3000"})
	tiny := b.newTopic(t, map[string]string{"max.message.bytes": "100"})
	with := func(topic string, more map[string]any) func(*faultRig) agenttest.Unit {
		return func(*faultRig) agenttest.Unit { return b.unit(topic, more) }
	}
	plain := map[string]any{"sasl": map[string]any{"mechanism": "PLAIN"}, "username": kafkatest.Reading, "password": kafkatest.ReadingPW}
	b.testHealth(t, true,
		faultCase{row: "Kafka TLS", says: "certificate", output: with(topic, map[string]any{"ssl": map[string]any{"verification_mode": "full"}})},
		faultCase{row: "Kafka TLS", name: "plain to TLS", says: "if it wants TLS, set ssl", output: with(topic, map[string]any{"ssl": nil})},
		faultCase{row: "Kafka TLS", name: "TLS to plain", says: "ssl.enabled: false", output: with(topic, map[string]any{"hosts": b.Plain})},
		faultCase{row: "Kafka login refused", says: "SASL_AUTHENTICATION_FAILED", output: with(topic, map[string]any{"password": "wrong"})},
		faultCase{row: "Kafka login refused", name: "mechanism", says: "UNSUPPORTED_SASL_MECHANISM", output: with(topic, map[string]any{"sasl": map[string]any{"mechanism": "SCRAM-SHA-256"}})},
		faultCase{row: "Kafka login refused", name: "no login", says: "set username", output: with(topic, map[string]any{"username": nil, "password": nil, "sasl": nil})},
		faultCase{row: "Kafka write refused", says: "topic " + topic, output: with(topic, plain)},
		faultCase{row: "Kafka topic missing", says: "topic none", output: with("none", nil)},
		faultCase{row: "Kafka refuses documents", output: with(small, map[string]any{"compression": "none"})},
		faultCase{row: "Kafka takes no form", says: dataStream, output: with(tiny, map[string]any{"compression": "none"})},
	)
}

// testHealth drives rows of the health table.
func (b *realBroker) testHealth(t *testing.T, parallel bool, cases ...faultCase) {
	rows := map[string]health.Row{}
	for _, c := range component.Conditions(defender.New("test")) {
		rows[c.Name] = c
	}
	for _, c := range cases {
		if c.heal == nil {
			c.heal = reset
		}
		t.Run(strings.TrimSpace(c.row+" "+c.name), func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			c.drive(t, rows[c.row])
		})
	}
}

// ended is trouble that begins with documents on their way.
func (b *realBroker) ended(row, says string, end, begin func(*testing.T)) faultCase {
	var met <-chan struct{}
	return faultCase{
		row: row, says: says,
		output: func(f *faultRig) (unit agenttest.Unit) {
			unit, met = b.until(f.rig, func() { end(f.T) })
			return unit
		},
		heal: func(f *faultRig) { <-met; begin(f.T) },
	}
}
