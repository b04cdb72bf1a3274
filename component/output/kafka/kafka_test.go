package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event/eventtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestContract(t *testing.T) {
	tests := map[string]struct {
		options  kafkatest.Options
		settings map[string]any
	}{
		"plain":               {},
		"leader alone, login": {kafkatest.Options{SASL: "PLAIN"}, map[string]any{"required_acks": 1.0, "compression": "none"}},
		"TLS and SCRAM":       {kafkatest.Options{TLS: true, SASL: "SCRAM-SHA-512"}, map[string]any{"compression": "zstd", "partition.round_robin.group_events": 1.0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inputstest.RunPublisherContract(t, func(t *testing.T) inputstest.Subject {
				s, r := start(t, tt.options), newReporter()
				settings := map[string]any{"bulk_max_size": 20.0}
				for k, v := range tt.settings {
					settings[k] = v
				}
				return inputstest.Subject{
					Publisher: connect(t, s.Settings(), r, settings),
					Documents: func() (all []inputstest.Document) {
						for _, d := range s.documents(t) {
							all = append(all, inputstest.Document{DataStream: d.Index, ID: d.ID, JSON: d.JSON})
						}
						return all
					},
					Down: func(tried chan<- struct{}) {
						s.Fault(kafkatest.Fault{Code: kafkatest.Code("TOPIC_AUTHORIZATION_FAILED"), Met: tried})
					},
					Heal: s.Heal,
				}
			})
		})
	}
}

// TestRefusedDocuments: what is too large or has no topic follows in a lesser form.
func TestRefusedDocuments(t *testing.T) {
	for name, tt := range map[string]struct {
		settings map[string]any
		spoil    func(d *ecs.Document)
		why      string
	}{
		"too large": {map[string]any{"max_message_bytes": 2000.0}, func(d *ecs.Document) { d.Set("message", ecs.Text(noise(9000))) }, "MESSAGE_TOO_LARGE"},
		"no topic":  {map[string]any{"topic": "%{[message]}"}, func(d *ecs.Document) { d.Set("message", ecs.Text("no topic!")) }, "no_topic"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, kafkatest.Options{}), newReporter()
			b := inputs.NewBatch(target, 100, 1<<30)
			b.Fallback = asTopic{}
			for i := range 20 {
				d := &ecs.Document{ID: fmt.Sprintf("id-%d", i), Timestamp: time.UnixMilli(1_700_000_000_123)}
				d.Set("message", ecs.Text(kafkatest.Topic))
				if i == 7 {
					tt.spoil(d)
				}
				b.Add(d, nil)
			}
			mustPublish(t, connect(t, s.Settings(), r, tt.settings), b)
			compare(t, "result", inputs.Result{Stored: 19, Minimal: 1}, b.Result)
			compare(t, "refused", []string{"id-7"}, r.RefusedIDs())
			compare(t, "why", tt.why, r.Refusals()[0].Type)
			compare(t, "messages", 20, len(s.documents(t)))
		})
	}
}

// noise is text that no codec makes smaller.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		fmt.Fprintf(&b, "%08x", x)
	}
	return b.String()
}

// asTopic makes forms that have a topic in their message.
type asTopic struct{ inputstest.Forms }

func (f asTopic) Minimal(d inputs.Document, original []byte, r inputs.Refusal) inputs.Document {
	form := f.Forms.Minimal(d, original, r)
	form.JSON = append(form.JSON[:len(form.JSON)-1:len(form.JSON)-1], `,"message":"`+kafkatest.Topic+`"}`...)
	return form
}

