package defender

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// try finds out whether a stream can collect: a token, a call for the
// newest record, and queries of a poll until the API takes one.
func (in *Input) try(ctx context.Context, c Config) inputs.Trial {
	r := resourceOf(c.DataStream.Dataset)
	target := inputs.Target{DataStream: inputs.DataStream(c.DataStream), Index: c.Index}
	t := inputs.Trial{Target: target.Name(), Permission: r.permission}
	client, release, err := in.client(c)
	if err != nil {
		t.Err = err
		return t
	}
	defer release()
	t.Notes = notes(client, c)
	if t.Roles, t.Err = client.Roles(ctx); t.Err != nil {
		return t
	}
	t.Token = true
	if r.isAssessment() {
		t.Err = tryAssessment(ctx, client, r, &t)
		t.Quota = inputs.Quota(client.Quota())
		return t
	}
	if t.Err = newest(ctx, client, r, in.now(), &t); t.Err == nil {
		var leftOut []string
		leftOut, t.Err = ways(ctx, client, r, c, in.now())
		for _, option := range leftOut {
			if !slices.Contains(t.LeftOut, option) {
				t.LeftOut = append(t.LeftOut, option)
			}
		}
	}
	t.Quota = inputs.Quota(client.Quota())
	return t
}

// huntingNotice answers a notice that administrators received (API.md 9.1).
const huntingNotice = "Microsoft's notice MC1220762 of an end on 2027-02-01 is about the advanced hunting APIs, which are not used here"

// notes are what a person wants to know of the credentials and the cloud.
func notes(client *api.Client, c Config) []string {
	cloud := "private hosts"
	if known, ok := api.CloudNamed(c.Cloud); ok {
		cloud = known.Title
	}
	who := "tenant " + c.TenantID
	if c.ClientID != "" {
		who += " as application " + c.ClientID
	}
	lines := append([]string{who + ", " + cloud}, client.Facts()...)
	if end, _ := c.secretEnds(); !end.IsZero() {
		lines = append(lines, "the client secret ends with "+c.ClientSecretExpires)
	}
	return append(lines, huntingNotice)
}

// newest asks for the newest records; without the order where the server takes
// none, which still shows that the stream may read.
func newest(ctx context.Context, client *api.Client, r *resource, now func() time.Time, t *inputs.Trial) error {
	query := url.Values{"$top": {newestTop}, "$orderby": {"id"}}
	if r.updated != "" {
		query.Set("$orderby", r.updated+" desc")
	}
	page, err := client.Open(ctx, r.request(collect.Request{Query: query}))
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Status == http.StatusBadRequest {
		query.Del("$orderby")
		page, err = client.Open(ctx, r.request(collect.Request{Query: query}))
	}
	err = missing(ctx, client, r, err)
	if refused, ok := errors.AsType[*api.Error](err); ok {
		t.Status = refused.Status
		if refused.Status == http.StatusNotFound && refused.Kind != api.Misconfigured && r.updated == "" {
			return nil // an empty list of machines (API.md 3.4)
		}
	}
	if err != nil {
		return err
	}
	defer page.Close()
	t.Status, t.Limits = http.StatusOK, page.Limits()
	seen, err := look(page, r, now)
	switch {
	case err != nil || !query.Has("$orderby"):
	case r.updated == "" && !seen.rising, r.updated != "" && !seen.falling:
		t.LeftOut = append(t.LeftOut, "$orderby")
	case r.updated != "":
		t.Newest = seen.newest
	}
	return err
}

// newestTop is of how many records the order is looked at: of five, one of 120
// orders is right by chance.
const newestTop = "5"

// looked is what a page's records show.
type looked struct {
	records         int
	oldest, newest  time.Time
	falling, rising bool // the order of their times, or of their ids where they have none
}

// look reads a page to its end, newestTop records at most.
func look(page *api.Page, r *resource, now func() time.Time) (looked, error) {
	m := newMapper(r, defaults(), inputs.Agent{}, now, nil)
	l := looked{falling: true, rising: true}
	var lastID string
	var last time.Time
	for most, _ := strconv.Atoi(newestTop); l.records < most; l.records++ {
		record, err := page.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return l, err
		}
		id, at := m.Read(mapping.Repair(record), nil)
		order := at.Compare(last)
		if r.updated == "" {
			order = strings.Compare(id, lastID)
		}
		if l.records > 0 {
			l.falling, l.rising = l.falling && order <= 0, l.rising && order >= 0
		} else {
			l.oldest = at
		}
		lastID, last = strings.Clone(id), at
		if at.After(l.newest) {
			l.newest = at
		}
		if at.Before(l.oldest) {
			l.oldest = at
		}
	}
	return l, nil
}

// ways returns what a poll of the stream has to do without. What the API ignores
// counts as refused, as in a poll.
func ways(ctx context.Context, client *api.Client, r *resource, c Config, now func() time.Time) ([]string, error) {
	o := r.paging(c, now, slog.New(slog.DiscardHandler))
	o.InitialInterval = 0
	w, err := odata.Probe(o, r.strategy, func(q collect.Request) error {
		page, err := client.Open(ctx, r.request(q))
		if err != nil {
			return err
		}
		defer page.Close()
		seen, err := look(page, r, now)
		if err == nil && ignored(q, r, seen) {
			return &api.Error{Op: "get " + r.path, Kind: api.Other, Status: http.StatusBadRequest, Message: "a part of the query is ignored"}
		}
		return err
	})
	if err == nil && w.PageSize < c.BatchSize {
		w.LeftOut = append(w.LeftOut, "large pages")
	}
	return w.LeftOut, err
}

// tryAssessment asks for a page of one record, or for the names of files where
// there is no list.
func tryAssessment(ctx context.Context, client *api.Client, r *resource, t *inputs.Trial) error {
	q := collect.Request{Query: url.Values{"pageSize": {"1"}}}
	if r.path == "" {
		q = collect.Request{Path: r.files, Form: collect.Index}
	}
	page, err := open(ctx, client, r.request(q), q)
	if err = unlicensed(ctx, client, r, missing(ctx, client, r, err)); err == nil {
		t.Status = http.StatusOK
		return page.Close()
	}
	if refused, ok := errors.AsType[*api.Error](err); ok {
		t.Status = refused.Status
	}
	return err
}

// ignored reports whether an answer shows that the order or the filter of a query
// of Probe was ignored. One that filters by id asks behind all of them.
func ignored(q collect.Request, r *resource, seen looked) bool {
	if seen.records == 0 {
		return false
	}
	filter, order := q.Query.Get("$filter"), q.Query.Get("$orderby")
	return order != "" && order == r.updated && !seen.rising ||
		filter != "" && !q.From.IsZero() && seen.oldest.Before(q.From.Add(-time.Second)) ||
		strings.HasPrefix(filter, "id g")
}
