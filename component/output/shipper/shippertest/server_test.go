package shippertest_test

import (
	"context"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-shipper-client/pkg/helpers"
	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
)

func dialShipper(t *testing.T, o shippertest.Options) (*shippertest.Server, shipperproto.ProducerClient) {
	t.Helper()
	before := goleak.IgnoreCurrent() // the agent's client leaves some
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s, err := shippertest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	connection, err := grpc.NewClient(settings["server"].(string), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return s, shipperproto.NewProducerClient(connection)
}

func events(t *testing.T, ids ...string) []*messages.Event {
	t.Helper()
	var out []*messages.Event
	for _, id := range ids {
		metadata, err := helpers.NewStruct(map[string]any{"_id": id})
		if err != nil {
			t.Fatal(err)
		}
		fields, err := helpers.NewStruct(map[string]any{"n": 1})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &messages.Event{
			Timestamp:  timestamppb.New(time.Unix(0, 0)),
			Source:     &messages.Source{InputId: "in"},
			DataStream: &messages.DataStream{Type: "logs", Dataset: "d", Namespace: "n"},
			Metadata:   metadata, Fields: fields,
		})
	}
	return out
}

// The index told is that of the oldest event not persisted, as the agent's
// shipper has it, and the queue takes what fits.
func TestShipperQueueAndIndex(t *testing.T) {
	s, client := dialShipper(t, shippertest.Options{Hold: true, Queue: 3})
	stream, err := client.PersistedIndex(t.Context(), &messages.PersistedIndexRequest{PollingInterval: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	index := func() uint64 {
		t.Helper()
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return reply.PersistedIndex
	}
	if got := index(); got != 0 {
		t.Errorf("first persisted index %d, want 0", got)
	}
	reply, err := client.PublishEvents(t.Context(), &messages.PublishRequest{Events: events(t, "a", "b", "a", "c")})
	if err != nil || reply.AcceptedCount != 3 || reply.AcceptedIndex != 2 {
		t.Fatalf("reply %v, %v, want 3 accepted up to index 2", reply, err)
	}
	s.Persist(2)
	if got := index(); got != 2 {
		t.Errorf("persisted index %d after two of three, want 2", got)
	}
	s.Persist(1)
	if got := index(); got != 3 {
		t.Errorf("persisted index %d after three of three, want 3", got)
	}
	documents := s.Documents("logs-d-n")
	if len(documents) != 2 || string(documents[0].JSON) != `{"@timestamp":"1970-01-01T00:00:00.000Z","n":1}` {
		t.Errorf("documents: %s", documents)
	}
	stats, _ := s.Stats()
	stats.Largest = 0
	if diff := cmp.Diff(shippertest.Stats{Calls: 1, Received: 3, Persisted: 3, Stored: 2, Duplicates: 1, Streams: 1}, stats); diff != "" {
		t.Error(diff)
	}
	s.BreakStreams()
	if _, err := stream.Recv(); status.Code(err) != codes.Unknown {
		t.Errorf("broken stream: %v", err)
	}
}

func TestShipperFirstEventWaitsForRoom(t *testing.T) {
	s, client := dialShipper(t, shippertest.Options{Hold: true, Queue: 1})
	request := &messages.PublishRequest{Events: events(t, "a", "b")}
	if _, err := client.PublishEvents(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := client.PublishEvents(t.Context(), request)
		done <- err
	}()
	for { // until the second call is in
		stats, changed := s.Stats()
		if stats.Calls == 2 {
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Millisecond): // a call that waits changes nothing else
		}
	}
	s.Persist(1)
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := client.PublishEvents(ctx, request); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("full queue: %v", err)
	}
}

func TestShipperRestart(t *testing.T) {
	s, client := dialShipper(t, shippertest.Options{Hold: true})
	first, err := client.PublishEvents(t.Context(), &messages.PublishRequest{Events: events(t, "a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	s.Persist(1)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	for err = status.Error(codes.Unavailable, ""); status.Code(err) == codes.Unavailable; { // until connected again
		_, err = client.PublishEvents(t.Context(), &messages.PublishRequest{Uuid: first.Uuid, Events: events(t, "c")}, grpc.WaitForReady(true))
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("former uuid: %v", err)
	}
	if got := s.Documents("logs-d-n"); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("documents after a restart: %v", got)
	}
}

func TestShipperIsStrict(t *testing.T) {
	_, client := dialShipper(t, shippertest.Options{})
	tests := map[string]func(*messages.Event){
		"no timestamp":   func(e *messages.Event) { e.Timestamp = nil },
		"no data stream": func(e *messages.Event) { e.DataStream = nil },
		"no dataset":     func(e *messages.Event) { e.DataStream.Dataset = "" },
		"no input id":    func(e *messages.Event) { e.Source.InputId = "" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			spoilt := events(t, "a", "b")
			spoil(spoilt[1])
			if _, err := client.PublishEvents(t.Context(), &messages.PublishRequest{Events: spoilt}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v, want InvalidArgument", err)
			}
		})
	}
	if _, err := client.PublishEvents(t.Context(), &messages.PublishRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("empty list: %v", err)
	}
}
