package kafka

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest/broker"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// TestEngineKafka has one real broker for all that needs one.
func TestEngineKafka(t *testing.T) {
	b := broker.Start(t)
	t.Run("contract", func(t *testing.T) { testBrokerContract(t, b) })
	t.Run("connections", func(t *testing.T) { testBrokerConnections(t, b) })
	t.Run("refused", func(t *testing.T) { testBrokerRefuses(t, b) })
	t.Run("kill", func(t *testing.T) { testBrokerKill(t, b) })
}

// topics numbers the topics of a broker's tests.
var topics atomic.Int32

func newTopic(t *testing.T, b *broker.Broker, settings map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("topic-%d", topics.Add(1))
	b.CreateTopic(t, name, 3, settings)
	return name
}

// testBrokerContract: the publisher contract with every codec, both logins.
func testBrokerContract(t *testing.T, b *broker.Broker) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			inputstest.RunPublisherContract(t, func(t *testing.T) inputstest.Subject {
				topic, down := newTopic(t, b, nil), map[string]any{"compression": codec, "bulk_max_size": 20.0}
				if codec == "lz4" {
					down["sasl"] = m{"mechanism": "PLAIN"}
				}
				reader := b.Reader(t, topic)
				out := connect(t, b.Settings(topic), newReporter(), down)
				gate := &gated{Publisher: out}
				return inputstest.Subject{
					Publisher: gate, Down: gate.down, Heal: gate.heal,
					Documents: func() (all []inputstest.Document) {
						if err := reader.CatchUp(deadline(t), topic); err != nil {
							t.Fatal(err)
						}
						for _, d := range reader.Documents() {
							all = append(all, inputstest.Document{DataStream: d.Index, ID: d.ID, JSON: d.JSON})
						}
						return all
					},
				}
			})
		})
	}
}

// gated is a Publisher whose way to the broker is closed while it is down: the
// broker has other tests to serve.
type gated struct {
	inputs.Publisher
	closed atomic.Pointer[chan struct{}]
	tried  chan<- struct{}
}

func (g *gated) down(tried chan<- struct{}) {
	g.tried = tried
	closed := make(chan struct{})
	g.closed.Store(&closed)
}

func (g *gated) heal() {
	if closed := g.closed.Swap(nil); closed != nil {
		close(*closed)
	}
}

