package shipper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	opPublish = "publish events"
	opIndex   = "persisted index"

	maxCallBytes  = 64 << 20 // what the agent's shipper receives at most
	everyoneTakes = 4 << 20  // gRPC's own limit, where a server sets none
	callBytes     = 2 << 20  // JSON of one call; as messages it stays below everyoneTakes

	// builders is how many calls are built and sent at once.
	builders = 2

	// equalFor is how long the persisted index must stay equal to an accepted
	// one before the last event is sent once more. See the package's comment.
	equalFor = time.Second

	// longestLag is how long nothing may be persisted before that is reported.
	// The elastic-agent-shipper sends what it has after 30 seconds at the latest
	// (flush_timeout in its output/elasticsearch/config.go), and its queue waits
	// for a second; a minute is promised.
	longestLag = 45 * time.Second
)

// sender is the output.Sender over the Producer API.
type sender struct {
	connection grpc.ClientConnInterface
	client     shipperproto.ProducerClient // over connection
	dialer     *dialer
	patience   time.Duration // with a call that has no answer
	lag        time.Duration
	equalFor   time.Duration
	reporter   output.Reporter
	log        *slog.Logger
	builders   chan struct{} // one element per call being built and sent
	spare      chan encoded  // memory for the next calls

	mu        sync.Mutex
	session   *session
	closed    bool
	followers sync.WaitGroup
}

func newSender(connection grpc.ClientConnInterface, d *dialer, patience time.Duration, r output.Reporter, log *slog.Logger) *sender {
	return &sender{
		connection: connection, client: shipperproto.NewProducerClient(connection),
		dialer: d, patience: patience, lag: longestLag, equalFor: equalFor, reporter: r, log: log,
		builders: make(chan struct{}, builders), spare: make(chan encoded, builders),
	}
}

// Send implements output.Sender. Documents are stored once the shipper reported
// that it persisted them. Where the queue has room for a part only, the rest
// follows when that part is persisted. What was accepted before a call that fails
// is awaited all the same: the shipper has it.
func (s *sender) Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	session, err := s.begin(ctx)
	if err != nil {
		return err
	}
	for done := 0; done < len(docs); {
		accepted, index, trouble := s.publishAll(ctx, session, target, docs[done:])
		if sent := done + accepted; accepted > 0 {
			if err := s.await(ctx, session, index, target, docs[sent-1:sent]); err != nil {
				return err
			}
			for ; done < sent; done++ {
				verdicts[done].Outcome = output.Stored
			}
		}
		if bad := (*unreadable)(nil); errors.As(trouble, &bad) {
			verdicts[done+bad.at] = output.Verdict{Outcome: output.Refused, Refusal: &inputs.Refusal{Type: "document_parsing_exception"}}
			return nil
		}
		if trouble != nil {
			return trouble
		}
	}
	return nil
}

// publishAll makes calls up to one that is not accepted whole. It returns how many
// documents were accepted, and the index of the last of them, with an error as well.
func (s *sender) publishAll(ctx context.Context, session *session, target inputs.Target, docs []inputs.Document) (sent int, index uint64, err error) {
	for sent < len(docs) {
		end := fit(docs, sent)
		accepted, last, err := s.publish(ctx, session, target, docs[sent:end])
		switch {
		case err != nil:
			return sent, index, err
		case accepted > 0:
			index = last
		case sent == 0:
			return 0, 0, &output.Error{Op: opPublish, Reason: output.Busy, Err: errFull}
		}
		if sent += accepted; sent < end {
			break
		}
	}
	return sent, index, nil
}

// fit is the end of the longest run from start that goes into one call.
func fit(docs []inputs.Document, start int) int {
	size, end := 0, start
	for ; end < len(docs); end++ {
		size += len(docs[end].JSON)
		if size > callBytes && end > start {
			break
		}
	}
	return end
}

// publish makes one call and returns how many documents were accepted, and the
// index of the last of them. Another uuid ends the session. The call has no time
// limit: the shipper takes the events of a call that was given up all the same,
// so that every further try would be stored as well.
func (s *sender) publish(ctx context.Context, session *session, target inputs.Target, docs []inputs.Document) (int, uint64, error) {
	select {
	case s.builders <- struct{}{}:
		defer func() { <-s.builders }()
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("%s: %w", opPublish, ctx.Err())
	}
	before := session.progress()
	request, bad := s.request(before.uuid, target, docs)
	if bad != nil {
		return 0, 0, bad
	}
	reply := &messages.PublishReply{}
	err := s.call(ctx, session, request, reply)
	if err == nil {
		s.keep(request) // after an error gRPC may still read it
	}
	if err == nil && reply.Uuid != before.uuid {
		err = status.Error(codes.FailedPrecondition, "uuid")
	}
	if status.Code(err) == codes.FailedPrecondition {
		session.end(s.failure(opPublish, err))
	}
	switch {
	case err == nil:
		accepted := min(int(reply.AcceptedCount), len(docs))
		if accepted > 0 {
			err = session.accepted(before, uint64(accepted), reply.AcceptedIndex)
		}
		return accepted, reply.AcceptedIndex, err
	case ctx.Err() != nil:
		return 0, 0, fmt.Errorf("%s: %w", opPublish, ctx.Err())
	case session.ctx.Err() != nil: // which ended the call
		return 0, 0, session.progress().err
	case status.Code(err) == codes.ResourceExhausted && len(*request) > everyoneTakes:
		return 0, 0, &output.Error{Op: opPublish, Reason: output.TooLarge, Err: cause(err)}
	default:
		return 0, 0, s.failure(opPublish, err)
	}
}

