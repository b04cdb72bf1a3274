package main_test

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
)

// killsOfOthers is how often the process is killed with Logstash and Kafka.
func killsOfOthers() int {
	if *long {
		return 100
	}
	return 5
}

// logstashRows are the kill table of Logstash, and what it may do to windows.
func logstashRows() []row {
	secure := &logstashtest.Options{Security: logstashtest.ClientCertificates}
	faulty := func(name string, faults ...logstashtest.Fault) row {
		return row{name: "r: Logstash, " + name, logstash: secure, resends: true, run: func(s *soak) {
			for _, f := range faults {
				s.stash.Fault(f)
			}
			s.start()
			s.until(3*time.Second, func() bool { return false })
			s.change(5)
		}}
	}
	return []row{
		{name: "r: Logstash, SIGKILL", logstash: secure, run: func(s *soak) { s.killAtRandom(killsOfOthers()) }},
		{name: "r: Logstash restarted 20 times", logstash: secure, resends: true, run: func(s *soak) {
			s.stash.Fault(logstashtest.Fault{Delay: 20 * time.Millisecond})
			s.start()
			for range 20 {
				before := s.sent()
				s.change(3)
				s.until(3*time.Second, func() bool { return s.sent() > before })
				if err := s.stash.Restart(); err != nil {
					s.Fatal(err)
				}
			}
		}},
		faulty("acknowledgements lost", logstashtest.Fault{LoseAck: true, Times: 4}),
		faulty("in parts, then lost", logstashtest.Fault{Partial: true, LoseAck: true, Times: 4}),
		faulty("resets", logstashtest.Fault{Reset: true, Times: 3}),
		faulty("blocked", logstashtest.Fault{Block: true}),
	}
}

// kafkaRows are the kill table of Kafka in memory; package kafka has that of a real
// broker.
func kafkaRows() []row {
	return []row{
		{name: "s: Kafka, SIGKILL", kafka: &kafkatest.Options{TLS: true, SASL: "SCRAM-SHA-512"}, run: func(s *soak) { s.killAtRandom(killsOfOthers()) }},
		{name: "s: Kafka, connections broken 20 times", kafka: &kafkatest.Options{}, resends: true, run: func(s *soak) {
			s.start()
			for range 20 {
				before := s.sent()
				s.change(3)
				s.until(time.Second, func() bool { return s.sent() > before })
				s.cluster.Break()
			}
		}},
		{name: "s: Kafka, hangs and refuses", kafka: &kafkatest.Options{}, resends: true, run: func(s *soak) {
			s.cluster.Fault(kafkatest.Fault{Code: kafkatest.Code("NOT_LEADER_FOR_PARTITION"), Times: 5})
			s.cluster.Fault(kafkatest.Fault{Code: kafkatest.Code("TOPIC_AUTHORIZATION_FAILED"), Times: 5})
			s.cluster.Fault(kafkatest.Fault{Hang: true})
			s.start()
			s.until(4*time.Second, func() bool { return false })
			s.change(5)
		}},
	}
}