func TestMessage(t *testing.T) {
	s := start(t, kafkatest.Options{AutoCreate: true}, "logs.microsoft_defender_endpoint.log", "alerts")
	b := inputs.NewBatch(target, 10, 1<<30)
	for _, id := range []string{"a", "b"} {
		d := &ecs.Document{ID: "doc-" + id, Timestamp: time.UnixMilli(1_700_000_000_123)}
		d.Set("event.id", ecs.Text("record-"+id))
		d.Set("event.severity", ecs.Int(73))
		d.Set("event.kind", ecs.Text(map[string]string{"a": "alert", "b": "event"}[id]))
		b.Add(d, nil)
	}
	out := connect(t, s.Settings(), newReporter(), map[string]any{
		"topic":  "%{[data_stream.type]}.%{[data_stream.dataset]}",
		"topics": []any{map[string]any{"topic": "alerts", "when": map[string]any{"equals": map[string]any{"event.kind": "alert"}}}},
		"headers": []any{
			map[string]any{"key": "severity", "value": "%{[event.severity]}"}, map[string]any{"key": "none", "value": "%{[no.such]}"},
			map[string]any{"key": "source", "value": "defender %{[no.such]:x}"},
		},
	})
	mustPublish(t, out, b)
	if err := s.CatchUp(deadline(t), "alerts", "logs.microsoft_defender_endpoint.log"); err != nil {
		t.Fatal(err)
	}
	got := map[string]kafkatest.Document{}
	for _, d := range s.Documents() {
		var fields map[string]any
		if err := json.Unmarshal(d.JSON, &fields); err != nil || fields["@timestamp"] != "2023-11-14T22:13:20.123Z" {
			t.Errorf("%s: %v", d.JSON, err)
		}
		d.JSON, d.Partition = nil, 0
		got[d.ID] = d
	}
	want := func(id, topic string) kafkatest.Document {
		return kafkatest.Document{
			Document: eventtest.Document{Index: target.Name(), ID: "doc-" + id, OpType: "create", InputID: "in", StreamID: "in-log", Beat: "defender-endpoint"},
			Topic:    topic, Key: "record-" + id, Headers: map[string]string{"_id": "doc-" + id, "severity": "73", "source": "defender x"},
		}
	}
	compare(t, "messages", map[string]kafkatest.Document{
		"doc-a": want("a", "alerts"), "doc-b": want("b", "logs.microsoft_defender_endpoint.log"),
	}, got)
}

// TestVersionsOfARecordStayInOrder: one key, one partition.
func TestVersionsOfARecordStayInOrder(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"by record": nil, "by key": {"key": "%{[host.name]}"}, "by hash": {"partition": map[string]any{"hash": map[string]any{"hash": []any{"host.name"}}}, "key": "%{[@metadata._id]}"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, kafkatest.Options{Partitions: 5})
			out := connect(t, s.Settings(), newReporter(), settings)
			b := inputs.NewBatch(target, 1000, 1<<30)
			for i := range 300 {
				d := &ecs.Document{ID: fmt.Sprintf("%d-%03d", i%10, i), Timestamp: time.UnixMilli(1_700_000_000_123)}
				d.Set("event.id", ecs.Text(fmt.Sprint("record-", i%10)))
				d.Set("host.name", ecs.Text(fmt.Sprint("host-", i%10)))
				b.Add(d, nil)
			}
			mustPublish(t, out, b)
			order, partitions := map[string][]string{}, map[string]int32{}
			for _, d := range s.documents(t) {
				record := d.ID[:1]
				order[record] = append(order[record], d.ID)
				if p, seen := partitions[record]; seen && p != d.Partition {
					t.Fatalf("record %s is in two partitions", record)
				}
				partitions[record] = d.Partition
			}
			for record, ids := range order {
				if len(ids) != 30 || !slices.IsSorted(ids) {
					t.Errorf("record %s: %v", record, ids)
				}
			}
		})
	}
}

// TestPartitions: random and round_robin use all.
func TestPartitions(t *testing.T) {
	for _, name := range []string{"random", "round_robin"} {
		s := start(t, kafkatest.Options{Partitions: 4})
		mustPublish(t, connect(t, s.Settings(), newReporter(), map[string]any{"partition": map[string]any{name: map[string]any{"group_events": 2.0}}}), batch(0, 200))
		used := map[int32]int{}
		for _, d := range s.documents(t) {
			used[d.Partition]++
		}
		if len(used) != 4 || name == "round_robin" && used[0] != 50 {
			t.Errorf("%s: %v", name, used)
		}
	}
}

