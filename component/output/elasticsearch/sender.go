package elasticsearch

import (
	"cmp"
	"context"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// sender makes one bulk request per Send.
type sender struct {
	client elastictransport.Interface
	config *config
	idle   chan *exchange // at most one per worker
}

func newSender(client elastictransport.Interface, c *config) *sender {
	return &sender{client: client, config: c, idle: make(chan *exchange, c.loop.Workers)}
}

// Send implements output.Sender.
func (s *sender) Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	x := s.lease()
	defer s.release(x)
	name, pipeline := target.Name(), cmp.Or(target.Options[pipelineOption], s.config.pipeline)
	x.begin()
	for _, d := range docs {
		x.add(name, pipeline, d)
	}
	timed, cancel := context.WithTimeout(ctx, s.config.transport.Timeout)
	defer cancel()
	if err := x.send(timed); err != nil {
		return err
	}
	if len(x.items) != len(docs) {
		return &output.Error{Op: op, Reason: output.Server, Err: errNotBulk}
	}
	return judge(name, verdicts, x.items)
}

func (s *sender) lease() *exchange {
	select {
	case x := <-s.idle:
		return x
	default:
		return newExchange(s.client, s.config)
	}
}

// release keeps an exchange for the next request, unless its body may still be
// read.
func (s *sender) release(x *exchange) {
	if x.reading() {
		return
	}
	select {
	case s.idle <- x:
	default:
	}
}
