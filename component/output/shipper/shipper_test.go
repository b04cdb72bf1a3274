package shipper

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func TestPublish(t *testing.T) {
	tests := map[string]struct {
		shipper shippertest.Options
		n       int
		extra   map[string]any
	}{
		"plain TCP":                 {n: 10},
		"empty batch":               {n: 0},
		"mutual TLS":                {shipper: shippertest.Options{TLS: true, Name: unitID}, n: 10},
		"many calls in flight":      {shipper: shippertest.Options{Delay: time.Millisecond}, n: 5000, extra: map[string]any{"bulk_max_size": 50}},
		"queue smaller than batch":  {shipper: shippertest.Options{Queue: 7, Delay: time.Millisecond}, n: 100},
		"index as the protocol has": {shipper: shippertest.Options{Inclusive: true}, n: 450},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := startShipper(t, test.shipper)
			o := connect(t, s, newReporter(), test.extra)
			o.sender.equalFor = 20 * time.Millisecond
			b := batch(0, test.n)
			mustPublish(t, o, b)
			stored(t, s, test.n)
			compare(t, "result", inputs.Result{Stored: test.n}, b.Result)
			stats, _ := s.Stats()
			if most := map[bool]int{true: 3}[test.shipper.Inclusive]; stats.Duplicates > most {
				t.Errorf("%d duplicates, want at most %d", stats.Duplicates, most)
			}
		})
	}
}

func TestPublishOverUnixSocket(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Socket: socket(t), TLS: true, Name: unitID})
	o := connect(t, s, newReporter(), nil)
	mustPublish(t, o, batch(0, 3))
	stored(t, s, 3)
}

func TestPublishedDocument(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{})
	o := connect(t, s, newReporter(), nil)
	b := batch(0, 1)
	b.Target.Options = map[string]string{"pipeline": "p"}
	mustPublish(t, o, b)
	got := s.Documents(target.Name())[0]
	var document map[string]any
	if err := json.Unmarshal(got.JSON, &document); err != nil {
		t.Fatal(err)
	}
	got.JSON = nil
	want := shippertest.Document{
		ID: "id-00000", Index: target.Name(), OpType: "create", Pipeline: "p", InputID: "in", StreamID: "in-log",
	}
	compare(t, "metadata", want, got)
	fields := map[string]any{
		"@timestamp": "2023-11-14T22:13:20.123Z", "message": canary, "data_stream": map[string]any{"type": "logs"},
		"event": map[string]any{"id": "id-00000", "severity": 73.0},
	}
	compare(t, "fields", fields, document)
}

// everyReport passes on reports that repeat the one before as well.
type everyReport struct {
	*outputtest.Reporter
	all chan error
}

func (r everyReport) Report(err error) { r.Reporter.Report(err); r.all <- err }

// Nothing is acknowledged before the persisted index has passed it, and what
// is in the shipper's queue is not sent again while that lasts.
func TestPublishWaitsForPersistence(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Hold: true})
	r := everyReport{newReporter(), make(chan error, 1000)}
	o := connect(t, s, r, nil)
	o.sender.equalFor, o.sender.lag = time.Hour, 50*time.Millisecond
	done := publish(deadline(t), o, batch(0, 10))
	until(t, s, "10 accepted", func(c shippertest.Stats) bool { return c.Received == 10 })
	s.Persist(9)
	for range 2 { // the shipper delivers nothing for a while
		if err := <-r.all; output.ReasonOf(err) != output.Busy {
			t.Errorf("reported %v, want that the shipper is busy", err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("acknowledged before everything was persisted: %v", err)
	default:
	}
	s.Persist(1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if stats, _ := s.Stats(); stats.Received != 10 {
		t.Errorf("%d events received, want 10", stats.Received)
	}
	if last := r.Last(); last != "<nil>" {
		t.Errorf("last report: %s, want that all is well", last)
	}
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		publish, index *shippertest.Fault
		again          bool // documents that were accepted are sent again
	}{
		"unavailable":               {publish: &shippertest.Fault{Code: codes.Unavailable, Times: 3}},
		"uuid refused":              {publish: &shippertest.Fault{Code: codes.FailedPrecondition, Times: 3}, again: true},
		"resource exhausted":        {publish: &shippertest.Fault{Code: codes.ResourceExhausted, Times: 3}},
		"internal":                  {publish: &shippertest.Fault{Code: codes.Internal, Times: 3}},
		"refused":                   {publish: &shippertest.Fault{Code: codes.InvalidArgument, Times: 3}},
		"queue full":                {publish: &shippertest.Fault{Full: true, Times: 3}},
		"too slow":                  {publish: &shippertest.Fault{Delay: 500 * time.Millisecond, Times: 2}},
		"reply lost":                {publish: &shippertest.Fault{Code: codes.Unavailable, Late: true, Times: 2}, again: true},
		"index unavailable":         {index: &shippertest.Fault{Code: codes.Unavailable, Times: 3}},
		"index slow":                {index: &shippertest.Fault{Delay: 5 * time.Second, Times: 1}},
		"index refused credentials": {index: &shippertest.Fault{Code: codes.PermissionDenied, Times: 2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := startShipper(t, shippertest.Options{})
			s.FailPublish(test.publish)
			s.FailPersistedIndex(test.index)
			o := connect(t, s, newReporter(), map[string]any{"bulk_max_size": 30, "timeout": "200ms"})
			mustPublish(t, o, batch(0, 100))
			stored(t, s, 100)
			if stats, _ := s.Stats(); stats.Duplicates > 0 && !test.again {
				t.Errorf("%d duplicates, want none", stats.Duplicates)
			}
		})
	}
}

// TestCauseIsCutBetweenCharacters: it ends in a text for people.
func TestCauseIsCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("x", messageBytes-1) + "\u00e4"
	compare(t, "cause", "Internal: "+long[:messageBytes-1], cause(status.Error(codes.Internal, long)).Error())
}

