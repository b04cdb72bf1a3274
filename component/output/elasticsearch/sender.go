package elasticsearch

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	docappender "github.com/elastic/go-docappender/v2"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// sender makes one bulk request per Send.
type sender struct {
	client   elastictransport.Interface
	indexer  docappender.BulkIndexerConfig
	pipeline string
	timeout  time.Duration
	idle     chan *indexer // at most one per worker
}

// indexer is what one request needs: its buffers are used again.
type indexer struct {
	*docappender.BulkIndexer
	exchange *exchange
	source   source
}

// source is a document on its way into an indexer.
type source []byte

func (s *source) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(*s)
	return int64(n), err
}

func newSender(client elastictransport.Interface, c *config) *sender {
	return &sender{
		client:   client,
		indexer:  docappender.BulkIndexerConfig{CompressionLevel: c.compression, QueryParams: c.parameters},
		pipeline: c.pipeline,
		timeout:  c.transport.Timeout,
		idle:     make(chan *indexer, c.loop.Workers),
	}
}

// Send implements output.Sender.
func (s *sender) Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	ix, err := s.lease()
	if err != nil {
		return err
	}
	defer s.release(ix)
	if err := s.fill(ix, target, docs); err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := ix.Flush(timed); err != nil {
		return ix.exchange.failure(err, len(docs))
	}
	if len(ix.exchange.items) != len(docs) {
		return &output.Error{Op: op, Reason: output.Server, Err: errNotBulk}
	}
	return judge(target.Name(), verdicts, ix.exchange.items)
}

func (s *sender) lease() (*indexer, error) {
	select {
	case ix := <-s.idle:
		return ix, nil
	default:
	}
	x := &exchange{client: s.client}
	config := s.indexer
	config.Client = x
	ix, err := docappender.NewBulkIndexer(config)
	if err != nil {
		return nil, &output.Error{Op: op, Reason: output.RequestRefused, Err: err}
	}
	return &indexer{BulkIndexer: ix, exchange: x}, nil
}

// release keeps an indexer for the next request, unless it holds documents or
// its buffer may still be read.
func (s *sender) release(ix *indexer) {
	if ix.Items() > 0 || ix.exchange.reading() {
		return
	}
	select {
	case s.idle <- ix:
	default:
	}
}

func (s *sender) fill(ix *indexer, target inputs.Target, docs []inputs.Document) error {
	item := docappender.BulkIndexerItem{
		Index: target.Name(), Pipeline: cmp.Or(target.Options[pipelineOption], s.pipeline),
		Action: docappender.ActionCreate, Body: &ix.source,
	}
	for _, d := range docs {
		item.DocumentID, ix.source = d.ID, d.JSON
		if err := ix.Add(item); err != nil {
			return &output.Error{Op: op, Reason: output.Other, Err: err}
		}
	}
	ix.source = nil
	return nil
}
