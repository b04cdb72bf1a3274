package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// reading is a page while it is being read.
type reading struct {
	PageStats
	from time.Time // of the request
	peek bool      // as requested
	last []byte    // id

	former   uint64              // fingerprint of the record before
	distinct map[uint64]struct{} // of all; nil without Request.Distinct
}

// read reads one page and publishes what is new in it. The error is that of
// publishing, after which nothing that is pending counts; what is wrong with
// the page is in PageStats.Err.
func (l *Loop) read(ctx context.Context, r Request) (PageStats, error) {
	if !r.From.IsZero() {
		l.floor = earlier(l.floor, r.From.Add(-floorTolerance))
	}
	if err := l.takeBatch(ctx); err != nil {
		return PageStats{Err: err}, nil
	}
	defer l.giveBatch()
	asked := l.Now() // before the source's turn is waited for: early is safe
	answer, err := l.ask(ctx, r)
	if err != nil {
		return PageStats{Err: err}, nil
	}
	defer answer.Close()
	if theirs := answer.Asked(); !theirs.IsZero() {
		asked = theirs
	}
	if r.Unserved == nil { // else nobody was asked
		l.age.read(l.Now(), asked)
	}
	page := reading{PageStats: PageStats{Opened: true, Asked: asked}, from: r.From, peek: r.Peek}
	if r.Distinct {
		page.distinct = map[uint64]struct{}{}
	}
	if err := l.records(ctx, answer, &page); err != nil {
		return page.PageStats, err
	}
	// What was read is published even when the page broke off.
	if err := l.acknowledge(); err != nil {
		return page.PageStats, err
	}
	l.seen.settle()
	if page.LastID = string(page.last); page.Err == nil {
		page.Trailer = answer.Trailer()
	}
	l.counts.Newest = earlier(page.Newest, l.Now())
	l.report()
	return page.PageStats, nil
}

// ask asks for a page.
func (l *Loop) ask(ctx context.Context, r Request) (Page, error) {
	if r.Unserved != nil {
		l.seen.leave(r.Unserved.Between)
		return &substitute{Unserved: r.Unserved}, nil
	}
	return l.open(ctx, r)
}

// substitute is a page of one record that the source cannot serve.
type substitute struct {
	*Unserved
	read bool
}

func (s *substitute) Next() (jsontext.Value, error) {
	if s.read {
		return nil, io.EOF
	}
	s.read = true
	return s.Record, &OversizedError{Cause: s.Cause}
}

func (s *substitute) Asked() time.Time { return time.Time{} }
func (s *substitute) Trailer() Trailer { return Trailer{} }
func (s *substitute) Close() error     { return nil }

// records reads the records of a page, up to its end or to what is wrong with it.
func (l *Loop) records(ctx context.Context, answer Page, page *reading) error {
	for ctx.Err() == nil {
		record, err := answer.Next()
		switch {
		case err == nil || isOversized(err):
		case errors.Is(err, io.EOF):
			return nil
		default:
			page.Err = err
			return nil
		}
		if err := l.record(record, err, page); err != nil {
			return err
		}
	}
	page.Err = ctx.Err()
	return nil
}

// record publishes one record unless it was seen.
func (l *Loop) record(record jsontext.Value, unreadable error, page *reading) error {
	sum := l.seen.fingerprint(record)
	id, updated := l.Mapper.Read(record, unreadable)
	page.note(sum, id, updated)
	if page.peek {
		return nil
	}
	l.counts.Records++
	if l.whole {
		page.fresh(updated)
		l.original = record
		return l.documents()
	}
	content, entry, met := l.seen.meet(sum, id, l.Mapper.Content)
	switch {
	case met:
		l.counts.Duplicates++
		page.NewestKnown = later(page.NewestKnown, updated)
	case l.outdated(updated):
		l.counts.Duplicates++
		return nil
	default:
		page.fresh(updated)
		l.original = record
		if err := l.documents(); err != nil {
			return err
		}
	}
	l.seen.remember(content, entry, met, updated, page.from)
	if l.seen.crowded() { // a page may have any number of records
		return l.acknowledge()
	}
	return nil
}

// outdated reports whether a record is from before the sweep's place: it was read
// before, or nobody wants it. A source that ignores what it is asked sends all
// that it has, of which the seen set remembers no more than a place needs.
func (l *Loop) outdated(updated time.Time) bool {
	return !updated.IsZero() && updated.Before(l.floor)
}

// acknowledge publishes what is in hand, so that all that is pending was
// published.
func (l *Loop) acknowledge() error {
	if err := l.publish(); err != nil {
		return err
	}
	if l.seen.crowded() {
		l.seen.merge()
	}
	return nil
}

// documents maps the record that was read into the batch.
func (l *Loop) documents() error {
	l.batch.NextRecord()
	mapped, err := l.Mapper.Documents(l.emit)
	l.counts.Dropped += mapped.Dropped
	l.counts.Unknown += mapped.Unknown
	if mapped.Faulty {
		l.counts.Quarantined++
	}
	return err
}

// add puts a document into the batch, which it publishes when it is full.
func (l *Loop) add(d *ecs.Document) error {
	l.batch.Add(d, l.original)
	if l.batch.Full() {
		return l.publish()
	}
	return nil
}

// publish delivers the batch. A stream that is being stopped still has the
// grace to do so.
func (l *Loop) publish() error {
	if l.batch.Len() == 0 {
		return nil
	}
	if err := l.Env.Publisher.Publish(l.grace, l.batch); err != nil {
		l.batch.Reset()
		l.seen.discard()
		return fmt.Errorf("publish: %w", err)
	}
	l.counts.Documents += l.batch.Len()
	l.counts.Published.Add(l.batch.Result)
	l.batch.Reset()
	l.report()
	return nil
}

// note adds a record to what the page shows.
func (p *reading) note(fingerprint uint64, id string, updated time.Time) {
	p.Records++
	p.Digest = p.Digest*31 + fingerprint
	_, again := p.distinct[fingerprint]
	if again || p.Records > 1 && fingerprint == p.former {
		p.Repeated++
	}
	if p.former = fingerprint; p.distinct != nil {
		p.distinct[fingerprint] = struct{}{}
	}
	if id != "" {
		p.UnsortedIDs = p.UnsortedIDs || id <= string(p.last)
		if p.FirstID == "" {
			p.FirstID = strings.Clone(id)
		}
		p.last = append(p.last[:0], id...) // the record is overwritten by the next one
	}
	if updated.IsZero() {
		return
	}
	p.Unsorted = p.Unsorted || updated.Before(p.Newest)
	p.Newest = later(p.Newest, updated)
	if !updated.After(p.Asked) {
		p.Past = later(p.Past, updated)
	}
	if p.Oldest.IsZero() || updated.Before(p.Oldest) {
		p.Oldest = updated
	}
}

// fresh counts a record that has to be published.
func (p *reading) fresh(updated time.Time) {
	p.Fresh++
	if !updated.After(p.from) {
		p.FreshAtFrom++
	}
}

func isOversized(err error) bool {
	_, is := errors.AsType[*OversizedError](err)
	return is
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
