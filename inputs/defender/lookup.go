package defender

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// maxLookup bounds the records of one lookup.
const maxLookup = 10 * odata.MaxPage

// lookups reads the lists that a mapper needs beside the records, such as the names
// of rules, once in a sweep.
type lookups struct {
	client   *api.Client
	resource *resource
	definer  mapping.Definer
	log      *slog.Logger
	due      bool
	warned   bool // that a lookup may not be read
}

// begin notes that a sweep begins.
func (l *lookups) begin() { l.due = l.definer != nil && len(l.resource.lookups) > 0 }

// read reads the lookups if that is due. Where the API does not give one, the
// documents do without: the records are worth more than their names. Where it
// fails, so does the sweep: a document that lacks its names would stay so.
func (l *lookups) read(ctx context.Context) error {
	if !l.due {
		return nil
	}
	l.definer.Forget()
	for _, path := range l.resource.lookups {
		err := l.list(ctx, path)
		if refused, ok := errors.AsType[*api.Error](err); ok && !refused.IsToken() && (refused.Kind == api.Permission || refused.Kind == api.Other) {
			if !l.warned {
				l.log.Warn("lookup refused, documents do without its names", "resource", l.resource.name, "error", err.Error())
			}
			l.warned = true
			continue
		}
		if err != nil {
			return err
		}
	}
	l.due = false
	return nil
}

// list reads one lookup by $skip.
func (l *lookups) list(ctx context.Context, path string) error {
	for skip := 0; skip < maxLookup; {
		query := url.Values{"$top": {strconv.Itoa(odata.MaxPage)}}
		if skip > 0 {
			query.Set("$skip", strconv.Itoa(skip))
		}
		n, err := l.page(ctx, l.resource.request(collect.Request{Path: path, Query: query}))
		if err != nil || n < odata.MaxPage {
			return err
		}
		skip += n
	}
	return nil
}

func (l *lookups) page(ctx context.Context, request api.Request) (n int, err error) {
	request.Priority = api.Priority(l.resource.lane(false))
	answer, err := l.client.Open(ctx, request)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	for {
		record, err := answer.Next()
		switch refused, _ := errors.AsType[*api.Error](err); {
		case errors.Is(err, io.EOF):
			return n, nil
		case refused != nil && refused.IsTooLarge():
		case err != nil:
			return n, err
		default:
			l.definer.Define(request.Path, mapping.Repair(record))
		}
		n++
	}
}
