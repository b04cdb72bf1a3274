package defender

import (
	"context"
	"log/slog"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// newLoop puts a stream together: the loop that every source has, with the
// resource's strategy, its list as the source of pages, and its mapper.
func newLoop(c Config, id *identity, now func() time.Time, w *watched, env inputs.Env) *collect.Loop {
	r := resourceOf(c.DataStream.Dataset)
	paging := r.paging(c, now, env.Log)
	paging.Show = w.asks
	mapper := newMapper(r, c, env.Agent, now, &w.drift)
	source := &list{client: id.client, resource: r, mapper: mapper, silent: env.Reporter.Report}
	source.lookups = lookups{client: id.client, resource: r, definer: mapper.Definer(), log: env.Log}
	retention := r.retention
	retention.Refresh = c.FullInterval
	return collect.New(collect.Config{
		Resource: r.name,
		Identify: func(ctx context.Context) (inputs.Key, error) {
			key, err := id.claim(ctx)
			if id.tenant != "" {
				mapper.Account(id.tenant)
			}
			return key, err
		},
		Target: inputs.Target{
			InputID: id.key.Input, StreamID: id.key.Stream,
			DataStream: inputs.DataStream(c.DataStream),
			Index:      c.Index,
			Options:    outputOptions(c),
		},
		Priority:  r.lane(false),
		Interval:  c.Interval,
		Source:    source,
		Strategy:  r.strategy(paging),
		Mapper:    loopMapper{mapper, source.lookups.begin},
		Retention: retention,
		Fallback:  mapping.Fallback{Tags: c.Tags},
		Now:       now,
		Env:       env,
	})
}

// outputOptions are the settings that only the output reads.
func outputOptions(c Config) map[string]string {
	if c.Pipeline == "" {
		return nil
	}
	return map[string]string{"pipeline": c.Pipeline}
}

// paging is how a stream pages through its list.
func (r *resource) paging(c Config, now func() time.Time, log *slog.Logger) odata.Options {
	o := odata.Options{
		List: r.path, Updated: r.updated, Created: r.created, ChangesFor: r.changesFor, Expand: r.expand,
		PageSize: c.BatchSize, InitialInterval: c.InitialInterval, Overlap: c.Overlap,
		Now: now, Log: log,
	}
	if r.isAssessment() {
		o.PageSize = c.PageSize
		o.Changes, o.Files, o.Devices, o.FilesAbove = r.changes, r.files, devicesPath, c.FilesAboveDevices
		o.Epoch, o.Interval, o.FullInterval = r.epoch, c.Interval, c.FullInterval
	}
	return o
}

// tagUnexpanded is the tag of documents whose record the API served without what
// $expand brings.
const tagUnexpanded = "evidence_unavailable"

// newMapper makes the mapper of a stream: the loop, the command map and the
// golden test have no other way from a record to its documents.
func newMapper(r *resource, c Config, agent inputs.Agent, now func() time.Time, drift *mapping.Drift) *mapping.Mapper {
	e := newEnvelope(r, c, agent, now, drift)
	m := mapping.NewMapper(e, r.newMapper(e, c))
	if isTenantID(c.TenantID) {
		m.Account(c.TenantID)
	}
	return m
}

func newEnvelope(r *resource, c Config, agent inputs.Agent, now func() time.Time, drift *mapping.Drift) *mapping.Envelope {
	return mapping.NewEnvelope(mapping.Settings{
		Vendor: r.vendor, Module: module, Input: Type,
		DataStream: inputs.DataStream(c.DataStream), Tenant: c.TenantID, Sets: r.sets, Sentinels: r.sentinels, Tags: c.Tags, Agent: agent,
		PreserveOriginal: c.PreserveOriginalEvent, PreserveDuplicates: c.PreserveDuplicateCustomFields,
		Process: c.processors().Run, Drift: drift, Now: now,
	})
}

// loopMapper is a mapper as package collect wants it.
type loopMapper struct {
	*mapping.Mapper
	begin func() // called when a sweep begins
}

// Begin implements collect.Mapper.
func (m loopMapper) Begin(s collect.Sweep) {
	m.Mapper.Begin(mapping.Sweep(s))
	m.begin()
}

// Documents implements collect.Mapper.
func (m loopMapper) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	outcome, err := m.Mapper.Documents(emit)
	return collect.Mapped(outcome), err
}
