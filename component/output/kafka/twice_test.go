package kafka

import (
	"context"
	"errors"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// wantOnce reads the topic, and wants n documents there, each in one message.
func wantOnce(t *testing.T, s *sink, n int) {
	t.Helper()
	s.documents(t)
	stats, _ := s.Stats()
	compare(t, "messages", kafkatest.Stats{Messages: n, Stored: n}, stats)
}

// TestAnswerLost: records that were written, and of which the answer was lost, are not
// written again under another number, no matter what the brokers say and however long they
// are away.
func TestAnswerLost(t *testing.T) {
	for name, options := range map[string]kafkatest.Options{
		"plain": {}, "TLS": {TLS: true}, "login": {SASL: "PLAIN"}, "TLS and login": {TLS: true, SASL: "SCRAM-SHA-512"},
	} {
		for name2, trouble := range map[string]func(*sink) (end func()){
			// What a client meets for a moment where a broker is killed.
			"connections closed": func(s *sink) func() { s.Leave(); return s.Return },
			"silence":            func(s *sink) func() { s.Fault(kafkatest.Fault{Hang: true}); return s.Heal },
			"no replicas": func(s *sink) func() {
				s.Fault(kafkatest.Fault{Code: kafkatest.Code("NOT_ENOUGH_REPLICAS")})
				return s.Heal
			},
		} {
			t.Run(name+", "+name2, func(t *testing.T) {
				t.Parallel()
				s, r := start(t, options), newReporter()
				out := connect(t, s.Settings(), r, m{"timeout": "300ms", "broker_timeout": "100ms"})
				mustPublish(t, out, batch(0, 30)) // the client knows brokers and topic
				for err := <-r.Changed; err != nil; err = <-r.Changed {
					continue // it may have taken longer than the time-out
				}
				met := make(chan struct{}, 1)
				s.Fault(kafkatest.Fault{Lose: true, Times: 1, Met: met})
				end := trouble(s)
				b := batch(30, 30)
				done := publish(deadline(t), out, b)
				<-met
				if err := <-r.Changed; err == nil {
					t.Error("the trouble is not reported")
				}
				end()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				compare(t, "stored", 30, b.Result.Stored)
				wantOnce(t, s, 60)
			})
		}
	}
}

// TestAnotherPublishEnds: what one stream has on its way, and gives up, takes
// nothing of another one with it, and is not written again where the stream sends it
// once more.
func TestAnotherPublishEnds(t *testing.T) {
	s := start(t, kafkatest.Options{Partitions: 1})
	out := connect(t, s.Settings(), newReporter(), nil)
	mustPublish(t, out, batch(0, 10))
	met := make(chan struct{}, 2)
	s.Fault(kafkatest.Fault{Hang: true, Met: met})
	ctx, cancel := context.WithCancel(t.Context())
	ends := publish(ctx, out, batch(10, 10))
	<-met
	stays := publish(deadline(t), out, batch(20, 10))
	cancel()
	if err := <-ends; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	again := publish(deadline(t), out, batch(10, 10))
	s.Heal()
	for _, done := range []<-chan error{stays, again} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantOnce(t, s, 30)
}

// TestWhatIsGivenUpIsBounded: while no broker answers, the client gets no more than
// some batches, of whomever they are.
func TestWhatIsGivenUpIsBounded(t *testing.T) {
	s := start(t, kafkatest.Options{})
	out := connect(t, s.Settings(), newReporter(), m{"timeout": "300ms"})
	send := func(first int) error {
		b := batch(first, 10)
		docs, verdicts := make([]inputs.Document, b.Len()), make([]output.Verdict, b.Len())
		for i := range docs {
			docs[i] = b.At(i)
		}
		return out.sender.Send(deadline(t), target, docs, verdicts)
	}
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	s.Fault(kafkatest.Fault{Hang: true})
	for i := range 20 {
		if err := send(10 + 10*i); output.ReasonOf(err) != output.Silent {
			t.Fatal(err)
		}
		if n := out.sender.client.BufferedProduceRecords(); n == 0 || n > 10*maxHeld {
			t.Fatalf("%d records are with the client", n)
		}
	}
	s.Heal()
	ctx := deadline(t)
	for i := range 20 {
		for err := send(10 + 10*i); err != nil; err = send(10 + 10*i) { // it is a while until the client tries again
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	wantOnce(t, s, 210)
	if n := out.sender.client.BufferedProduceRecords(); n != 0 {
		t.Errorf("%d records are still with the client", n)
	}
	if n := len(out.sender.held.flights); n != 0 {
		t.Errorf("%d flights are held", n)
	}
}