// call waits for the answer while the session lasts. When it has taken long, it
// reports that.
func (s *sender) call(ctx context.Context, session *session, request *encoded, reply *messages.PublishReply) error {
	own, cancel := session.during(ctx)
	defer cancel()
	reported := make(chan struct{})
	timer := time.AfterFunc(s.patience, func() {
		defer close(reported)
		s.reporter.Report(s.unanswered(opPublish))
	})
	err := s.connection.Invoke(own, publishEvents, request, reply, grpc.ForceCodecV2(codec{}))
	if !timer.Stop() {
		<-reported // so that no trouble is reported after its end
	}
	return err
}

// request encodes documents for one call.
func (s *sender) request(uuid string, target inputs.Target, docs []inputs.Document) (*encoded, *unreadable) {
	var request encoded
	select {
	case request = <-s.spare:
	default:
	}
	encoder := newEncoder(target)
	request = encoder.request(request[:0], uuid)
	for i, d := range docs {
		longer, err := encoder.event(request, d)
		if err != nil {
			return nil, &unreadable{i, d.ID}
		}
		request = longer
	}
	return &request, nil
}

// keep lets a later call use a request's memory.
func (s *sender) keep(request *encoded) {
	select {
	case s.spare <- *request:
	default:
	}
}

// publishEvents is the method of the Producer service.
const publishEvents = "/elastic.agent.shipper.v1.Producer/PublishEvents"

// encoded is a PublishRequest as it goes over the wire.
type encoded []byte

// codec lets encoded requests through and leaves the rest to protobuf.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if request, ok := v.(*encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(*request)}, nil
	}
	return encoding.GetCodecV2("proto").Marshal(v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	return encoding.GetCodecV2("proto").Unmarshal(data, v)
}

// await returns nil when the persisted index has passed index, and an error
// when the session ended before that.
func (s *sender) await(ctx context.Context, session *session, index uint64, target inputs.Target, last []inputs.Document) error {
	stuck := time.NewTimer(s.lag)
	defer stuck.Stop()
	equal := time.NewTimer(s.equalFor)
	defer equal.Stop()
	p, before := session.progress(), uint64(0)
	var trouble error // with sending the last event once more
	for {
		switch {
		case p.persisted > index:
			return nil
		case p.err != nil:
			return p.err
		}
		if p.persisted != before {
			stuck.Reset(s.lag)
			equal.Reset(s.equalFor)
			before = p.persisted
		}
		select {
		case <-p.changed:
		case <-equal.C:
			if p.persisted != index || p.oldest {
				break
			}
			accepted, _, err := s.publish(ctx, session, target, last)
			if trouble = err; accepted == 0 { // what was accepted before is so all the same
				equal.Reset(s.equalFor)
			}
		case <-stuck.C:
			s.reporter.Report(cmp.Or(trouble, error(&output.Error{Op: opIndex, Reason: output.Busy, Err: errUndelivered})))
			stuck.Reset(s.lag)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", opIndex, ctx.Err())
		}
		p = session.progress()
	}
}

// unreadable is a document of a call that is not JSON.
type unreadable struct {
	at int // position in the call
	id string
}

func (u *unreadable) Error() string { return "document " + u.id + " is not JSON" }

var errFull = errors.New("its queue is full, or it does not answer")

// errRestarted says that the former indexes mean nothing now.
var errRestarted = errors.New("the shipper restarted")

func restarted(op string) error {
	return &output.Error{Op: op, Reason: output.Server, Err: errRestarted}
}

// errUndelivered is also what is seen where the shipper gave a bulk request up:
// it never reports that, and only a restart ends it.
var errUndelivered = errors.New("it has accepted documents and does not deliver them")

// unanswered is what is known while a call has no answer. Where there is a
// connection, the first event of the call waits for room in the queue.
func (s *sender) unanswered(op string) error {
	if why := s.dialer.reason(); why != nil {
		return &output.Error{Op: op, Reason: output.Unreachable, Err: why}
	}
	if op == opPublish {
		return &output.Error{Op: op, Reason: output.Busy, Err: errFull}
	}
	return &output.Error{Op: op, Reason: output.Unreachable, Err: errSilent}
}

// failure makes an output.Error of what gRPC says.
func (s *sender) failure(op string, err error) error {
	if errors.Is(err, errClosed) {
		return &output.Error{Op: op, Reason: output.Other, Err: errClosed}
	}
	why := cause(err)
	reason := output.Server
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return restarted(op)
	case codes.Unavailable:
		reason = output.Unreachable
		if reason := s.dialer.reason(); reason != nil {
			why = reason
		}
	case codes.DeadlineExceeded, codes.ResourceExhausted: // a full queue makes the first event wait
		reason = output.Busy
	case codes.Unauthenticated:
		reason = output.Unauthorized
	case codes.PermissionDenied:
		reason = output.Forbidden
	case codes.InvalidArgument, codes.Unimplemented:
		reason = output.RequestRefused
	}
	return &output.Error{Op: op, Reason: reason, Err: why}
}

// messageBytes is how much of the other side's text is kept.
const messageBytes = 300

// cause is a short form of a gRPC error.
func cause(err error) error {
	s := status.Convert(err)
	text := s.Message()
	if len(text) > messageBytes {
		text = strings.ToValidUTF8(text[:messageBytes], "")
	}
	return fmt.Errorf("%s: %s", s.Code(), text)
}
