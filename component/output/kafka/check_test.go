package kafka

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
)

// connectionCases are what may be wrong before a message is sent. Each is told by
// the check at once, and by the output with its first try.
var connectionCases = map[string]struct {
	cluster kafkatest.Options
	alter   m
	reason  output.Reason // Other: nothing is wrong
	says    string
	unseen  bool // by the check: kfake does not tell whether topics are made by themselves
}{
	"plain":           {},
	"login":           {cluster: kafkatest.Options{SASL: "PLAIN"}},
	"SCRAM 256":       {cluster: kafkatest.Options{SASL: "SCRAM-SHA-256"}},
	"TLS and login":   {cluster: kafkatest.Options{TLS: true, SASL: "SCRAM-SHA-512"}},
	"no verification": {cluster: kafkatest.Options{TLS: true}, alter: m{"ssl": m{"verification_mode": "none"}}},
	"wrong password": {
		cluster: kafkatest.Options{SASL: "PLAIN"}, alter: m{"password": "planted"}, reason: output.Unauthorized, says: "answer to the login",
	},
	"wrong user": {
		cluster: kafkatest.Options{SASL: "SCRAM-SHA-512"}, alter: m{"username": "nobody"}, reason: output.Unauthorized, says: "answer to the login",
	},
	"no login": {
		cluster: kafkatest.Options{SASL: "PLAIN"}, alter: m{"username": nil, "password": nil, "sasl": nil}, reason: output.Unauthorized, says: "set username",
	},
	"another authority": {cluster: kafkatest.Options{TLS: true}, alter: m{"ssl": m{"verification_mode": "certificate"}}, reason: output.NoTLS, says: "certificate"},
	"plain to TLS":      {cluster: kafkatest.Options{TLS: true}, alter: m{"ssl": nil}, reason: output.NoTLS, says: "if it wants TLS, set ssl"},
	"TLS to plain":      {alter: m{"ssl": m{"enabled": true}}, reason: output.NoTLS, says: "ssl.enabled: false"},
	"may only look": {
		cluster: kafkatest.Options{SASL: "PLAIN"}, alter: m{"username": kafkatest.Reading, "password": kafkatest.ReadingPW}, reason: output.Forbidden,
	},
	"topic missing": {alter: m{"topic": "none"}, reason: output.IndexMissing, says: "UNKNOWN_TOPIC_OR_PARTITION: topic none", unseen: true},
}

func TestConnections(t *testing.T) {
	for name, tt := range connectionCases {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, tt.cluster), newReporter()
			settings := s.Settings()
			maps.Copy(settings, tt.alter)
			found, err := Check(deadline(t), with(settings, m{"timeout": "2s"}), []string{target.Name()})
			got := output.ReasonOf(err)
			if len(found.Denied) > 0 {
				got = output.Forbidden
			}
			if !tt.unseen && (got != tt.reason || (err == nil) != (tt.reason == output.Other || len(found.Denied) > 0) || err != nil && !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("check found %+v, %v, want %s", found, err, tt.reason)
			}
			ctx := deadline(t)
			done := publish(ctx, connect(t, settings, r, m{"timeout": "2s"}), batch(0, 3))
			if err = <-r.Changed; (err == nil) != (tt.reason == output.Other) || err != nil && output.ReasonOf(err) != tt.reason || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("reported %v, want %s", err, tt.reason)
			}
			if strings.Contains(fmt.Sprint(err), "planted") {
				t.Error("the password shows")
			}
			if err == nil {
				compare(t, "published", nil, <-done)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	settings, r := m{"hosts": l.Addr().String(), "topic": "t"}, newReporter()
	if _, err := Check(deadline(t), settings, nil); output.ReasonOf(err) != output.Unreachable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("check says %v", err)
	}
	out := connect(t, settings, r, nil)
	publish(deadline(t), out, batch(0, 1))
	if err := <-r.Changed; output.ReasonOf(err) != output.Unreachable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("reported %v", err)
	}
}

// with are settings with more over them.
func with(settings, more m) m {
	all := maps.Clone(settings)
	maps.Copy(all, more)
	return all
}
