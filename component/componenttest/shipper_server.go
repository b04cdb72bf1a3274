package componenttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/elastic/elastic-agent-shipper-client/pkg/helpers"
	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// shipperServer is the Producer service of a Shipper.
type shipperServer struct {
	shipperproto.UnimplementedProducerServer
	shipper *Shipper
}

// PublishEvents waits until the first event fits into the queue and takes of
// the others what fits, as the agent's shipper does.
func (p *shipperServer) PublishEvents(ctx context.Context, request *messages.PublishRequest) (*messages.PublishReply, error) {
	s := p.shipper
	fault, err := s.meet(ctx, &s.publish)
	if err != nil && !fault.Late {
		return nil, err
	}
	s.mu.Lock()
	uuid := s.uuid
	s.stats.Calls++
	s.mu.Unlock()
	reply := &messages.PublishReply{Uuid: uuid}
	if request.Uuid != "" && request.Uuid != uuid {
		return nil, status.Errorf(codes.FailedPrecondition, "UUID does not match. Expected = %s, actual = %s", request.Uuid, uuid)
	}
	if len(request.Events) == 0 {
		return nil, status.Error(codes.InvalidArgument, "publish request must contain at least one event")
	}
	for _, e := range request.Events {
		if err := validate(e); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	if fault.Full {
		return reply, nil
	}
	if err := s.accept(ctx, uuid, request.Events, reply); err != nil {
		return nil, err
	}
	if fault.Late {
		return nil, err
	}
	return reply, nil
}

// meet applies the fault at hand, if there is one.
func (s *Shipper) meet(ctx context.Context, at **ShipperFault) (ShipperFault, error) {
	s.mu.Lock()
	if *at == nil {
		s.mu.Unlock()
		return ShipperFault{}, nil
	}
	fault := **at
	if (*at).Times > 0 {
		if (*at).Times--; (*at).Times == 0 {
			*at = nil
		}
	}
	s.mu.Unlock()
	select {
	case fault.Met <- struct{}{}:
	default: // nobody asked, or nobody looks now
	}
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-ctx.Done():
			return fault, ctx.Err()
		}
	}
	if fault.Code != codes.OK {
		return fault, status.Error(fault.Code, "as the test wants")
	}
	return fault, nil
}

func (s *Shipper) accept(ctx context.Context, uuid string, events []*messages.Event, reply *messages.PublishReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) >= s.options.Queue {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
	}
	if s.server == nil || s.uuid != uuid {
		return status.Error(codes.Unavailable, "queue is closed")
	}
	for _, e := range events[:min(len(events), s.options.Queue-len(s.queue))] {
		s.queue = append(s.queue, queued{s.next, e})
		reply.AcceptedIndex = s.next
		reply.AcceptedCount++
		s.next++
	}
	s.stats.Received += int(reply.AcceptedCount)
	switch last := reply.AcceptedIndex; {
	case s.options.Hold:
	case s.options.Delay > 0:
		time.AfterFunc(s.options.Delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.uuid == uuid {
				s.persist(last)
			}
		})
	default:
		s.persist(last)
	}
	s.notify()
	return nil
}

// persist moves the events up to that index from the queue to where they are
// safe. Callers hold mu.
func (s *Shipper) persist(last uint64) {
	for len(s.queue) > 0 && s.queue[0].index <= last {
		s.keep(s.queue[0].event)
		s.queue = s.queue[1:]
	}
	s.notify()
}

func (s *Shipper) keep(e *messages.Event) {
	metadata := e.GetMetadata().GetData()
	d := ShippedDocument{
		ID: metadata["_id"].GetStringValue(), Index: metadata["raw_index"].GetStringValue(),
		OpType: metadata["op_type"].GetStringValue(), Pipeline: metadata["pipeline"].GetStringValue(),
		InputID: e.Source.InputId, StreamID: e.Source.StreamId,
	}
	if d.Index == "" {
		d.Index = e.DataStream.Type + "-" + e.DataStream.Dataset + "-" + e.DataStream.Namespace
	}
	s.stats.Persisted++
	key := d.Index + "/" + d.ID
	if d.ID == "" {
		key += newID() // Elasticsearch gives it an id
	}
	if s.ids[key] {
		s.stats.Duplicates++
		return
	}
	s.ids[key] = true
	if s.options.CountOnly && s.options.OnDocument == nil {
		return
	}
	fields := helpers.AsMap(e.Fields)
	fields["@timestamp"] = e.Timestamp.AsTime().Format(ecs.TimeLayout)
	d.JSON, _ = json.Marshal(fields) // strings, numbers, maps and lists always encode
	if s.options.OnDocument != nil {
		s.options.OnDocument(d)
	}
	if !s.options.CountOnly {
		s.documents = append(s.documents, d)
	}
}

// PersistedIndex looks at the index every polling interval and tells when it
// changed.
func (p *shipperServer) PersistedIndex(request *messages.PersistedIndexRequest, server shipperproto.Producer_PersistedIndexServer) error {
	s := p.shipper
	if _, err := s.meet(server.Context(), &s.index); err != nil {
		return err
	}
	s.mu.Lock()
	broken := s.broken
	s.stats.Streams++
	s.notify()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stats.Streams--
		s.notify()
	}()
	told := s.persisted()
	if err := server.Send(told); err != nil {
		return err
	}
	interval := request.PollingInterval.AsDuration()
	if interval == 0 {
		return nil
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-server.Context().Done():
			return server.Context().Err()
		case <-broken:
			return status.Error(codes.Internal, "stream broken")
		case <-ticker.C:
			now := s.persisted()
			if now.PersistedIndex == told.PersistedIndex {
				continue
			}
			if err := server.Send(now); err != nil {
				return err
			}
			told = now
		}
	}
}

func (s *Shipper) persisted() *messages.PersistedIndexReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.next
	if len(s.queue) > 0 {
		oldest = s.queue[0].index
	}
	if s.options.Inclusive {
		oldest--
	}
	return &messages.PersistedIndexReply{Uuid: s.uuid, PersistedIndex: oldest}
}

func validate(e *messages.Event) error {
	var faults []error
	if err := e.Timestamp.CheckValid(); err != nil {
		faults = append(faults, fmt.Errorf("timestamp: %w", err))
	}
	if d := e.DataStream; d.GetDataset() == "" || d.GetNamespace() == "" || d.GetType() == "" {
		faults = append(faults, errors.New("datastream: dataset, namespace and type are required"))
	}
	if e.Source.GetInputId() == "" {
		faults = append(faults, errors.New("source: input_id is a required field"))
	}
	return errors.Join(faults...)
}

// meter measures the calls of a Shipper.
type meter struct{ shipper *Shipper }

func (m meter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (m meter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (m meter) HandleConn(context.Context, stats.ConnStats) {}

func (m meter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if payload, ok := s.(*stats.InPayload); ok {
		m.shipper.mu.Lock()
		defer m.shipper.mu.Unlock()
		m.shipper.stats.Largest = max(m.shipper.stats.Largest, payload.Length)
	}
}
