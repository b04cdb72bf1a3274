package elasticsearch

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	reporter output.Reporter
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

func newSender(client elastictransport.Interface, c *config, r output.Reporter) *sender {
	return &sender{
		client:   client,
		indexer:  docappender.BulkIndexerConfig{CompressionLevel: c.compression, QueryParams: c.parameters},
		pipeline: c.pipeline,
		timeout:  c.transport.Timeout,
		reporter: r,
		idle:     make(chan *indexer, c.loop.Workers),
	}
}

// Send implements output.Sender.
func (s *sender) Send(ctx context.Context, b *inputs.Batch, positions []int, verdicts []output.Verdict) error {
	ix, err := s.lease()
	if err != nil {
		return err
	}
	defer s.release(ix)
	if err := s.fill(ix, b, positions); err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := ix.Flush(timed); err != nil {
		return ix.exchange.failure(err, len(positions), s.timeout)
	}
	if len(ix.exchange.items) != len(positions) {
		return &output.Error{Op: op, Kind: output.Server, Err: errNotBulk}
	}
	return s.judge(b, positions, verdicts, ix.exchange.items)
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
		return nil, &output.Error{Op: op, Kind: output.Refused, Err: err}
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

func (s *sender) fill(ix *indexer, b *inputs.Batch, positions []int) error {
	item := docappender.BulkIndexerItem{
		Index: b.Target.Name(), Pipeline: b.Target.Pipeline, Action: docappender.ActionCreate, Body: &ix.source,
	}
	if item.Pipeline == "" {
		item.Pipeline = s.pipeline
	}
	for _, p := range positions {
		d := b.At(p)
		item.DocumentID, ix.source = d.ID, d.JSON
		if err := ix.Add(item); err != nil {
			return &output.Error{Op: op, Kind: output.Other, Err: err}
		}
	}
	ix.source = nil
	return nil
}

// judge turns an answer into verdicts. The error, if any, is the first reason
// for which documents must be sent again.
func (s *sender) judge(b *inputs.Batch, positions []int, verdicts []output.Verdict, items []item) (err error) {
	for i := range items {
		v, kind := items[i].verdict()
		verdicts[i] = v
		switch {
		case v == output.Rejected:
			s.reporter.Rejected(output.Rejection{
				Target: b.Target.Name(), ID: b.At(positions[i]).ID,
				Status: items[i].Status, Type: cleanType(items[i].Type),
			})
		case v == output.Retry && err == nil:
			err = &output.Error{Op: op, Kind: kind, Status: items[i].Status, Target: b.Target.Name(), Err: remedy(kind, b.Target.Name())}
		}
	}
	return err
}

// verdict is what an item means. The kind is that of a Retry. An item without
// a status says nothing, so its document is sent again.
func (i *item) verdict() (output.Verdict, output.Kind) {
	switch status := i.Status; {
	case status >= 200 && status < 300 && i.FailureStore == string(docappender.FailureStoreStatusUsed):
		return output.FailureStore, output.Other
	case status >= 200 && status < 300:
		return output.Stored, output.Other
	case status == http.StatusConflict:
		return output.Existing, output.Other
	case status == http.StatusTooManyRequests:
		return output.Retry, output.Busy
	case status == http.StatusUnauthorized:
		return output.Retry, output.Unauthorized
	case status == http.StatusForbidden:
		return output.Retry, output.Forbidden
	case status >= 400 && status < 500:
		return output.Rejected, output.Other
	default:
		return output.Retry, output.Server
	}
}

// remedy tells an operator what to do about trouble with a data stream.
func remedy(k output.Kind, target string) error {
	switch k {
	case output.Unauthorized:
		return errCredentials
	case output.Forbidden:
		return fmt.Errorf("grant auto_configure and create_doc on %s", target)
	default:
		return nil
	}
}
