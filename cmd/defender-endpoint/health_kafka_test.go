package main_test

import (
	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
)

// newKafka starts a Kafka, a reader of it, and makes the unit that leads there.
func (r *rig) newKafka(o kafkatest.Options) (*kafkatest.Cluster, *kafkatest.Reader, agenttest.Unit) {
	r.Helper()
	c, err := kafkatest.New(o)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(c.Close)
	reader, err := c.Reader(nil)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(reader.Close)
	return c, reader, kafkaUnit(c.Settings(), nil)
}

func kafkaUnit(settings, more map[string]any) agenttest.Unit {
	settings["backoff"] = map[string]any{"init": "50ms", "max": "200ms"}
	settings["timeout"], settings["broker_timeout"] = "1s", "1s"
	for name, v := range more {
		settings[name] = v
	}
	return agenttest.Unit{ID: outputID, Type: client.UnitTypeOutput, Config: settings}
}

// viaKafka is the way to a Kafka with settings over the right ones.
func viaKafka(o kafkatest.Options, more map[string]any) func(*faultRig) agenttest.Unit {
	return func(f *faultRig) agenttest.Unit {
		cluster, reader, unit := f.newKafka(o)
		f.kafka, f.kafkaReader = cluster, reader
		return kafkaUnit(unit.Config, more)
	}
}

func kafkaCode(name string) func(*faultRig) {
	return func(f *faultRig) { f.kafka.Fault(kafkatest.Fault{Code: kafkatest.Code(name)}) }
}

func healKafka(f *faultRig) { f.kafka.Heal(); f.touch(3) }

// healKafkaRefusals raises the limit again, and makes as many deliveries as it takes
// until a refusal is forgotten. Another configuration is another output.
func healKafkaRefusals(f *faultRig) {
	f.configure(nil, kafkaUnit(f.kafka.Settings(), nil))
	for range 7 {
		before, _ := f.kafkaReader.Stats()
		f.touch(1)
		f.eventually("a delivery", func() bool { now, _ := f.kafkaReader.Stats(); return now.Stored > before.Stored })
	}
}

// kafkaCases are about Kafka.
var kafkaCases = []faultCase{
	{row: "Kafka unreachable", says: "connection refused", heal: reset, output: viaKafka(kafkatest.Options{}, map[string]any{"hosts": "127.0.0.1:1"})},
	{row: "Kafka unreachable", name: "behind a proxy", says: proxyRefuses, heal: reset, output: behindProxy(viaKafka(kafkatest.Options{}, nil))},
	{row: "Kafka TLS", says: "certificate", heal: reset, output: viaKafka(kafkatest.Options{TLS: true}, map[string]any{"ssl": map[string]any{"verification_mode": "full"}})},
	{row: "Kafka TLS", name: "plain to TLS", says: "if it wants TLS, set ssl", heal: reset, output: viaKafka(kafkatest.Options{TLS: true}, map[string]any{"ssl": nil})},
	{row: "Kafka login refused", heal: reset, output: viaKafka(kafkatest.Options{SASL: "PLAIN"}, map[string]any{"password": "wrong"})},
	{
		row: "Kafka login refused", name: "no login", says: "set username", heal: reset,
		output: viaKafka(kafkatest.Options{SASL: "SCRAM-SHA-512"}, map[string]any{"username": nil, "password": nil, "sasl": nil}),
	},
	{
		row: "Kafka write refused", says: "topic " + kafkatest.Topic, heal: reset,
		output: viaKafka(kafkatest.Options{SASL: "PLAIN"}, map[string]any{"username": kafkatest.Reading, "password": kafkatest.ReadingPW, "required_acks": 1.0}),
	},
	{row: "Kafka topic missing", says: "topic none", heal: reset, output: viaKafka(kafkatest.Options{}, map[string]any{"topic": "none"})},
	{
		row: "Kafka has no leader", says: "LEADER_NOT_AVAILABLE", output: viaKafka(kafkatest.Options{}, nil), heal: healKafka,
		spoil: func(f *faultRig) {
			f.kafka.Fault(kafkatest.Fault{Leaderless: true, Code: kafkatest.Code("NOT_LEADER_FOR_PARTITION")})
		},
	},
	{row: "Kafka lacks in-sync replicas", says: "(NOT_ENOUGH_REPLICAS)", output: viaKafka(kafkatest.Options{}, nil), heal: healKafka, spoil: kafkaCode("NOT_ENOUGH_REPLICAS")},
	{row: "Kafka fails", says: "(KAFKA_STORAGE_ERROR)", output: viaKafka(kafkatest.Options{}, nil), heal: healKafka, spoil: kafkaCode("KAFKA_STORAGE_ERROR")},
	{row: "Kafka silent", output: viaKafka(kafkatest.Options{}, nil), heal: healKafka, spoil: func(f *faultRig) { f.kafka.Fault(kafkatest.Fault{Hang: true}) }},
	{row: "Kafka refuses requests", output: viaKafka(kafkatest.Options{}, nil), heal: healKafka, spoil: kafkaCode("POLICY_VIOLATION")},
	{row: "Kafka takes no form", says: dataStream, output: viaKafka(kafkatest.Options{}, nil), heal: healKafka, spoil: kafkaCode("MESSAGE_TOO_LARGE")},
	{
		row: "Kafka refuses documents", heal: healKafkaRefusals,
		output: viaKafka(kafkatest.Options{}, map[string]any{"max_message_bytes": 2500.0, "compression": "none"}),
	},
	{row: "bad output setting", name: "Kafka", says: "sasl.mechanism", heal: reset, output: viaKafka(kafkatest.Options{SASL: "PLAIN"}, map[string]any{"sasl": map[string]any{"mechanism": "NONE"}})},
}