// TestTroubleIsReportedAndWaitedOut: each by its cause, nothing is lost, and it heals
// by itself.
func TestTroubleIsReportedAndWaitedOut(t *testing.T) {
	code := func(name string) kafkatest.Fault { return kafkatest.Fault{Code: kafkatest.Code(name)} }
	for name, tt := range map[string]struct {
		fault kafkatest.Fault
		want  string
	}{
		"topic":     {code("TOPIC_AUTHORIZATION_FAILED"), "produce: privilege missing: TOPIC_AUTHORIZATION_FAILED: topic defender"},
		"cluster":   {code("CLUSTER_AUTHORIZATION_FAILED"), "produce: privilege missing: CLUSTER_AUTHORIZATION_FAILED: topic defender"},
		"no leader": {kafkatest.Fault{Leaderless: true, Code: kafkatest.Code("NOT_LEADER_FOR_PARTITION")}, "produce: server error: LEADER_NOT_AVAILABLE: topic defender"},
		"replicas":  {code("NOT_ENOUGH_REPLICAS"), "produce: server error: NOT_ENOUGH_REPLICAS"}, // one broker has all of its replicas
		"policy":    {code("POLICY_VIOLATION"), "produce: request refused: POLICY_VIOLATION"},
		"dropped":   {kafkatest.Fault{Drop: true}, "produce: silent: no answer in time"},
		"hangs":     {kafkatest.Fault{Hang: true}, "produce: silent: no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, kafkatest.Options{}), newReporter()
			out := connect(t, s.Settings(), r, map[string]any{"timeout": "300ms", "broker_timeout": "200ms"})
			s.Fault(tt.fault)
			b := batch(0, 3)
			done := publish(deadline(t), out, b)
			compare(t, "report", tt.want, fmt.Sprint(<-r.Changed))
			s.Heal()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			compare(t, "after it healed", nil, <-r.Changed)
			compare(t, "messages", 3, len(s.documents(t)))
			compare(t, "result", inputs.Result{Stored: 3}, b.Result)
		})
	}
}

// TestFrozenBroker: the system takes connections for a process that does nothing.
func TestFrozenBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of the short form, where TestTroubleIsReportedAndWaitedOut holds the promise")
	}
	for name, o := range map[string]kafkatest.Options{"plain": {}, "TLS": {TLS: true}, "TLS and login": {TLS: true, SASL: "SCRAM-SHA-512"}} {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, o), newReporter()
			settings := with(s.Settings(), m{"timeout": "500ms"})
			s.Freeze()
			if _, err := Check(deadline(t), settings, nil); output.ReasonOf(err) != output.Silent {
				t.Errorf("check says %v", err)
			}
			done := publish(deadline(t), connect(t, settings, r, nil), batch(0, 3))
			if err := <-r.Changed; output.ReasonOf(err) != output.Silent {
				t.Errorf("reported %v", err)
			}
			s.Heal()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			wantOnce(t, s, 3)
		})
	}
}

func TestPublishObeysItsContext(t *testing.T) {
	s := start(t, kafkatest.Options{})
	out := connect(t, s.Settings(), newReporter(), nil)
	met := make(chan struct{}, 1)
	s.Fault(kafkatest.Fault{Hang: true, Met: met})
	ctx, cancel := context.WithCancel(t.Context())
	done := publish(ctx, out, batch(0, 10))
	<-met
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	began := time.Now()
	if err := out.Close(); err != nil || time.Since(began) > time.Second {
		t.Errorf("closed after %s: %v", time.Since(began), err)
	}
	if err := out.sender.Send(t.Context(), target, []inputs.Document{batch(0, 1).At(0)}, make([]output.Verdict, 1)); output.ReasonOf(err) != output.Other {
		t.Errorf("send after close: %v", err)
	}
}
