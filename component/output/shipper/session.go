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

// session is one PersistedIndex stream over one queue of the shipper. Indexes
// mean something inside it only.
type session struct {
	ctx    context.Context // ends with the session, which outlives the call that began it
	cancel context.CancelFunc
	log    *slog.Logger

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced with every change
	uuid      string        // empty until the first reply
	persisted uint64
	next      uint64 // one more than the largest index accepted, 0 for none
	oldest    bool   // persisted is known to be the oldest event's that is not
	err       error  // why it ended; nil while it lasts
}

// progress is how far a session is.
type progress struct {
	uuid      string
	persisted uint64
	next      uint64
	oldest    bool
	changed   <-chan struct{}
	err       error
}

func newSession(ctx context.Context, log *slog.Logger) *session {
	own, cancel := context.WithCancel(ctx)
	return &session{ctx: own, cancel: cancel, log: log, changed: make(chan struct{})}
}

// follow reads the persisted index until the stream ends, and returns why.
func (s *session) follow(client shipperproto.ProducerClient) error {
	defer s.cancel()
	stream, err := client.PersistedIndex(s.ctx, &messages.PersistedIndexRequest{PollingInterval: durationpb.New(pollingInterval)})
	for err == nil {
		var reply *messages.PersistedIndexReply
		if reply, err = stream.Recv(); err == nil {
			s.update(reply)
		}
	}
	return err
}

func (s *session) update(reply *messages.PersistedIndexReply) {
	s.mu.Lock()
	known := s.uuid
	back := known == reply.Uuid && reply.PersistedIndex < s.persisted
	if known == "" && s.err == nil {
		s.uuid = reply.Uuid
	}
	if !back && (known == "" || known == reply.Uuid) {
		s.persisted = reply.PersistedIndex
	}
	s.notify()
	s.mu.Unlock()
	if known == "" {
		s.log.Info("Connected to the shipper", "shipper.uuid", reply.Uuid)
	}
	if back || known != "" && known != reply.Uuid {
		s.end(restarted(opIndex))
	}
}

// accepted notes the reply to a call that began when the session was at
// before: count events, the last under that index. It returns an error where the
// indexes have begun again.
func (s *session) accepted(before progress, count, last uint64) error {
	if last < before.next {
		err := restarted(opPublish)
		s.end(err)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = max(s.next, last+1)
	// A new event has an index that was reported as persisted before it was sent.
	s.oldest = s.oldest || last < before.persisted+count
	s.notify()
	return nil
}

// during is a context that ends with ctx and with the session.
func (s *session) during(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(s.ctx, cancel)
	return own, func() { forget(); cancel() }
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
	return progress{s.uuid, s.persisted, s.next, s.oldest, s.changed, s.err}
}

// begin returns the session under way, or a new one, once its uuid is known.
func (s *sender) begin(ctx context.Context) (*session, error) {
	current, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	for {
		p := current.progress()
		switch {
		case p.err != nil:
			return nil, p.err
		case p.uuid != "":
			return current, nil
		}
		select {
		case <-p.changed:
		case <-timer.C:
			err := s.unanswered(opIndex)
			s.reporter.Report(err) // the loop would wait for the second time
			current.end(err)
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", opIndex, ctx.Err())
		}
	}
}

// current is the session that lasts, started where there is none. It outlives
// the call that needed it first, and ends with the output.
func (s *sender) current(ctx context.Context) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, s.failure(opIndex, errClosed)
	}
	if s.session != nil && s.session.progress().err == nil {
		return s.session, nil
	}
	current := newSession(context.WithoutCancel(ctx), s.log)
	s.session = current
	s.followers.Go(func() { current.end(s.failure(opIndex, current.follow(s.client))) })
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
		current.end(s.failure(opIndex, errClosed))
	}
	s.followers.Wait()
	return first
}
