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

	"golang.org/x/sync/errgroup"

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
	t.Run("times refused", func(t *testing.T) { testBrokerRefusesTimes(t, b) })
	t.Run("topic made again", func(t *testing.T) { testBrokerMakesTopicAgain(t, b) })
	t.Run("restarts", func(t *testing.T) { testBrokerRestarts(t, b) })
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
			if err = <-r.Changed; err != nil && (output.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)) || (err == nil) != (tt.reason == output.Other) {
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
	compare(t, "refused", []string{"id-big"}, r.RefusedIDs())
	compare(t, "why", "MESSAGE_TOO_LARGE", r.Refusals()[0].Type)
	if err := reader.CatchUp(deadline(t), topic); err != nil {
		t.Fatal(err)
	}
	compare(t, "messages", 11, len(reader.Documents()))
}

// testBrokerRefusesTimes: a message's time is now, so that no document is the cause where
// the broker refuses it, but a clock or the topic's limits.
func testBrokerRefusesTimes(t *testing.T, b *broker.Broker) {
	topic, r := newTopic(t, b, map[string]string{"message.timestamp.before.max.ms": "1"}), newReporter()
	done := publish(deadline(t), connect(t, b.Settings(topic), r, nil), batch(0, 10))
	compare(t, "report", "produce: request refused: INVALID_TIMESTAMP: "+errClock.Error(), fmt.Sprint(<-r.Changed))
	b.AlterTopic(t, topic, "message.timestamp.before.max.ms", "3600000")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	compare(t, "refused", 0, len(r.RefusedIDs()))
}

// testBrokerMakesTopicAgain: a topic that is deleted under a running output is told,
// and once it is there again documents get through.
func testBrokerMakesTopicAgain(t *testing.T, b *broker.Broker) {
	topic, r := newTopic(t, b, nil), newReporter()
	out := connect(t, b.Settings(topic), r, m{"timeout": "3s"})
	mustPublish(t, out, batch(0, 10))
	compare(t, "report", nil, <-r.Changed)
	b.DeleteTopic(t, topic)
	done := publish(deadline(t), out, batch(10, 10))
	if err := <-r.Changed; output.ReasonOf(err) != output.IndexMissing {
		t.Errorf("reported %v", err)
	}
	b.CreateTopic(t, topic, 3, nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	reader := b.Reader(t, topic)
	if err := reader.CatchUp(deadline(t), topic); err != nil {
		t.Fatal(err)
	}
	stats, _ := reader.Stats()
	compare(t, "messages", kafkatest.Stats{Messages: 10, Stored: 10}, stats)
}

// restarts is how often testBrokerRestarts restarts the broker in each way: each takes
// some five seconds.
var restarts = flag.Int("restarts", 1, "restarts of the broker, in each way")

// testBrokerRestarts: the broker is killed, or stopped, while three streams publish.
// Nothing is lost, nothing is in the topic twice, and the unit is well at the end.
func testBrokerRestarts(t *testing.T, b *broker.Broker) {
	for _, tt := range []struct {
		name string
		end  func()
	}{{"SIGKILL", b.Kill}, {"SIGTERM", b.Stop}} {
		t.Run(tt.name, func(t *testing.T) {
			topic, r := newTopic(t, b, nil), newReporter()
			reader := b.Reader(t, topic)
			out := connect(t, b.Settings(topic), r, m{"bulk_max_size": 50.0})
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*restarts+1)*30*time.Second)
			defer cancel()
			var next atomic.Int64
			var publishing errgroup.Group
			stop := make(chan struct{})
			for range 3 {
				publishing.Go(func() error { return publishUntil(ctx, stop, out, &next) })
			}
			for range *restarts {
				before, changed := reader.Stats()
				for now := before; now.Messages < before.Messages+200; now, changed = reader.Stats() {
					select {
					case <-changed:
					case <-ctx.Done():
						t.Fatal("nothing is published")
					}
				}
				tt.end()
				b.Restart(t)
			}
			close(stop)
			if err := publishing.Wait(); err != nil {
				t.Fatal(err)
			}
			if err := reader.CatchUp(ctx, topic); err != nil {
				t.Fatal(err)
			}
			stats, _ := reader.Stats()
			n := int(next.Load())
			t.Logf("published %d documents over %d restarts: %+v, last report %s", n, *restarts, stats, r.Last())
			compare(t, "messages", kafkatest.Stats{Messages: n, Stored: n}, stats)
			compare(t, "last report", "<nil>", r.Last())
		})
	}
}

// publishUntil publishes batches with numbers of their own.
func publishUntil(ctx context.Context, stop <-chan struct{}, out inputs.Publisher, next *atomic.Int64) error {
	const size = 40
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := out.Publish(ctx, batch(int(next.Add(size))-size, size)); err != nil {
			return err
		}
	}
}
