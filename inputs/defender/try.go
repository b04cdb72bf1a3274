package defender

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
	if t.Err = newest(ctx, client, r, in.now(), &t); t.Err == nil {
		t.LeftOut, t.Err = ways(ctx, client, r, c, in.now())
	}
	t.Quota = inputs.Quota(client.Quota())
	return t
}

// huntingNotice answers what administrators were told (API.md 9.1).
const huntingNotice = "Microsoft's notice MC1220762 of an end on 2027-02-01 is about the advanced hunting APIs, which are not used here"

// notes are what a person wants to know of who reads and where.
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

// newest asks for the newest record; without the order where the server takes
// none, which still shows that the stream may read.
func newest(ctx context.Context, client *api.Client, r *resource, now func() time.Time, t *inputs.Trial) error {
	query := url.Values{"$top": {"1"}}
	if r.updated != "" {
		query.Set("$orderby", r.updated+" desc")
	}
	page, err := client.Open(ctx, request(r, query))
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Status == http.StatusBadRequest {
		query.Del("$orderby")
		page, err = client.Open(ctx, request(r, query))
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
	record, err := page.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if query.Has("$orderby") {
		_, t.Newest = newMapper(r, defaults(), inputs.Agent{}, now, nil).Read(mapping.Repair(record), nil)
	}
	return nil
}

// ways tells what a poll of the stream has to do without.
func ways(ctx context.Context, client *api.Client, r *resource, c Config, now func() time.Time) ([]string, error) {
	o := r.paging(c, now, slog.New(slog.DiscardHandler))
	o.InitialInterval = 0
	w, err := odata.Probe(o, r.strategy, func(q collect.Request) error {
		page, err := client.Open(ctx, request(r, q.Query))
		if err == nil {
			err = page.Close()
		}
		return err
	})
	if err == nil && w.PageSize < c.BatchSize {
		w.LeftOut = append(w.LeftOut, "large pages")
	}
	return w.LeftOut, err
}

// request goes before all others: a person waits for it.
func request(r *resource, query url.Values) api.Request {
	return api.Request{Path: r.path, Query: query, Limit: r.limit, Roles: []string{r.permission}}
}
