package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// topicBatch has ten documents for each topic, with ids from first on, where the
// message is the topic.
func topicBatch(first int, topics ...string) *inputs.Batch {
	b := inputs.NewBatch(target, 100, 1<<30)
	b.Fallback = inputstest.Forms{}
	for i := range 10 * len(topics) {
		b.Add(outputtest.Document(fmt.Sprintf("id-%05d", first+i), topics[i%len(topics)]), nil)
	}
	return b
}

// heldBy waits until n flights are held.
func heldBy(ctx context.Context, t *testing.T, s *sender, n int) {
	t.Helper()
	held := func() int {
		s.held.mu.Lock()
		defer s.held.mu.Unlock()
		return len(s.held.flights)
	}
	for held() < n {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d flights are held, want %d", held(), n)
		}
	}
}

// TestOneTopicCannotBeWrittenTo: it does not stop the others, and what waits for it is
// written once.
func TestOneTopicCannotBeWrittenTo(t *testing.T) {
	const stuck = "stuck"
	for _, code := range []string{"NOT_ENOUGH_REPLICAS", "NOT_LEADER_FOR_PARTITION"} {
		t.Run(code, func(t *testing.T) {
			s := start(t, kafkatest.Options{AutoCreate: true}, stuck)
			out := connect(t, s.Settings(), newReporter(), m{"topic": "%{[message]}", "timeout": "300ms", "broker_timeout": "100ms"})
			mustPublish(t, out, topicBatch(0, stuck, kafkatest.Topic)) // both are there
			s.Fault(kafkatest.Fault{Topic: stuck, Code: kafkatest.Code(code)})
			ctx := deadline(t)
			var waiting []<-chan error
			for i := range maxHeld {
				waiting = append(waiting, publish(ctx, out, topicBatch(100+10*i, stuck)))
			}
			heldBy(ctx, t, out.sender, maxHeld)
			mustPublish(t, out, topicBatch(200, kafkatest.Topic))
			waiting = append(waiting, publish(ctx, out, topicBatch(300, stuck, kafkatest.Topic)))
			for stats, changed := s.Stats(); stats.Stored < 20+10+10; stats, changed = s.Stats() {
				select {
				case <-changed:
				case <-ctx.Done():
					t.Fatalf("%d documents are there: those beside the topic's are held up", stats.Stored)
				}
			}
			s.Heal()
			for _, done := range waiting {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if err := s.CatchUp(ctx, stuck); err != nil {
				t.Fatal(err)
			}
			wantOnce(t, s, 20+10*maxHeld+10+20)
		})
	}
}

// admitted is a flight of a topicBatch, as far as its records are given to the client.
func admitted(c *config, h *held, first int, topics ...string) (*flight, []inputs.Document) {
	b := topicBatch(first, topics...)
	docs := make([]inputs.Document, b.Len())
	for i := range docs {
		docs[i] = b.At(i)
	}
	f := &flight{Encoder: event.NewEncoder(target, "beat", docs[0])}
	f.begin(c, h, &target, docs, make([]output.Verdict, len(docs)))
	h.admit(f)
	f.finish()
	return f, docs
}

// TestHeldFlightsAreBounded: one topic gets its part, and all topics together no more
// than all.
func TestHeldFlightsAreBounded(t *testing.T) {
	c, err := readConfig(m{"hosts": "h", "topic": "%{[message]}"})
	if err != nil {
		t.Fatal(err)
	}
	var h held
	send := func(first int, topics ...string) *flight {
		f, docs := admitted(c, &h, first, topics...)
		verdicts := make([]output.Verdict, len(docs))
		if err := f.judge(c.dialer, &target, verdicts); err != errLasts {
			t.Fatalf("trouble is %v", err)
		}
		h.update(f, docs, verdicts)
		return f
	}
	for i := range 20 {
		send(100*i, "one")
	}
	compare(t, "flights with one topic", maxHeld, len(h.flights))
	mixed := send(5000, "one", "two")
	compare(t, "records of the other topic that wait", int64(10), mixed.left.Load())
	for i := range 20 {
		send(10000+100*i, fmt.Sprint("topic-", i))
	}
	compare(t, "flights with many topics", maxHeldInAll, len(h.flights))
	send(0, "one") // what is held already needs no room
	compare(t, "flights at the end", maxHeldInAll, len(h.flights))
}

// TestRefusedForItsNeighbours: an alert that shared a batch of the client with documents
// of another Send is not the cause of what the broker says of that batch.
func TestRefusedForItsNeighbours(t *testing.T) {
	s, r := start(t, kafkatest.Options{Partitions: 1}), newReporter()
	out := connect(t, s.Settings(), r, m{"bulk_flush_frequency": "200ms"}) // both are in one batch
	mustPublish(t, out, batch(0, 1))
	s.Fault(kafkatest.Fault{Code: kafkatest.Code("MESSAGE_TOO_LARGE"), Times: 1})
	alert, machines := batch(1, 1), batch(2, 100)
	for _, done := range []<-chan error{publish(deadline(t), out, alert), publish(deadline(t), out, machines)} {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	compare(t, "alert", inputs.Result{Stored: 1}, alert.Result)
	compare(t, "machines", inputs.Result{Stored: 100}, machines.Result)
	wantOnce(t, s, 102)
}

// TestClaimedTopic: while a record is sent with no other of its topic, other topics pass,
// and it waits for what is under way.
func TestClaimedTopic(t *testing.T) {
	c, err := readConfig(m{"hosts": "h", "topic": "%{[message]}"})
	if err != nil {
		t.Fatal(err)
	}
	var h held
	left := func(first int, topics ...string) int64 {
		f, _ := admitted(c, &h, first, topics...)
		return f.left.Load()
	}
	before, _ := admitted(c, &h, 0, "one")
	left(100, "two")
	underWay, ok := h.claim("one")
	if !ok || len(underWay) != 1 || underWay[0] != before.done {
		t.Fatalf("waits for %v, %t", underWay, ok)
	}
	if _, ok := h.claim("one"); ok {
		t.Error("two have claimed one topic")
	}
	compare(t, "records that pass", int64(10), left(200, "one", "two"))
	h.release("one")
	compare(t, "records that pass afterwards", int64(20), left(300, "one", "two"))
}
