package agenttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/elastic/elastic-agent-client/v7/pkg/client/chunk"
	"github.com/elastic/elastic-agent-client/v7/pkg/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// firstMessage is how long the agent waits for a stream's first message.
const firstMessage = 5 * time.Second

// agentServer is the service a component connects to. Streams are read by
// goroutines of their own, which end when their stream does.
type agentServer struct {
	proto.UnimplementedElasticAgentServer
	control   *control
	token     string
	receivers *sync.WaitGroup
}

// CheckinV2 answers check-ins where the agent would, and sends what is
// expected unasked when that changes.
func (s *agentServer) CheckinV2(server proto.ElasticAgent_CheckinV2Server) error {
	received, ended := receive(server.Context(), s.receivers, func() (*proto.CheckinObserved, error) { return chunk.RecvObserved(server) })
	message, err := firstOf(received, ended)
	if err != nil {
		return err
	}
	if message.Token != s.token {
		return status.Error(codes.PermissionDenied, "invalid token")
	}
	connected, ok := s.control.connect()
	if !ok {
		return status.Error(codes.AlreadyExists, "component already connected")
	}
	defer s.control.disconnect(connected)
	chunked := slices.Contains(message.Supports, proto.ConnectionSupports_CheckinChunking)
	answer, first := s.control.observe(message, true), true
	for {
		if answer {
			if err := sendExpected(server, s.control.message(first), chunked); err != nil {
				return err
			}
			first = false
		}
		select {
		case message := <-received:
			answer = s.control.observe(message, false)
		case <-connected.push:
			answer = true
		case err := <-ended:
			return err
		case <-connected.gone:
			return status.Error(codes.Unavailable, "component restarted")
		}
	}
}

func sendExpected(server proto.ElasticAgent_CheckinV2Server, m *proto.CheckinExpected, chunked bool) error {
	messages := []*proto.CheckinExpected{m}
	if chunked {
		var err error
		if messages, err = chunk.Expected(m, agentMaxMessageSize); err != nil {
			return err
		}
	}
	for _, m := range messages {
		if err := server.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// Actions passes requests on and hands responses to the caller.
func (s *agentServer) Actions(server proto.ElasticAgent_ActionsServer) error {
	received, ended := receive(server.Context(), s.receivers, server.Recv)
	message, err := firstOf(received, ended)
	if err != nil {
		return err
	}
	if message.Token != s.token || message.Id != client.ActionResponseInitID {
		return status.Error(codes.PermissionDenied, "invalid token")
	}
	for {
		select {
		case response := <-received:
			s.control.actions.respond(response)
		case request := <-s.control.actions.requests:
			if err := server.Send(request); err != nil {
				s.control.actions.respond(&proto.ActionResponse{Id: request.Id, Status: proto.ActionResponse_FAILED})
				return err
			}
		case err := <-ended:
			return err
		}
	}
}

// receive reads a stream until it ends. The second channel then gets the
// reason, nil where the client closed it.
func receive[M any](ctx context.Context, wg *sync.WaitGroup, next func() (M, error)) (<-chan M, <-chan error) {
	received, ended := make(chan M), make(chan error, 1)
	wg.Go(func() {
		for {
			message, err := next()
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				ended <- err
				return
			}
			select {
			case received <- message:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
	})
	return received, ended
}

func firstOf[M any](received <-chan M, ended <-chan error) (M, error) {
	var none M
	timer := time.NewTimer(firstMessage)
	defer timer.Stop()
	select {
	case message := <-received:
		return message, nil
	case err := <-ended:
		if err == nil {
			err = status.Error(codes.Canceled, "stream closed before its first message")
		}
		return none, err
	case <-timer.C:
		return none, status.Error(codes.DeadlineExceeded, "no first message")
	}
}

// actions are the requests under way.
type actions struct {
	requests chan *proto.ActionRequest
	mu       sync.Mutex
	pending  map[string]chan *proto.ActionResponse
}

func newActions() *actions {
	return &actions{requests: make(chan *proto.ActionRequest), pending: map[string]chan *proto.ActionResponse{}}
}

func (a *actions) respond(r *proto.ActionResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer, ok := a.pending[r.Id]; ok {
		delete(a.pending, r.Id)
		answer <- r
	}
}

// perform sends a request to the connected component and waits for the
// response. A response FAILED is an error.
func (a *actions) perform(ctx context.Context, request *proto.ActionRequest) (*proto.ActionResponse, error) {
	request.Id = newID()
	answer := make(chan *proto.ActionResponse, 1)
	a.mu.Lock()
	a.pending[request.Id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.pending, request.Id)
	}()
	select {
	case a.requests <- request:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case response := <-answer:
		if response.Status == proto.ActionResponse_FAILED {
			return nil, fmt.Errorf("refused: %s", response.Result)
		}
		return response, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// PerformAction has a unit perform a custom action and returns its result.
func (a *Agent) PerformAction(ctx context.Context, unit UnitKey, name string, params map[string]any) (map[string]any, error) {
	encoded, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("action %s of %s: %w", name, unit, err)
	}
	response, err := a.control.actions.perform(ctx, &proto.ActionRequest{
		Type: proto.ActionRequest_CUSTOM, Name: name, Params: encoded, UnitId: unit.ID, UnitType: proto.UnitType(unit.Type),
	})
	if err != nil {
		return nil, a.failure(fmt.Sprintf("action %s of %s", name, unit), err)
	}
	var result map[string]any
	if err := json.Unmarshal(response.Result, &result); err != nil {
		return nil, fmt.Errorf("action %s of %s: %w", name, unit, err)
	}
	return result, nil
}

// Diagnostic is one file of a diagnostics archive.
type Diagnostic struct {
	Name, Filename, ContentType string
	Content                     []byte
}

// Diagnostics collects a unit's diagnostics, sorted as the component sent them.
func (a *Agent) Diagnostics(ctx context.Context, unit UnitKey) ([]Diagnostic, error) {
	return a.diagnostics(ctx, &proto.ActionRequest{
		Level: proto.ActionRequest_UNIT, UnitId: unit.ID, UnitType: proto.UnitType(unit.Type),
	})
}

// ComponentDiagnostics collects the diagnostics of the component as a whole.
func (a *Agent) ComponentDiagnostics(ctx context.Context) ([]Diagnostic, error) {
	return a.diagnostics(ctx, &proto.ActionRequest{Level: proto.ActionRequest_COMPONENT})
}

func (a *Agent) diagnostics(ctx context.Context, request *proto.ActionRequest) ([]Diagnostic, error) {
	request.Type = proto.ActionRequest_DIAGNOSTICS
	response, err := a.control.actions.perform(ctx, request)
	if err != nil {
		return nil, a.failure("diagnostics", err)
	}
	out := make([]Diagnostic, 0, len(response.Diagnostic))
	for _, d := range response.Diagnostic {
		out = append(out, Diagnostic{d.Name, d.Filename, d.ContentType, d.Content})
	}
	return out, nil
}
