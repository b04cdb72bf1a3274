package logstash

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
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestContract(t *testing.T) {
	tests := map[string]struct {
		options  logstashtest.Options
		settings map[string]any
	}{
		"plain":               {settings: map[string]any{"worker": 2.0}},
		"TLS, one by one":     {options: logstashtest.Options{Security: logstashtest.TLS}, settings: map[string]any{"pipelining": 0.0, "compression_level": 0.0}},
		"client certificates": {options: logstashtest.Options{Security: logstashtest.ClientCertificates}, settings: map[string]any{"slow_start": true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inputstest.RunPublisherContract(t, func(t *testing.T) inputstest.Subject {
				s, r := start(t, tt.options), newReporter()
				tt.settings["bulk_max_size"] = 20.0
				return inputstest.Subject{
					Publisher: connect(t, s, r, tt.settings),
					Documents: func() (all []inputstest.Document) {
						for _, d := range s.Documents("") {
							all = append(all, inputstest.Document{DataStream: d.Index, ID: d.ID, JSON: d.JSON})
						}
						return all
					},
					Down: func(tried chan<- struct{}) { s.Fault(logstashtest.Fault{Reset: true, Met: tried}) },
					Heal: s.Heal,
					Refuse: func(ids ...string) {
						s.Fault(logstashtest.Fault{Refuse: func(d logstashtest.Document) bool { return slices.Contains(ids, d.ID) }})
					},
					Refusals: r.RefusedIDs,
				}
			})
		})
	}
}

func TestPublishedEvent(t *testing.T) {
	s := start(t, logstashtest.Options{})
	b := batch(0, 1)
	b.Target.Options = map[string]string{"pipeline": "p"}
	mustPublish(t, connect(t, s, newReporter(), map[string]any{"index": "Own"}), b)
	got := s.Documents("")[0]
	var fields map[string]any
	if err := json.Unmarshal(got.JSON, &fields); err != nil {
		t.Fatal(err)
	}
	compare(t, "fields", map[string]any{
		"@timestamp": "2023-11-14T22:13:20.123Z", "message": canary, "data_stream": map[string]any{"type": "logs"},
		"event": map[string]any{"id": "id-00000", "severity": 73.0},
	}, fields)
	got.JSON = nil
	compare(t, "metadata", logstashtest.Document{
		Index: target.Name(), ID: "id-00000", OpType: "create", Pipeline: "p", InputID: "in", StreamID: "in-log", Beat: "own",
	}, got)
}

// TestTroubleIsReportedAndWaitedOut: each by its cause, nothing is lost, and it
// heals by itself.
func TestTroubleIsReportedAndWaitedOut(t *testing.T) {
	for name, tt := range map[string]struct {
		fault logstashtest.Fault
		want  string
	}{
		"resets":                {logstashtest.Fault{Reset: true}, "publish events: server error: it closes connections without an acknowledgement; if it wants TLS, set ssl"},
		"silent":                {logstashtest.Fault{Silent: true}, "publish events: silent: no answer in time"},
		"lost acknowledgements": {logstashtest.Fault{LoseAck: true, Times: 3}, "publish events: server error: it closes connections without an acknowledgement; if it wants TLS, set ssl"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, logstashtest.Options{}), newReporter()
			out := connect(t, s, r, map[string]any{"timeout": "100ms"})
			s.Fault(tt.fault)
			b := batch(0, 3)
			done := publish(deadline(t), out, b)
			compare(t, "report", tt.want, fmt.Sprint(<-r.Changed))
			s.Heal()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for err := range r.Changed {
				if err == nil {
					break
				}
			}
			compare(t, "stored", 3, len(s.Documents(target.Name())))
			if n := b.Result.Stored + b.Result.Minimal + b.Result.Bare; n != 3 {
				t.Errorf("result %+v", b.Result)
			}
		})
	}
}

// TestBlockedPipelineIsWaitedFor: while Logstash gives signs of life, what it has
// is not sent again, and the output knows what it waits for.
func TestBlockedPipelineIsWaitedFor(t *testing.T) {
	s := start(t, logstashtest.Options{Keepalive: 20 * time.Millisecond})
	out := connect(t, s, newReporter(), map[string]any{"timeout": "200ms"})
	met := make(chan struct{}, 1)
	s.Fault(logstashtest.Fault{Block: true, Met: met})
	done := publish(deadline(t), out, batch(0, 3))
	<-met
	select {
	case err := <-done:
		t.Fatalf("acknowledged while blocked: %v", err)
	case <-time.After(time.Second): // five time-outs
	}
	if err := out.sender.Waiting(); output.ReasonOf(err) != output.Busy {
		t.Errorf("waits for %v", err)
	}
	s.Heal()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	compare(t, "seen", logstashtest.Stats{Connections: 1, Windows: 2, Events: 3, Stored: 3}, stats(s))
	if err := out.sender.Waiting(); err != nil {
		t.Errorf("waits for %v afterwards", err)
	}
}

// TestOneBadDocumentDoesNotBlockItsWindow: a reset says nothing of which it was.
func TestOneBadDocumentDoesNotBlockItsWindow(t *testing.T) {
	s, r := start(t, logstashtest.Options{Limit: 2000}), newReporter()
	out := connect(t, s, r, nil)
	others := batch(1000, 200)
	b := batch(0, 100)
	huge := inputs.NewBatch(target, 200, 1<<30)
	huge.Fallback = inputstest.Forms{}
	for i := range b.Len() {
		d := contractDocument(b.At(i).ID, i == 37)
		huge.Add(d, []byte(`{}`))
	}
	done := publish(deadline(t), out, others)
	mustPublish(t, out, huge)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	compare(t, "others", inputs.Result{Stored: 200}, others.Result)
	compare(t, "result", inputs.Result{Stored: 99, Minimal: 1}, huge.Result)
	compare(t, "refused", []string{"id-00037"}, r.RefusedIDs())
}

