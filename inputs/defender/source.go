package defender

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// devicesPath answers with the number of machines [exposed-apis-odata-samples.md].
const devicesPath = "/api/machines/$count"

// list is a resource's list as the source of pages.
type list struct {
	client   *api.Client
	resource *resource
	mapper   *mapping.Mapper
	lookups  lookups
	silent   func(error) // called for a call that waits for long
}

// Open implements collect.Source.
func (l *list) Open(ctx context.Context, r collect.Request) (collect.Page, error) {
	if l.resource.expand != "" && !r.Query.Has("$expand") {
		l.mapper.Partial(tagUnexpanded)
	} else {
		l.mapper.Partial("")
	}
	if r.Form != collect.Count {
		if err := l.lookups.read(ctx); err != nil {
			return nil, err
		}
	}
	request := l.resource.request(r)
	request.Priority, request.Silent, request.Waits = api.Priority(l.resource.lane(r.Backlog)), l.silent, r.Waits
	answer, err := open(ctx, l.client, request, r)
	if err != nil && r.Form != collect.File && r.Form != collect.Count {
		err = unlicensed(ctx, l.client, l.resource, missing(ctx, l.client, l.resource, err))
	}
	return answer, err
}

// request is that of a pager for a resource.
func (r *resource) request(q collect.Request) api.Request {
	request := api.Request{Path: r.path, Query: q.Query, Family: r.family, Roles: []string{r.permission}}
	if q.Path != "" {
		request.Path = q.Path
	}
	switch q.Form {
	case collect.Index:
		request.Family = assessmentFiles
	case collect.File:
		request.Path = r.files
	case collect.Count:
		request.Family, request.Roles = api.Family{}, []string{machineResource.permission}
	case collect.List:
	}
	return request
}

// open asks for an answer of a form.
func open(ctx context.Context, client *api.Client, request api.Request, r collect.Request) (collect.Page, error) {
	var answer *api.Page
	var err error
	switch {
	case r.Form == collect.Count:
		total, err := client.Count(ctx, request)
		return noRecords{trailer: collect.Trailer{Total: total}}, err
	case r.Form == collect.Index:
		index, err := client.Index(ctx, request)
		return noRecords{index.Asked, collect.Trailer{Links: index.Links, Made: index.Made}}, err
	case r.Form == collect.File:
		answer, err = client.Download(ctx, request, r.Link)
	case r.Link != "":
		answer, err = client.Follow(ctx, request, r.Link.Reveal())
	default:
		answer, err = client.Open(ctx, request)
	}
	if err != nil {
		return nil, err
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
		return mapping.Repair(record), nil
	}
	if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
		return mapping.Repair(record), &collect.OversizedError{Cause: errors.New(e.Message)}
	}
	return nil, err
}

// Trailer implements collect.Page.
func (p page) Trailer() (t collect.Trailer) {
	if next := p.NextLink(); next != "" {
		t.Links = []inputs.Secret{inputs.Secret(next)}
	}
	return t
}

// noRecords is an answer without records.
type noRecords struct {
	asked   time.Time
	trailer collect.Trailer
}

// Next implements collect.Page.
func (noRecords) Next() (raw, error) { return nil, io.EOF }

// Asked implements collect.Page.
func (n noRecords) Asked() time.Time { return n.asked }

// Trailer implements collect.Page.
func (n noRecords) Trailer() collect.Trailer { return n.trailer }

// Close implements collect.Page.
func (noRecords) Close() error { return nil }