// What was accepted and not persisted is lost with the shipper, so it is sent
// again to the next one.
func TestRestartInTheMiddle(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Hold: true, Socket: socket(t)})
	o := connect(t, s, newReporter(), map[string]any{"bulk_max_size": 10})
	done := publish(deadline(t), o, batch(0, 50))
	until(t, s, "all accepted", func(c shippertest.Stats) bool { return c.Received == 50 })
	s.Persist(15)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the rest again", func(c shippertest.Stats) bool { return c.Received >= 85 })
	for {
		s.Persist(1)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			stored(t, s, 50)
			return
		default:
		}
	}
}

func TestBrokenPersistedIndexStream(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Hold: true})
	o := connect(t, s, newReporter(), nil)
	done := publish(deadline(t), o, batch(0, 10))
	until(t, s, "accepted", func(c shippertest.Stats) bool { return c.Received == 10 })
	s.BreakStreams()
	until(t, s, "accepted again", func(c shippertest.Stats) bool { return c.Received == 20 })
	s.Persist(20)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stored(t, s, 10)
}

func TestShipperGone(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Socket: socket(t)})
	r := newReporter()
	o := connect(t, s, r, nil)
	s.Stop()
	done := publish(deadline(t), o, batch(0, 10))
	if err := <-r.Changed; output.ReasonOf(err) != output.Unreachable {
		t.Errorf("reported %v, want unreachable", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stored(t, s, 10)
}

func TestPublishObeysItsContext(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{Hold: true})
	o := connect(t, s, newReporter(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := publish(ctx, o, batch(0, 10))
	until(t, s, "accepted", func(c shippertest.Stats) bool { return c.Received == 10 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.sender.Send(t.Context(), target, []inputs.Document{batch(0, 1).At(0)}, make([]output.Verdict, 1)); !errors.Is(err, errClosed) {
		t.Errorf("send after close: %v", err)
	}
}

func TestTLSRefused(t *testing.T) {
	tests := map[string]struct {
		name  string                                 // in the shipper's certificate
		alter func(t *testing.T, ssl map[string]any) // of the settings
		works bool
	}{
		"name of another unit": {name: "other"},
		"name given":           {name: "other", works: true, alter: func(_ *testing.T, ssl map[string]any) { ssl["server_name"] = "other" }},
		"other authority": {name: unitID, alter: func(t *testing.T, ssl map[string]any) {
			other := startShipper(t, shippertest.Options{TLS: true, Name: unitID})
			settings, err := other.Settings()
			if err != nil {
				t.Fatal(err)
			}
			ssl["certificate_authorities"] = settings["ssl"].(map[string]any)["certificate_authorities"]
		}},
		"no client certificate": {name: unitID, alter: func(_ *testing.T, ssl map[string]any) { delete(ssl, "certificate"); delete(ssl, "key") }},
		"plain to TLS":          {name: unitID, alter: func(_ *testing.T, ssl map[string]any) { ssl["enabled"] = false }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := startShipper(t, shippertest.Options{TLS: true, Name: test.name})
			settings, err := s.Settings()
			if err != nil {
				t.Fatal(err)
			}
			if test.alter != nil {
				test.alter(t, settings["ssl"].(map[string]any))
			}
			r := newReporter()
			o := connect(t, s, r, settings)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := publish(ctx, o, batch(0, 1))
			if test.works {
				if err := <-done; err != nil {
					t.Error(err)
				}
				return
			}
			if err := <-r.Changed; output.ReasonOf(err) != output.Unreachable {
				t.Errorf("reported %v, want unreachable", err)
			}
			cancel()
			<-done
		})
	}
}
