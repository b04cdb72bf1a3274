package shippertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// producer is the Producer service of a Server.
type producer struct {
	shipperproto.UnimplementedProducerServer
	shipper *Server
}

// PublishEvents waits until the first event fits into the queue and takes of
// the others what fits, as the shipper does (grpcserver/server.go).
func (p *producer) PublishEvents(ctx context.Context, request *messages.PublishRequest) (*messages.PublishReply, error) {
	s := p.shipper
	fault, err := s.meet(ctx, &s.publish)
	if err != nil && !fault.Late {
		return nil, err
	}
	s.mu.Lock()
	uuid := s.uuid
	s.stats.Calls++
	s.mu.Unlock()
	reply := &messages.PublishReply{Uuid: cmp.Or(fault.UUID, uuid)}
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
	if err := s.accept(uuid, request.Events, reply); err != nil {
		return nil, err
	}
	if fault.Late {
		return nil, err
	}
	return reply, nil
}

// meet applies the fault at hand, if there is one.
func (s *Server) meet(ctx context.Context, at **Fault) (Fault, error) {
	s.mu.Lock()
	if *at == nil {
		s.mu.Unlock()
		return Fault{}, nil
	}
	if (*at).After > 0 {
		(*at).After--
		s.mu.Unlock()
		return Fault{}, nil
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

// PersistedIndex looks at the index every polling interval and sends it when it
// changed.
func (p *producer) PersistedIndex(request *messages.PersistedIndexRequest, server shipperproto.Producer_PersistedIndexServer) error {
	s := p.shipper
	if _, err := s.meet(server.Context(), &s.index); err != nil {
		return err
	}
	broken, leave, err := s.join()
	if err != nil {
		return err
	}
	defer leave()
	sent := s.persisted()
	if err := server.Send(sent); err != nil {
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
			return status.Error(codes.Unknown, "server is stopped: context canceled") // grpcserver/server.go
		case <-ticker.C:
			if stats, _ := s.Stats(); stats.Blocked > 0 {
				continue // a call that waits for room holds publisherserver's lock
			}
			now := s.persisted()
			if now.PersistedIndex == sent.PersistedIndex {
				continue
			}
			if err := server.Send(now); err != nil {
				return err
			}
			sent = now
		}
	}
}

// join counts a PersistedIndex stream until it leaves; broken is closed when the
// server breaks its streams.
func (s *Server) join() (broken <-chan struct{}, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil, nil, status.Error(codes.Unavailable, "shipper is initializing")
	}
	s.stats.Streams++
	s.notify()
	return s.broken, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stats.Streams--
		s.notify()
	}, nil
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

// meter measures the calls of a Server.
type meter struct{ shipper *Server }

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
