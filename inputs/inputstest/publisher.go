package inputstest

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Document is a document that a sink has stored.
type Document struct {
	DataStream, ID string
	JSON           []byte
}

// Publisher is an in-memory inputs.Publisher that knows the ids it has stored.
// The zero Publisher is ready to use.
type Publisher struct {
	// Before, if set, is called at the start of every Publish with its context. It may
	// block. Its error is returned with nothing stored.
	Before func(ctx context.Context, b *inputs.Batch) error
	// Refuse, if set, refuses documents and their lesser forms.
	Refuse func(d inputs.Document) bool

	mu        sync.Mutex
	documents []Document
	known     map[[2]string]struct{}
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
		p.take(b, i, &r)
	}
	b.Result = r
	return nil
}

// take stores a document, or the first of its forms that is not refused.
func (p *Publisher) take(b *inputs.Batch, i int, r *inputs.Result) {
	d, count, why := b.At(i), &r.Stored, inputs.Refusal{Status: 400, Type: "document_parsing_exception"}
	if p.Refuse != nil && p.Refuse(d) {
		d, count = b.Fallback.Minimal(b.At(i), b.Original(i), why), &r.Minimal
		if p.Refuse(d) {
			d, count = b.Fallback.Bare(b.At(i), b.Original(i), why), &r.Bare
		}
	}
	key := [2]string{b.Target.Name(), d.ID}
	if _, exists := p.known[key]; exists {
		r.Existing++
		return
	}
	p.known[key] = struct{}{}
	p.documents = append(p.documents, Document{DataStream: key[0], ID: d.ID, JSON: bytes.Clone(d.JSON)})
	*count++
}

// Documents are all documents stored, in order.
func (p *Publisher) Documents() []Document {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.documents)
}
