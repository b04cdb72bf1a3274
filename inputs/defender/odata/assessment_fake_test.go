package odata_test

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// desk serves things as an assessment: as a list with links, as files, and their
// changes. It is a collect.Source, without any network.
type desk struct {
	*rig
	perPage, perFile int
	circular         bool // the last page links to the second
	made             string
	devices          int
	changed          []thing
	signature        int // of the links to files; an older one is refused

	// fails is what goes wrong next time, by what is asked: "list", "link 2",
	// "index", "file 1", "count", "changes". A page with a positive cut breaks off
	// behind so many things.
	fails map[string][]fault
	log   []string // what was asked
	query url.Values
}

type fault struct {
	err error
	cut int
}

func status(code int) fault { return fault{err: &api.Error{Status: code, Code: "E", Kind: api.Other}} }

var (
	down   = fault{err: &api.Error{Kind: api.Transient, Message: "no connection"}}
	broken = fault{err: &api.Error{Kind: api.Transient, Status: 200, Message: "cut short"}, cut: 1}
	empty  = fault{err: &api.Error{Kind: api.Transient, Status: 200, Message: "cut short"}}
	damage = fault{err: &api.Error{Kind: api.Malformed, Status: 200, Message: "the compression is damaged"}, cut: 1}
)

func newDesk(t *testing.T, things int, change func(*odata.Options)) *desk {
	t.Helper()
	d := &desk{rig: newRig(odata.Assessment, things), perPage: 10, perFile: 10, made: "2026-03-02T11:00:00Z", fails: map[string][]fault{}}
	d.source, d.mapper = d, &sweepMapper{}
	d.clock = noon.Add(time.Second)
	d.options = odata.Options{
		List: "/list", PageSize: 50_000, Interval: 12 * time.Hour, FullInterval: 48 * time.Hour, Epoch: odata.EachRead,
	}
	if change != nil {
		change(&d.options)
	}
	return d
}

func onlyFiles(o *odata.Options) { o.List, o.Files = "", "/files" }

func withChanges(o *odata.Options) { o.Changes = "/changes" }

// Open implements collect.Source.
func (d *desk) Open(_ context.Context, r collect.Request) (collect.Page, error) {
	what, things, trailer := d.look(r)
	d.log, d.query = append(d.log, what), r.Query
	if r.Query.Has("$top") {
		return nil, fmt.Errorf("%s: $top hides the link", what)
	}
	end := io.EOF
	if list := d.fails[what]; len(list) > 0 {
		d.fails[what] = list[1:]
		if list[0].cut == 0 {
			return nil, list[0].err
		}
		things, end = things[:min(list[0].cut, len(things))], list[0].err
	}
	return &sheet{answer{d.clock, things, end}, trailer}, nil
}

// look is what is asked, and the answer.
func (d *desk) look(r collect.Request) (what string, things []thing, trailer collect.Trailer) {
	var at, signature int
	link := r.Link.Reveal()
	switch {
	case r.Form == collect.Count:
		return "count", nil, collect.Trailer{Total: d.devices}
	case r.Form == collect.Index:
		for i := 0; i*d.perFile < len(d.things); i++ {
			trailer.Links = append(trailer.Links, inputs.Secret(fmt.Sprintf("https://s/%02d?sig=%d", i, d.signature)))
		}
		slices.Reverse(trailer.Links)
		trailer.Made = d.made
		return "index", nil, trailer
	case r.Form == collect.File:
		if _, err := fmt.Sscanf(link, "https://s/%d?sig=%d", &at, &signature); err != nil || signature != d.signature {
			d.fails["expired"] = append(d.fails["expired"], status(403))
			return "expired", nil, trailer
		}
		return fmt.Sprint("file ", at), d.things[at*d.perFile : min((at+1)*d.perFile, len(d.things))], trailer
	case r.Path == d.options.Changes && r.Path != "":
		since, _ := time.Parse("2006-01-02T15:04:05.000Z", r.Query.Get("sinceTime"))
		return "changes " + since.Format("02T15:04:05"), d.changed, trailer
	}
	what = "list"
	if link != "" {
		_, _ = fmt.Sscanf(link, "https://l/?skip=%d", &at)
		what = fmt.Sprint("link ", at/max(d.perPage, 1))
	}
	end := min(at+d.perPage, len(d.things))
	if d.circular && end >= len(d.things) {
		trailer.Links = []inputs.Secret{"https://l/?skip=10"}
	} else if end < len(d.things) {
		trailer.Links = []inputs.Secret{inputs.Secret(fmt.Sprintf("https://l/?skip=%d", end))}
	}
	return what, d.things[at:end], trailer
}

type sheet struct {
	answer
	trailer collect.Trailer
}

func (s *sheet) Trailer() collect.Trailer { return s.trailer }

// sweepMapper makes documents whose ids are those of the sweep.
type sweepMapper struct {
	mapper
	sweep collect.Sweep
}

func (m *sweepMapper) Begin(s collect.Sweep) { m.sweep = s }

func (m *sweepMapper) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	m.doc.ID, m.doc.Timestamp = m.thing.ID+"@"+string(m.sweep.Epoch), m.thing.Updated
	return collect.Mapped{}, emit(&m.doc)
}

// did runs a poll and checks what it asked for.
func (d *desk) did(t *testing.T, wantErr bool, want string) {
	t.Helper()
	d.log = nil
	if err := d.poll(t); (err != nil) != wantErr {
		t.Errorf("poll: %v", err)
	}
	if got := strings.Join(d.log, ", "); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// epochs are how many documents each epoch has, and how many were published again.
func (d *desk) epochs() (perEpoch map[string]int, again int) {
	perEpoch = map[string]int{}
	for id, n := range d.published {
		_, epoch, _ := strings.Cut(id, "@")
		perEpoch[epoch]++
		again += n - 1
	}
	return perEpoch, again
}

// expectRead checks that so many whole reads hold all things each.
func (d *desk) expectRead(t *testing.T, reads int) {
	t.Helper()
	perEpoch, _ := d.epochs()
	if len(perEpoch) != reads {
		t.Errorf("%d reads, want %d: %v", len(perEpoch), reads, perEpoch)
	}
	for epoch, n := range perEpoch {
		if n != len(d.things) {
			t.Errorf("read %s has %d things of %d", epoch, n, len(d.things))
		}
	}
}