// TestPartialAcknowledgement: what was acknowledged is not sent again.
func TestPartialAcknowledgement(t *testing.T) {
	s := start(t, logstashtest.Options{})
	s.Fault(logstashtest.Fault{Partial: true, LoseAck: true, Times: 1})
	b := batch(0, 10)
	mustPublish(t, connect(t, s, newReporter(), nil), b)
	compare(t, "result", inputs.Result{Stored: 10}, b.Result)
	compare(t, "sent twice", 1, stats(s).Duplicates)
	s.Fault(logstashtest.Fault{Partial: true})
	mustPublish(t, connect(t, s, newReporter(), nil), batch(10, 10))
	compare(t, "sent twice", 1, stats(s).Duplicates)
}

// TestIdleConnectionIsReset: a source that polls each minute meets that with
// every poll, and it is no trouble.
func TestIdleConnectionIsReset(t *testing.T) {
	s, r := start(t, logstashtest.Options{Idle: 30 * time.Millisecond}), newReporter()
	out := connect(t, s, r, nil)
	for i := range 5 {
		mustPublish(t, out, batch(i*10, 10))
		time.Sleep(60 * time.Millisecond) // longer than the connection lives
	}
	compare(t, "seen", logstashtest.Stats{Connections: 5, Windows: 5, Events: 50, Stored: 50}, stats(s))
	r.ExpectWell(t)
}

func TestRestartInTheMiddle(t *testing.T) {
	s := start(t, logstashtest.Options{})
	out := connect(t, s, newReporter(), map[string]any{"bulk_max_size": 10.0})
	s.Fault(logstashtest.Fault{Delay: 5 * time.Millisecond})
	done := publish(deadline(t), out, batch(0, 200))
	for n := range 20 {
		until(t, s, "some windows", func(now logstashtest.Stats) bool { return now.Windows > n || now.Stored == 200 })
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	compare(t, "stored", 200, stats(s).Stored)
}

// TestPublishObeysItsContext, and leaves other windows of its connection alone.
func TestPublishObeysItsContext(t *testing.T) {
	s := start(t, logstashtest.Options{})
	out := connect(t, s, newReporter(), nil)
	met := make(chan struct{}, 1)
	s.Fault(logstashtest.Fault{Block: true, Met: met})
	ctx, cancel := context.WithCancel(t.Context())
	first := publish(ctx, out, batch(0, 10))
	<-met
	second := publish(deadline(t), out, batch(10, 10))
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C { // go-lumber's server reads it when the first is done
		if l := out.sender.current(out.sender.lines[0]); l.windows() == 2 {
			break
		}
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	s.Heal()
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	compare(t, "seen", logstashtest.Stats{Connections: 1, Windows: 3, Events: 20, Stored: 20}, stats(s))
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.sender.Send(t.Context(), target, []inputs.Document{batch(0, 1).At(0)}, make([]output.Verdict, 1)); !errors.Is(err, errClosed) {
		t.Errorf("send after close: %v", err)
	}
}

// TestHosts: with loadbalance all of them get windows, without it one until it
// fails.
func TestHosts(t *testing.T) {
	for _, balance := range []bool{false, true} {
		t.Run(fmt.Sprint(balance), func(t *testing.T) {
			a, b, r := start(t, logstashtest.Options{}), start(t, logstashtest.Options{}), newReporter()
			hosts := []any{settingsOf(t, a)["hosts"].([]any)[0], settingsOf(t, b)["hosts"].([]any)[0]}
			out := connect(t, a, r, map[string]any{"hosts": hosts, "loadbalance": balance, "bulk_max_size": 5.0})
			for _, s := range []*logstashtest.Server{a, b} {
				s.Fault(logstashtest.Fault{Delay: 2 * time.Millisecond})
			}
			mustPublish(t, out, batch(0, 200))
			if both := stats(a).Stored > 0 && stats(b).Stored > 0; both != balance {
				t.Errorf("stored %d and %d", stats(a).Stored, stats(b).Stored)
			}
			gone, left := a, b
			if stats(a).Stored == 0 {
				gone, left = b, a
			}
			before := stats(left).Stored
			gone.Stop()
			mustPublish(t, out, batch(200, 50))
			compare(t, "stored by the one that is left", before+50, stats(left).Stored)
			if strings.Contains(r.Last(), "unreachable") {
				t.Errorf("told of trouble: %s", r.Last())
			}
		})
	}
}

func TestTTL(t *testing.T) {
	s := start(t, logstashtest.Options{})
	out := connect(t, s, newReporter(), map[string]any{"ttl": "1ms"})
	for i := range 3 {
		mustPublish(t, out, batch(i, 1))
		time.Sleep(2 * time.Millisecond) // the connection becomes too old
	}
	compare(t, "connections", 3, stats(s).Connections)
}

// TestSlowStart: 10 events, then twice as many each time.
func TestSlowStart(t *testing.T) {
	s := start(t, logstashtest.Options{})
	mustPublish(t, connect(t, s, newReporter(), map[string]any{"slow_start": true}), batch(0, 70))
	compare(t, "windows", 3, stats(s).Windows)
}
