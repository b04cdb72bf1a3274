package defender_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// collectorUnit has a stream of the collector beside one that cannot run: no
// setting of the API is needed for the former.
func collectorUnit(stream map[string]any) inputs.Unit {
	return inputs.Unit{ID: "defender-1", Namespace: "prod", Source: map[string]any{"streams": []any{
		map[string]any{"id": "self", "data_stream": map[string]any{"dataset": "microsoft_defender_endpoint.collector"}, "interval": "30s", "tags": []any{"own"}},
		stream,
	}}}
}

// selfDocument is what is looked at of a document.
type selfDocument struct {
	DataStream struct{ Type, Dataset, Namespace string } `json:"data_stream"`
	Tags       []string
	Event      struct{ Kind, Dataset string }
	Vendor     struct {
		Collector struct {
			StreamID    string `json:"stream_id"`
			State       string
			Healthy     bool
			Reason      string
			LagSeconds  int `json:"lag_seconds"`
			Records     int
			Stored      int
			Existing    int
			QuotaLeft   *int    `json:"quota_left"`
			LastSuccess *string `json:"last_success"`
		}
	} `json:"microsoft_defender_endpoint"`
}

// TestCollectorTellsOfItsNeighbours: a document for each of them every interval,
// with what was done since the document before, also after a restart of theirs.
func TestCollectorTellsOfItsNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams, err := defender.New("test").Streams(collectorUnit(map[string]any{"id": "x", "enabled": false}))
		if err != nil || len(streams) != 1 || streams[0].Fault != nil {
			t.Fatalf("%v, %+v", err, streams)
		}
		var records atomic.Int64
		records.Store(100)
		neighbour := inputs.Key{Input: "defender-1", Stream: "log-1", Dataset: "microsoft_defender_endpoint.log"}
		var publisher inputstest.Publisher
		var reporter lastReport
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- streams[0].Run(ctx, inputs.Env{
				Publisher: &publisher, Reporter: &reporter, Log: slog.New(slog.DiscardHandler), Agent: inputs.Agent{ID: "a", EphemeralID: "e"},
				Overview: func() []inputs.StreamStatus {
					n := int(records.Load())
					return []inputs.StreamStatus{{Key: streams[0].Key}, {
						Key: neighbour, State: "HEALTHY", Healthy: true, Reason: "collecting", LastSuccess: time.Now().Add(-7 * time.Second),
						Counts: inputs.Counts{Records: n, Published: inputs.Result{Stored: n - 10, Existing: 10}, Quota: &inputs.Quota{HourLeft: 1234}},
					}}
				},
			})
		}()
		for _, n := range []int64{100, 130, 130, 20} { // the last after a restart
			records.Store(n)
			time.Sleep(30 * time.Second)
			synctest.Wait()
		}
		stop()
		if err := <-ended; err != nil || reporter.String() != "HEALTHY" {
			t.Errorf("%v, %s", err, &reporter)
		}
		checkReports(t, publisher.Documents(), []int{100, 30, 0, 20})
	})
}

// checkReports compares the records that reports tell of with those wanted.
func checkReports(t *testing.T, documents []inputstest.Document, want []int) {
	t.Helper()
	ids := map[string]bool{}
	if len(documents) != len(want) {
		t.Fatalf("%d documents, want %d", len(documents), len(want))
	}
	for i, d := range documents {
		var got selfDocument
		if err := json.Unmarshal(d.JSON, &got); err != nil {
			t.Fatal(err)
		}
		ids[d.ID] = true
		c := got.Vendor.Collector
		if c.Records != want[i] || c.StreamID != "log-1" || !c.Healthy || c.LagSeconds != 7 || c.QuotaLeft == nil || *c.QuotaLeft != 1234 || c.LastSuccess == nil {
			t.Errorf("document %d: %s", i, d.JSON)
		}
		if s := got.DataStream; s.Type != "metrics" || s.Namespace != "prod" || got.Event.Kind != "metric" || len(got.Tags) != 1 {
			t.Errorf("document %d: %s", i, d.JSON)
		}
	}
	if len(ids) != len(want) {
		t.Errorf("%d ids of %d documents", len(ids), len(want))
	}
}

// TestCollectorSettings: its own settings are checked, those of the API are not.
func TestCollectorSettings(t *testing.T) {
	unit := collectorUnit(map[string]any{"id": "log-1", "data_stream": map[string]any{"dataset": "microsoft_defender_endpoint.log"}})
	unit.Source["streams"].([]any)[0].(map[string]any)["interval"] = "10ms"
	streams, err := defender.New("test").Streams(unit)
	if err != nil || len(streams) != 2 {
		t.Fatalf("%v, %+v", err, streams)
	}
	if fault := streams[0].Fault; fault == nil || !strings.Contains(fault.Error(), "interval") || strings.Contains(fault.Error(), "tenant_id") {
		t.Errorf("%v", fault)
	}
	if fault := streams[1].Fault; fault == nil || !strings.Contains(fault.Error(), "tenant_id") {
		t.Errorf("%v", fault)
	}
}