func (g *gated) Publish(ctx context.Context, b *inputs.Batch) error {
	if closed := g.closed.Load(); closed != nil && b.Len() > 0 {
		g.tried <- struct{}{}
		select {
		case <-*closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Publisher.Publish(ctx, b)
}

// testBrokerConnections: what a real broker says is told by its cause, by the check
// and with the first try.
func testBrokerConnections(t *testing.T, b *broker.Broker) {
	topic := newTopic(t, b, nil)
	for name, tt := range map[string]struct {
		alter  m
		reason output.Reason // Other: nothing is wrong
		says   string
	}{
		"right":             {},
		"PLAIN":             {alter: m{"sasl": m{"mechanism": "PLAIN"}}},
		"leader alone":      {alter: m{"required_acks": 1.0}},
		"plain listener":    {alter: m{"hosts": b.Plain, "ssl": nil, "username": nil, "password": nil, "sasl": nil}},
		"wrong password":    {alter: m{"password": "planted"}, reason: output.Unauthorized, says: "SASL_AUTHENTICATION_FAILED"},
		"mechanism off":     {alter: m{"sasl": m{"mechanism": "SCRAM-SHA-256"}}, reason: output.Unauthorized, says: "UNSUPPORTED_SASL_MECHANISM"},
		"no login":          {alter: m{"username": nil, "password": nil, "sasl": nil}, reason: output.Unauthorized, says: "set username"},
		"unknown authority": {alter: m{"ssl": m{"verification_mode": "full"}}, reason: output.NoTLS, says: "certificate"},
		"wrong name":        {alter: m{"hosts": strings.Replace(b.Secure, "localhost", "127.0.0.1", 1)}, reason: output.NoTLS, says: "127.0.0.1"},
		"plain to TLS":      {alter: m{"ssl": nil}, reason: output.NoTLS, says: "if it wants TLS, set ssl"},
		"TLS to plain":      {alter: m{"hosts": b.Plain}, reason: output.NoTLS, says: "ssl.enabled: false"},
		"may only look":     {alter: m{"sasl": m{"mechanism": "PLAIN"}, "username": kafkatest.Reading, "password": kafkatest.ReadingPW}, reason: output.Forbidden},
		"topic missing":     {alter: m{"topic": "none", "hosts": b.Plain, "ssl": nil, "username": nil, "password": nil, "sasl": nil}, reason: output.IndexMissing, says: "UNKNOWN_TOPIC_OR_PARTITION: topic none"},
	} {
		t.Run(name, func(t *testing.T) {
			settings, r := with(b.Settings(topic), tt.alter), newReporter()
			settings["timeout"] = "3s"
			found, err := Check(deadline(t), settings, []string{target.Name()})
			got := output.ReasonOf(err)
			if len(found.Denied) > 0 {
				got = output.Forbidden
			}
			if got != tt.reason || err != nil && !strings.Contains(err.Error(), tt.says) || err == nil && !found.Known {
				t.Errorf("check found %+v, %v, want %s", found, err, tt.reason)
			}
			ctx, cancel := context.WithCancel(deadline(t))
			done := publish(ctx, connect(t, settings, r, nil), batch(0, 3))
			if err = <-r.changed; err != nil && (output.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)) || (err == nil) != (tt.reason == output.Other) {
				t.Errorf("reported %v, want %s", err, tt.reason)
			}
			if strings.Contains(fmt.Sprint(err), "planted") {
				t.Error("the password shows")
			}
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// testBrokerRefuses: a topic that takes less than the client sends.
func testBrokerRefuses(t *testing.T, b *broker.Broker) {
	topic, r := newTopic(t, b, map[string]string{"max.message.bytes": "3000"}), newReporter()
	reader := b.Reader(t, topic)
	big := batch(0, 10)
	d := document("id-big", noise(9000))
	big.Add(d, []byte("{}"))
	mustPublish(t, connect(t, b.Settings(topic), r, m{"compression": "none"}), big)
	compare(t, "result", inputs.Result{Stored: 10, Minimal: 1}, big.Result)
	compare(t, "refused", []string{"id-big"}, r.refused())
	compare(t, "why", "MESSAGE_TOO_LARGE", r.refusals[0].Type)
	if err := reader.CatchUp(deadline(t), topic); err != nil {
		t.Fatal(err)
	}
	compare(t, "messages", 11, len(reader.Documents()))
}

// kills is how often testBrokerKill kills: each takes up to ten seconds.
var kills = flag.Int("kills", 4, "SIGKILLs of the broker")

// testBrokerKill: SIGKILLs of the broker while documents are published; nothing is
// lost, what stands there twice has one _id, and the unit is well at the end.
func testBrokerKill(t *testing.T, b *broker.Broker) {
	topic, r := newTopic(t, b, nil), newReporter()
	reader := b.Reader(t, topic)
	out := connect(t, b.Settings(topic), r, m{"bulk_max_size": 50.0, "timeout": "2m"}) // brokers are away for long here
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*kills)*30*time.Second)
	defer cancel()
	stop, published := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { published <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := out.Publish(ctx, batch(n, 40)); err != nil {
				t.Error(err)
				return
			}
			n += 40
		}
	}()
	for range *kills {
		before, changed := reader.Stats()
		for now := before; now.Messages == before.Messages; now, changed = reader.Stats() {
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatal("nothing is published")
			}
		}
		b.Kill()
		b.Restart(t)
	}
	close(stop)
	n := <-published
	if err := reader.CatchUp(ctx, topic); err != nil {
		t.Fatal(err)
	}
	stats, _ := reader.Stats()
	t.Logf("published %d documents over %d kills: %+v, last report %s", n, *kills, stats, r.last)
	if stats.Stored != n || r.last != "<nil>" {
		t.Errorf("published %d documents: %+v, last report %s", n, stats, r.last)
	}
}
