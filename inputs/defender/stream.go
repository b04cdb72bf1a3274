package defender

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// newLoop puts a stream together: the loop that every source has, with the
// resource's pager, its list as the source of pages, and its mapper.
func newLoop(c Config, id *identity, now func() time.Time, w *watched, env inputs.Env) *collect.Loop {
	r := resourceOf(c.DataStream.Dataset)
	e := newEnvelope(c, env.Agent)
	e.drift = &w.drift
	paging := r.paging(c, now, env.Log)
	paging.Show = w.asks
	retention := r.retention
	retention.Refresh = c.FullInterval
	return collect.New(collect.Config{
		Resource: r.name,
		Identify: id.claim,
		Target: inputs.Target{
			InputID: id.key.Input, StreamID: id.key.Stream,
			DataStream: inputs.DataStream(c.DataStream),
			Pipeline:   c.Pipeline,
			Index:      c.Index,
		},
		Priority:  int(r.priority),
		Interval:  c.Interval,
		Source:    &list{client: id.client, resource: r, envelope: e},
		Strategy:  r.pager(paging),
		Mapper:    newRecordMapper(r, e),
		Retention: retention,
		Fallback:  lesserForms{},
		Now:       now,
		Env:       env,
	})
}

// paging is how a stream pages through its list.
func (r *resource) paging(c Config, now func() time.Time, log *slog.Logger) odata.Options {
	return odata.Options{
		List: r.path, Updated: r.updated, Created: r.created, Expand: r.expand,
		PageSize: c.BatchSize, InitialInterval: c.InitialInterval, Overlap: c.Overlap,
		Now: now, Log: log,
	}
}

// list is a resource's list as the source of pages.
type list struct {
	client   *api.Client
	resource *resource
	envelope *envelope
}

// Open implements collect.Source. A backlog gives way to what is new of its own
// resource, and goes before the next resource.
func (l *list) Open(ctx context.Context, r collect.Request) (collect.Page, error) {
	l.envelope.unexpanded = l.resource.expand != "" && !r.Query.Has("$expand")
	priority := 2 * l.resource.priority
	if r.Backlog {
		priority++
	}
	answer, err := l.client.Open(ctx, api.Request{
		Path: l.resource.path, Query: r.Query, Priority: priority, Limit: l.resource.limit,
		Roles: []string{l.resource.permission},
	})
	if err != nil {
		return nil, missing(ctx, l.client, l.resource, err)
	}
	return page{answer}, nil
}

// RetryAfter implements collect.Source.
func (l *list) RetryAfter(err error) time.Duration {
	if refused, ok := errors.AsType[*api.Error](err); ok {
		return refused.RetryAfter
	}
	return 0
}

// page is an answer whose records strict readers take.
type page struct{ *api.Page }

// Next implements collect.Page.
func (p page) Next() (raw, error) {
	record, err := p.Page.Next()
	if err == nil {
		return repaired(record), nil
	}
	if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
		return repaired(record), &collect.OversizedError{Cause: errors.New(e.Message)}
	}
	return nil, err
}

// recordMapper maps a stream's records, and applies the policy's processors.
type recordMapper struct {
	envelope   *envelope
	mapper     mapper
	unreadable error // why the record that was read cannot be mapped
	record     raw   // that record
	mapped     collect.Mapped
	emit       func(*ecs.Document) error
	each       func() error // finished, bound once
}

func newRecordMapper(r *resource, e *envelope) *recordMapper {
	m := &recordMapper{envelope: e, mapper: r.newMapper(e)}
	m.each = m.finished
	return m
}

// Begin implements collect.Mapper.
func (m *recordMapper) Begin(epoch []byte) { m.envelope.epoch = epoch }

// Read implements collect.Mapper.
func (m *recordMapper) Read(record raw, unreadable error) (id string, updated time.Time) {
	m.record, m.unreadable = record, unreadable
	if unreadable != nil {
		return "", time.Time{}
	}
	id, updated, m.unreadable = m.mapper.read(record)
	return id, updated
}

// Content implements collect.Mapper.
func (m *recordMapper) Content() []byte {
	if m.unreadable != nil {
		return m.record
	}
	return m.envelope.contentOf().bytes
}

// Documents implements collect.Mapper.
func (m *recordMapper) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	m.emit, m.mapped = emit, collect.Mapped{Faulty: m.unreadable != nil}
	var err error
	if m.unreadable != nil {
		m.envelope.quarantine(m.record, m.unreadable)
		err = m.finished()
	} else {
		err = m.mapper.documents(m.each)
	}
	m.mapped.Unknown, m.envelope.unknown = m.envelope.unknown, 0
	return m.mapped, err
}

// finished takes one document of the record.
func (m *recordMapper) finished() error {
	m.mapped.Faulty = m.mapped.Faulty || len(m.envelope.faults) > 0
	if !process(m.envelope.processors, &m.envelope.doc) {
		m.mapped.Dropped++
		return nil
	}
	return m.emit(&m.envelope.doc)
}
