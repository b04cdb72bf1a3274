package componenttest

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// PublishedDocument is a document that a sink has stored.
type PublishedDocument struct {
	DataStream, ID string
	JSON           []byte
}

// Publisher is an in-memory inputs.Publisher that knows the ids it has stored.
// The zero Publisher is ready to use.
type Publisher struct {
	// Before, if set, is called at the start of every Publish with its context. It may
	// block. Its error is returned with nothing stored.
	Before func(ctx context.Context, b *inputs.Batch) error
	// Reject, if set, refuses documents for good.
	Reject func(d inputs.Document) bool

	mu        sync.Mutex
	documents []PublishedDocument
	known     map[[2]string]struct{}
	batches   int
	total     inputs.Result
}

var _ inputs.Publisher = (*Publisher)(nil)

// Publish implements inputs.Publisher.
func (p *Publisher) Publish(ctx context.Context, b *inputs.Batch) error {
	if b.Len() == 0 {
		b.Result = inputs.Result{}
		return nil
	}
	if p.Before != nil {
		if err := p.Before(ctx, b); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[[2]string]struct{}{}
	}
	var r inputs.Result
	for i := range b.Len() {
		p.take(b.Target.Name(), b.At(i), &r)
	}
	b.Result = r
	p.batches++
	p.total.Stored += r.Stored
	p.total.Existing += r.Existing
	p.total.Rejected += r.Rejected
	return nil
}

func (p *Publisher) take(dataStream string, d inputs.Document, r *inputs.Result) {
	key := [2]string{dataStream, d.ID}
	if _, exists := p.known[key]; exists {
		r.Existing++
		return
	}
	if p.Reject != nil && p.Reject(d) {
		r.Rejected++
		return
	}
	p.known[key] = struct{}{}
	p.documents = append(p.documents, PublishedDocument{DataStream: dataStream, ID: d.ID, JSON: bytes.Clone(d.JSON)})
	r.Stored++
}

// Documents are all documents stored, in order.
func (p *Publisher) Documents() []PublishedDocument {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.documents)
}

// Batches is the number of batches acknowledged.
func (p *Publisher) Batches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.batches
}

// Result is the sum of all acknowledged batches' results.
func (p *Publisher) Result() inputs.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
