package shipper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/protobuf/types/known/durationpb"
)

// pollingInterval is how often the shipper looks whether its persisted index
// changed.
const pollingInterval = 5 * time.Millisecond

var errClosed = errors.New("output closed")

// session is one PersistedIndex stream in one life of the shipper. Indexes
// mean something inside it only.
type session struct {
	cancel context.CancelFunc
	log    *slog.Logger

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced with every change
	uuid      string        // empty until the first reply
	persisted uint64
	err       error // why it ended; nil while it lasts
}

// progress is how far a session is.
type progress struct {
	uuid      string
	persisted uint64
	changed   <-chan struct{}
	err       error
}

func newSession(cancel context.CancelFunc, log *slog.Logger) *session {
	return &session{cancel: cancel, log: log, changed: make(chan struct{})}
}

// follow reads the persisted index until the session ends.
func (s *session) follow(ctx context.Context, client shipperproto.ProducerClient) {
	defer s.cancel()
	stream, err := client.PersistedIndex(ctx, &messages.PersistedIndexRequest{PollingInterval: durationpb.New(pollingInterval)})
	for err == nil {
		var reply *messages.PersistedIndexReply
		if reply, err = stream.Recv(); err == nil {
			s.update(reply)
		}
	}
	s.end(failure(opIndex, err))
}

func (s *session) update(reply *messages.PersistedIndexReply) {
	s.mu.Lock()
	known := s.uuid
	if known == "" && s.err == nil {
		s.uuid = reply.Uuid
	}
	if known == "" || known == reply.Uuid {
		s.persisted = reply.PersistedIndex
	}
	s.notify()
	s.mu.Unlock()
	if known == "" {
		s.log.Info("Connected to the shipper", "shipper.uuid", reply.Uuid)
	}
	if known != "" && known != reply.Uuid {
		s.end(restarted(opIndex))
	}
}

// end ends the session; the first reason given stays.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.cancel()
		s.notify()
	}
}

// notify wakes who waits for a change. Callers hold mu.
func (s *session) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) progress() progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return progress{s.uuid, s.persisted, s.changed, s.err}
}

// begin returns the session under way, or a new one, once its uuid is known.
func (s *sender) begin(ctx context.Context) (*session, string, error) {
	current, err := s.current(ctx)
	if err != nil {
		return nil, "", err
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	for {
		p := current.progress()
		switch {
		case p.err != nil:
			return nil, "", p.err
		case p.uuid != "":
			return current, p.uuid, nil
		}
		select {
		case <-p.changed:
		case <-timer.C:
			current.end(unanswered(opIndex, s.timeout))
		case <-ctx.Done():
			return nil, "", fmt.Errorf("%s: %w", opIndex, ctx.Err())
		}
	}
}

// current is the session that lasts, started where there is none. It outlives
// the call that needed it first, and ends with the output.
func (s *sender) current(ctx context.Context) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, failure(opIndex, errClosed)
	}
	if s.session != nil && s.session.progress().err == nil {
		return s.session, nil
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	current := newSession(cancel, s.log)
	s.session = current
	s.followers.Go(func() { current.follow(own, s.client) })
	return current, nil
}

// close ends the session and waits until it is over. It reports whether it was
// the first to do so.
func (s *sender) close() bool {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	current := s.session
	s.mu.Unlock()
	if current != nil {
		current.end(failure(opIndex, errClosed))
	}
	s.followers.Wait()
	return first
}
