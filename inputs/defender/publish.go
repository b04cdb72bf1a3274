package defender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	// tick is the precision of the API's times.
	tick = 100 * time.Nanosecond
	// maxPending is how many records may be pending, or more where many are seen.
	maxPending = 1 << 12
)

func (c *collector) records(ctx context.Context, answer *api.Page, w *walk, p *page) error {
	for ctx.Err() == nil {
		record, err := answer.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
			if err := c.oversized(record, e, p); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := c.record(record, w, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// record publishes one record unless it was seen.
func (c *collector) record(record raw, w *walk, p *page) error {
	record = repaired(record)
	fingerprint := c.fingerprint(record)
	p.records++
	p.digest = p.digest*31 + fingerprint
	c.counts.Records++
	id, updated, unreadable := c.mapper.read(record)
	if w.byID {
		if err := p.follow(id); err != nil {
			return err
		}
	}
	if !updated.IsZero() {
		if w.keyset && updated.Before(w.lower.Truncate(tick)) {
			return c.malformed("the server ignores $filter")
		}
		if w.keyset && updated.Before(p.newest) {
			return errUnordered
		}
		p.newest = later(p.newest, updated)
	}
	known, seen := c.known(fingerprint)
	if seen {
		c.counts.Duplicates++
	} else {
		p.fresh++
		if !w.keyset || !updated.After(w.lower) {
			p.inside++
		}
		c.changed = true
		if err := c.documents(record, unreadable); err != nil {
			return err
		}
	}
	switch {
	case c.resource.updated != "" && updated.IsZero():
		c.pending[fingerprint] = unix32(time.Now()) // it can be met again for as long
	case c.resource.updated != "":
		c.pending[fingerprint] = unix32(later(updated, w.lower))
	case seen:
		c.pending[fingerprint] = known
	default:
		c.pending[fingerprint] = unix32(time.Now())
	}
	if c.muchPending() { // a page may have any number of records
		return c.settle()
	}
	return nil
}

// known reports whether a record need not be published, with what the seen set
// holds for it: its update time or, in a sweep, when it was published.
func (c *collector) known(fingerprint uint64) (held uint32, seen bool) {
	if held, seen = c.pending[fingerprint]; seen {
		return held, true
	}
	held, seen = c.state.seen.find(fingerprint)
	if seen && c.resource.updated == "" {
		seen = time.Since(time.Unix(int64(held), 0)) < c.config.FullInterval
	}
	return held, seen
}

// oversized accounts for a record that is too large to be read, of which there
// is the beginning.
func (c *collector) oversized(beginning raw, e *api.Error, p *page) error {
	fingerprint := c.fingerprint(beginning)
	p.records++
	p.digest = p.digest*31 + fingerprint
	c.counts.Records++
	if _, seen := c.known(fingerprint); seen {
		c.counts.Duplicates++
	} else {
		p.fresh++
		c.changed = true
		if err := c.documents(repaired(beginning), errors.New(e.Message)); err != nil {
			return err
		}
	}
	c.pending[fingerprint] = unix32(time.Now())
	return nil
}

// fingerprint tells records apart, with a seed that nobody outside knows.
func (c *collector) fingerprint(record raw) uint64 {
	c.hash.ResetWithSeed(c.state.seed)
	_, _ = c.hash.Write(record) // never fails
	return c.hash.Sum64()
}

// documents maps a record into the batch, which it publishes when it is full.
func (c *collector) documents(record raw, unreadable error) error {
	faulty := unreadable != nil
	emit := func() error {
		faulty = faulty || len(c.envelope.faults) > 0
		if !process(c.envelope.processors, &c.envelope.doc) {
			c.counts.Dropped++
			return nil
		}
		c.batch.Add(&c.envelope.doc, c.envelope.record)
		if c.batch.Full() {
			return c.publish()
		}
		return nil
	}
	var err error
	if unreadable != nil {
		c.envelope.quarantine(record, unreadable)
		err = emit()
	} else {
		err = c.mapper.documents(emit)
	}
	if faulty {
		c.counts.Quarantined++
	}
	c.counts.Unknown += c.envelope.unknown
	c.envelope.unknown = 0
	return err
}

// newBatch makes the batch of a stream.
func newBatch(target inputs.Target) *inputs.Batch {
	b := inputs.NewBatch(target, inputs.BatchDocuments, inputs.BatchBytes)
	b.Fallback = lesserForms{}
	return b
}

// publish delivers the batch. A stream that is being stopped still has the
// grace to do so.
func (c *collector) publish() error {
	if c.batch.Len() == 0 {
		return nil
	}
	if err := c.env.Publisher.Publish(c.late, c.batch); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	c.counts.Documents += c.batch.Len()
	c.counts.Published.Add(c.batch.Result)
	c.batch.Reset()
	c.report()
	return nil
}

// follow notes the id of a record, where pages go by id: it must be larger than
// the one before it. A record without one is published as it is; others tell
// where the page ends.
func (p *page) follow(id string) error {
	if id == "" {
		return nil
	}
	if id <= p.last {
		return errUnordered
	}
	p.last = strings.Clone(id) // the record is overwritten by the next one
	return nil
}
