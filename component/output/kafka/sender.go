package kafka

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// sender is the output.Sender over a client.
type sender struct {
	config *config
	client *kgo.Client
	asked  atomic.Bool // brokers have answered since the last failure
	spare  sync.Pool   // *flight, without it +900 B for each document
	held   held
}

var (
	_ output.Sender = (*sender)(nil)
	_ output.Waiter = (*sender)(nil)
)

const (
	// waitingLimit keeps the answer within the minute in which trouble is reported.
	waitingLimit = 10 * time.Second
	// longestAnswer bounds how long a Send waits, so that the second Send that fails
	// reports the trouble within the minute, too. The client keeps trying meanwhile.
	longestAnswer = 20 * time.Second
)

// errLasts is the trouble of records that are on their way, or may not be yet.
var errLasts = &output.Error{Op: opPublish, Reason: output.Silent, Err: output.ErrSilent}

// errNotAlone is the trouble of records that wait for one that is sent with no other, or
// of that one while others are under way.
var errNotAlone = &output.Error{Op: opPublish, Reason: output.Busy, Err: errors.New("a message that may be too large is sent with no other of its topic")}

func newSender(c *config, client *kgo.Client) *sender { return &sender{config: c, client: client} }

// Send implements output.Sender. The client reports no wrong password, certificate
// or dead broker but by trying until its time is over: so the brokers are asked
// first, after each failure.
func (s *sender) Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	if !s.asked.Load() {
		if err := s.ask(ctx); err != nil {
			return err
		}
		s.asked.Store(true)
	}
	f, ok := s.spare.Get().(*flight)
	if !ok {
		f = &flight{}
	}
	if !f.Fits(target) {
		f.Encoder = event.NewEncoder(target, "defender-endpoint", docs[0])
	}
	f.begin(s.config, &s.held, &target, docs, verdicts)
	s.held.admit(f)
	s.produce(context.WithoutCancel(ctx), f)
	s.await(ctx, f)
	if len(docs) == 1 && len(f.places) == 0 && isRefusal(f.of(0).result().err) {
		s.sendAlone(ctx, f)
	}
	trouble := f.judge(s.config.dialer, &target, verdicts)
	var topics []string
	if trouble != nil {
		topics = f.topicsOf(isWaiting)
		// The client knows the former topic until it is asked to forget it.
		s.client.PurgeTopicsFromProducing(f.topicsOf(isMadeAgain)...)
	}
	if !s.held.update(f, docs, verdicts) {
		s.giveBack(f)
	}
	return s.explained(ctx, topics, &target, trouble)
}

// giveBack makes a flight one for another Send, unless a promise still runs.
func (s *sender) giveBack(f *flight) {
	select {
	case <-f.done:
		f.places = nil
		s.spare.Put(f)
	default:
	}
}

// produce gives the client the records of a flight. It has them for as long as it
// takes, even where the caller is cancelled: a record that is cancelled takes those of
// others with it that are on their way to the same partition. One that is settled it
// does not get.
func (s *sender) produce(ctx context.Context, f *flight) {
	for i := range f.records {
		if f.records[i].Topic != "" && !f.results[i].settled {
			s.client.Produce(ctx, &f.records[i], f.promises[i])
		}
	}
	f.finish() // its own part of what is awaited
}

// await waits until the records of a flight are settled, those too that are in former
// ones, but no longer than a broker may take to answer.
func (s *sender) await(ctx context.Context, f *flight) {
	timer := time.NewTimer(min(s.config.Timeout, longestAnswer))
	defer timer.Stop()
	for i := -1; i < len(f.places); i++ {
		of := f
		if i >= 0 {
			of = f.of(i).flight
		}
		select {
		case <-of.done:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// sendAlone sends a refused record again with no other one of its topic under way: a
// broker refuses a whole batch of the client, which has records of several Sends.
func (s *sender) sendAlone(ctx context.Context, f *flight) {
	topic := f.records[0].Topic
	underWay, ok := s.held.claim(topic)
	if !ok {
		return
	}
	defer s.held.release(topic)
	timer := time.NewTimer(min(s.config.Timeout, longestAnswer))
	defer timer.Stop()
	for _, done := range underWay {
		select {
		case <-done:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
	f.again()
	s.produce(context.WithoutCancel(ctx), f)
	s.await(ctx, f)
}

// Waiting implements output.Waiter.
func (s *sender) Waiting() error {
	ctx, cancel := context.WithTimeout(context.Background(), waitingLimit) // a question of its own
	defer cancel()
	return cmp.Or(s.ask(ctx), s.config.dialer.answers.refusal())
}

// ask asks the brokers whether they are there, take the credentials and speak TLS.
func (s *sender) ask(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, s.config.Timeout+answersWithin)
	defer cancel()
	err := s.client.Ping(timed)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return s.config.dialer.failure(opAsk, err)
}

// explained is an error of records, or what the brokers say where it says nothing
// but that time is over: the client keeps the brokers' answers to itself while it
// tries.
func (s *sender) explained(ctx context.Context, topics []string, target *inputs.Target, err *output.Error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err.Reason == output.Silent || err.Reason == output.Unreachable || err.Reason == output.Server {
		s.asked.Store(false)
	}
	if err.Reason != output.Silent || err.Type != "" {
		return err
	}
	var known *output.Error
	if errors.As(s.ask(ctx), &known) {
		return known
	}
	if unwritable := s.unwritable(ctx, topics, target); unwritable != nil {
		return unwritable
	}
	return cmp.Or(s.config.dialer.answers.refusal(), error(err))
}

// unwritable is what the brokers say of topics and their partitions: without a leader,
// or with fewer replicas in sync than there are, nothing may be written.
func (s *sender) unwritable(ctx context.Context, topics []string, target *inputs.Target) *output.Error {
	timed, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(topic)})
	}
	answer, err := request.RequestWith(timed, s.client)
	if err != nil {
		return nil
	}
	for _, t := range answer.Topics {
		why := kerr.ErrorForCode(t.ErrorCode)
		for i := range t.Partitions {
			why = cmp.Or(why, unfit(&t.Partitions[i]))
		}
		if why != nil && t.Topic != nil {
			_, e := s.config.dialer.verdictOf(why, target, *t.Topic, false)
			return e
		}
	}
	return nil
}

// unfit is why a partition cannot be written to, nil where nothing is known.
func unfit(p *kmsg.MetadataResponseTopicPartition) error {
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return err
	}
	if len(p.ISR) < len(p.Replicas) {
		return kerr.NotEnoughReplicas
	}
	return nil
}
