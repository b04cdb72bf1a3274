package kafka

import (
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

type m = map[string]any

// TestSettingsOfElasticAgent: the example of Elastic Agent's documentation, and what
// Fleet makes of its form.
func TestSettingsOfElasticAgent(t *testing.T) {
	c, err := readConfig(m{
		"type": "kafka", "hosts": []any{"kafka1:9092", "kafka2", "[::1]"}, "username": "u", "password": "p", "sasl": m{"mechanism": "SCRAM-SHA-256"},
		"topic": "elastic-agent", "version": "1.0.0", "client_id": "Elastic", "compression": "gzip", "compression_level": 4.0,
		"partition": m{"round_robin": m{"group_events": 1.0}}, "required_acks": 1.0, "broker_timeout": 30.0, "timeout": 30.0,
		"headers": []any{m{"key": "a", "value": "b"}}, "backoff": m{"init": "2s", "max": "3s"}, "bulk_max_size": 0.0, "max_retries": 3.0,
		"codec.json": m{"pretty": false}, "channel_buffer_size": 256.0, "queue.mem.events": 10.0, "metadata.retry": m{"max": 3.0, "backoff": "250ms"}, "metadata.full": false,
		"__mark_redact_password": true, "ssl": nil, "kerberos.enabled": false, "policy": m{"revision": 1.0}, "random": m{},
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "hosts", []string{"kafka1:9092", "kafka2:9092", "[::1]:9092"}, c.hosts)
	compare(t, "loop", output.Options{BulkMax: math.MaxInt, Workers: 2, BackoffInit: 2 * time.Second, BackoffMax: 3 * time.Second}, c.loop)
}

func TestSettingsFaults(t *testing.T) {
	with := func(more m) m { return with(m{"hosts": "a", "topic": "t"}, more) }
	for name, tt := range map[string]struct {
		settings m
		faults   []string
	}{
		"nothing":                 {m{}, []string{"hosts: missing", "topic: missing"}},
		"hosts":                   {with(m{"hosts": []any{"", "kafka://a", "a:b", "u@h"}}), []string{"hosts: entry 1 ", "hosts: entry 2 ", "hosts: entry 3 ", "hosts: entry 4 "}},
		"topic pattern":           {with(m{"topic": "a b"}), []string{"topic: may have"}},
		"topic is no name":        {with(m{"topic": ".."}), []string{"topic: must not"}},
		"topic format":            {with(m{"topic": "%{[a}"}), []string{"topic: wants fields"}},
		"topic format, no end":    {with(m{"topic": "a%{[a]"}), []string{"topic: has a %{"}},
		"topic format, a time":    {with(m{"topic": "%{+yyyy}"}), []string{"topic: wants fields"}},
		"topics":                  {with(m{"topics": []any{m{"topics": "x"}, m{"topic": "x", "when": m{"range": m{"a": "b"}}}, m{"topic": "x/y"}, m{"topic": "x", "mappings": "y"}, m{"default": "x"}}}), []string{"topics: entry 1: ", "topics: entry 2: when range: a: want", "topics: entry 3: ", "topics: entry 4: ", "topics: entry 5: "}},
		"topics with conditions":  {m{"hosts": "a", "topics": []any{m{"topic": "x", "when": m{"equals": m{"a": "b"}}}}}, []string{"topic: missing"}},
		"codec":                   {with(m{"compression": "rar"}), []string{"compression: must be none, gzip, snappy, lz4 or zstd"}},
		"encoding":                {with(m{"codec": m{"format": m{"string": "x"}}}), []string{"codec: must be json"}},
		"password without a user": {with(m{"password": "planted"}), []string{"username: missing"}},
		"mechanism without user":  {with(m{"sasl.mechanism": "PLAIN"}), []string{"username: missing"}},
		"user without a password": {with(m{"username": "u"}), []string{"password: missing"}},
		"mechanism":               {with(m{"username": "u", "password": "planted", "sasl.mechanism": "GSSAPI"}), []string{"sasl.mechanism: must be"}},
		"missing client key":      {with(m{"ssl": m{"certificate": "/a.pem"}}), []string{"ssl.key: missing"}},
		"partition":               {with(m{"partition": m{"sticky": m{"group_events": 1.0}}}), []string{"partition: sticky is not known"}},
		"two partitions":          {with(m{"partition": m{"hash": m{"random": true}, "random": m{"group_events": 1.0}}}), []string{"partition: must be one"}},
		"message":                 {with(m{"key": "%{x}", "headers": []any{m{"value": "x"}, m{"key": "a", "value": "%{"}}, "version": "two"}), []string{"key: ", "headers: entry 1: key", "headers: entry 2: value", "version: "}},
		"limits": {with(m{"required_acks": 2.0, "compression_level": 10.0, "max_message_bytes": 1.0, "bulk_flush_frequency": "-1s", "timeout": "0s", "broker_timeout": "1ms", "metadata": m{"refresh_frequency": "0s", "retry.backoff": "0s"}, "backoff": m{"init": "0s", "max": "-1s"}, "kerberos": m{"realm": "x"}}),
			[]string{"required_acks: ", "compression_level: ", "max_message_bytes: ", "bulk_flush_frequency: ", "timeout: ", "broker_timeout: ", "metadata.refresh_frequency: ", "metadata.retry.backoff: ", "backoff.init: ", "backoff.max: ", "kerberos: "}},
		"types": {with(m{"timeout": "soon", "required_acks": "all", "headers": "x"}), []string{"timeout: ", "required_acks: ", "headers"}},
		"proxy": {with(m{"proxy_url": "http://u:planted@proxy"}), []string{"proxy_url: must be socks5"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.settings, newReporter(), slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("no fault")
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tt.faults) || strings.Contains(err.Error(), "planted") {
				t.Fatalf("want %q, got:\n%v", tt.faults, err)
			}
			for _, want := range tt.faults {
				if !strings.Contains("\n"+err.Error(), "\n"+want) {
					t.Errorf("no fault %q in:\n%v", want, err)
				}
			}
		})
	}
}

// TestTopics: rules in their order, mappings, what stands in for a missing field.
func TestTopics(t *testing.T) {
	c, err := readConfig(m{"hosts": "a", "topic": "rest-%{[data_stream.namespace]}", "topics": []any{
		m{"topic": "%{[a.b]}", "mappings": m{"x.y": "mapped"}, "when": m{"contains": m{"a.b": "x"}}},
		m{"topic": "%{[c]}", "default": "fallback", "when.equals": m{"a.b": "d"}},
		m{"topic": "%{[c]}", "when.equals.a.b": "e"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"a":{"b":"x.y"}}`: "mapped", `{"a":{"b":"x1"}}`: "x1", `{"a":{"b":"x !"}}`: "rest-default", `{"a":{"b":"d"}}`: "fallback",
		`{"a":{"b":"d"},"c":"own"}`: "own", `{"a":{"b":"e"}}`: "rest-default", `{}`: "rest-default", `{"a":{"b":["x"]}}`: "rest-default",
	} {
		topic, _ := c.topicOf(nil, &target, &inputs.Document{JSON: []byte(text)})
		if string(topic) != want {
			t.Errorf("%s: %q, want %q", text, topic, want)
		}
	}
	compare(t, "known", []string{"rest-default", "rest-other"}, c.known(targetsOf([]string{"logs-a-default", "logs-b-other", "odd"})))
}

// TestTopicConditions: those of processors, on the document as it is written, and on
// what is known of it beside its fields.
func TestTopicConditions(t *testing.T) {
	const text = `{"@timestamp":"2026-01-01T00:00:00.000Z","event":{"kind":"alert","severity":73},"host":{"ip":["10.1.2.3"],"name":"pc-1"},"none":null}`
	for when, want := range map[string]bool{
		`{"equals":{"event.severity":73}}`: true, `{"equals":{"event":{"kind":"alert"},"host.name":"pc-2"}}`: false,
		`{"contains":{"host.name":"pc"}}`: true, `{"regexp":{"host.name":"^pc-\\d$"}}`: true, `{"regexp":{"host.name":"^\\d$"}}`: false,
		`{"range":{"event.severity":{"gte":70,"lt":73.5}}}`: true, `{"range":{"event":{"severity":{"gt":73}}}}`: false,
		`{"network":{"host.ip":["10.0.0.0/8"]}}`: true, `{"network":{"host.ip":"public"}}`: false,
		`{"has_fields":["event.kind","host"]}`: true, `{"has_fields":["none"]}`: false, `{"not":{"has_fields":["nothing"]}}`: true,
		`{"and":[{"equals":{"event.kind":"alert"}},{"or":[{"has_fields":["nothing"]},{"range":{"event":{"severity":{"lte":73}}}}]}]}`: true,
		`{"equals":{"data_stream":{"dataset":"microsoft_defender_endpoint.log"}}}`:                                                    true, `{"equals":{"@metadata":{"_id":"quo\"ted"}}}`: true,
		`{"equals":{"@timestamp":"2026-01-01T00:00:00.000Z"}}`: true, `{"equals":{"data_stream.type":"metrics"}}`: false,
	} {
		var tree m
		if err := json.Unmarshal([]byte(when), &tree); err != nil {
			t.Fatal(err)
		}
		c, err := readConfig(m{"hosts": "a", "topic": "rest", "topics": []any{m{"topic": "met", "when": tree}}})
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		topic, _ := c.topicOf(nil, &target, &inputs.Document{ID: `quo"ted`, JSON: []byte(text)})
		if met := string(topic) == "met"; met != want {
			t.Errorf("%s: %t", when, met)
		}
	}
}
