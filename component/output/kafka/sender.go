package kafka

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
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
}

var (
	_ output.Sender = (*sender)(nil)
	_ output.Waiter = (*sender)(nil)
)

// waitingLimit keeps the answer within the minute in which trouble is told.
const waitingLimit = 10 * time.Second

func newSender(c *config, client *kgo.Client) *sender { return &sender{config: c, client: client} }

// Send implements output.Sender. The client tells of no wrong password, certificate
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
	f.begin(s.config, &target, docs, verdicts)
	for i := range f.records {
		if len(f.records[i].Topic) > 0 {
			s.client.Produce(ctx, &f.records[i], f.promises[i])
		}
	}
	f.finish() // its own part of what is awaited
	select {
	case <-f.done:
	case <-ctx.Done():
		return ctx.Err() // the client still has the flight's memory
	}
	err := s.explained(ctx, f, &target, f.judge(s.config.dialer, &target, verdicts))
	s.spare.Put(f)
	return err
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

// explained is an error of records, or what the brokers say where it tells nothing
// but that time is over: the client keeps the brokers' answers to itself while it
// tries.
func (s *sender) explained(ctx context.Context, f *flight, target *inputs.Target, err *output.Error) error {
	if err == nil {
		return nil
	}
	if err.Reason == output.Silent || err.Reason == output.Unreachable || err.Reason == output.Server {
		s.asked.Store(false)
	}
	if err.Reason != output.Silent || err.Type != "" {
		return err
	}
	if refusal := s.config.dialer.answers.refusal(); refusal != nil {
		return refusal
	}
	var known *output.Error
	if errors.As(s.ask(ctx), &known) {
		return known
	}
	return cmp.Or(s.leaderless(ctx, slices.Sorted(maps.Keys(f.topics)), target), err)
}

// leaderless is what the brokers say of topics' partitions: without a leader, or
// with fewer replicas in sync than there are, nothing may be written.
func (s *sender) leaderless(ctx context.Context, topics []string, target *inputs.Target) *output.Error {
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
		for i := range t.Partitions {
			if why := unfit(&t.Partitions[i]); why != nil && t.Topic != nil {
				_, e := s.config.dialer.verdictOf(why, target, *t.Topic, false)
				return e
			}
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
