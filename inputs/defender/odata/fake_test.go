package odata_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// thing is a record of the list.
type thing struct {
	ID      string    `json:"id"`
	Updated time.Time `json:"updated"`
	Created time.Time `json:"created"`
	Parts   string    `json:"parts,omitzero"` // only with $expand
}

// list is a list of things that takes OData options, refuses them or ignores
// them. It is a collect.Source, without any network.
type list struct {
	things  []thing
	refuse  func(q url.Values) bool        // with 400
	ignore  func(q url.Values)             // removes what is ignored
	page    func([]thing) []thing          // changes a page, if set
	fail    func(url.Values, []thing) bool // with 500
	maxSkip int                            // 0 = any
	cut     int                            // pages of more records than this break off behind it; 0 = none
	empty   bool                           // 404, as the API says that there are no machines
	down    int                            // so many calls fail from now on

	clock time.Time // of the server; zero = it gives no time

	asked []url.Values
}

func (l *list) RetryAfter(error) time.Duration { return 0 }

func (l *list) Open(_ context.Context, r collect.Request) (collect.Page, error) {
	q := url.Values{}
	for name, values := range r.Query {
		q[name] = slices.Clone(values)
	}
	l.asked = append(l.asked, r.Query)
	skip, _ := strconv.Atoi(q.Get("$skip"))
	switch {
	case l.down > 0:
		l.down--
		return nil, &api.Error{Kind: api.Transient, Status: 500, Message: "down"}
	case l.empty:
		return nil, &api.Error{Status: 404, Code: "ResourceNotFound"}
	case l.refuse != nil && l.refuse(q), l.maxSkip > 0 && skip > l.maxSkip:
		return nil, &api.Error{Status: 400, Code: "ODataError"}
	}
	if l.ignore != nil {
		l.ignore(q)
	}
	page := l.answer(q)
	if l.fail != nil && l.fail(q, page) {
		return nil, &api.Error{Kind: api.Transient, Status: 500, Message: "cannot be served"}
	}
	if l.page != nil {
		page = l.page(page)
	}
	if l.cut > 0 && len(page) > l.cut {
		return &answer{asked: l.clock, things: page[:l.cut], end: &api.Error{Kind: api.Transient, Message: "cut"}}, nil
	}
	return &answer{asked: l.clock, things: page, end: io.EOF}, nil
}

// answer filters, sorts, skips and cuts.
func (l *list) answer(q url.Values) []thing {
	var page []thing
	for _, t := range l.things {
		if accepts(t, q.Get("$filter")) {
			page = append(page, t)
		}
	}
	switch property, _, _ := strings.Cut(q.Get("$orderby"), " "); property {
	case "updated":
		slices.SortStableFunc(page, func(a, b thing) int { return a.Updated.Compare(b.Updated) })
	case "id":
		slices.SortFunc(page, func(a, b thing) int { return strings.Compare(a.ID, b.ID) })
	}
	skip, _ := strconv.Atoi(q.Get("$skip"))
	top, _ := strconv.Atoi(q.Get("$top"))
	page = page[min(skip, len(page)):]
	page = page[:min(top, len(page))]
	for i := range page {
		page[i].Parts = q.Get("$expand")
	}
	return page
}

func accepts(t thing, filter string) bool {
	for condition := range strings.SplitSeq(filter, " and ") {
		words := strings.SplitN(condition, " ", 3)
		if len(words) < 3 {
			continue
		}
		if words[0] == "id" {
			if bound := strings.Trim(words[2], "'"); words[1] == "ge" && t.ID < bound || words[1] == "lt" && t.ID >= bound {
				return false
			}
			continue
		}
		of := t.Updated
		if words[0] == "created" {
			of = t.Created
		}
		bound, _ := time.Parse(time.RFC3339Nano, words[2])
		if words[1] == "ge" && of.Before(bound) || words[1] == "lt" && !of.Before(bound) {
			return false
		}
	}
	return true
}

type answer struct {
	asked  time.Time
	things []thing
	end    error
}

func (a *answer) Next() (jsontext.Value, error) {
	if len(a.things) == 0 {
		return nil, a.end
	}
	record, err := json.Marshal(a.things[0])
	a.things = a.things[1:]
	return record, err
}

func (a *answer) Asked() time.Time         { return a.asked }
func (a *answer) Trailer() collect.Trailer { return collect.Trailer{} }
func (a *answer) Close() error             { return nil }

// mapper makes one document of a thing.
type mapper struct {
	thing  thing
	record jsontext.Value
	doc    ecs.Document
}

func (m *mapper) Begin(collect.Sweep) {}

func (m *mapper) Read(record jsontext.Value, unreadable error) (string, time.Time) {
	m.thing, m.record = thing{}, record
	if err := errors.Join(unreadable, json.Unmarshal(record, &m.thing)); err != nil {
		panic(err)
	}
	return m.thing.ID, m.thing.Updated
}

func (m *mapper) Content() []byte { return m.record }

func (m *mapper) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	m.doc.ID, m.doc.Timestamp = m.thing.ID, m.thing.Updated
	return collect.Mapped{}, emit(&m.doc)
}

// rig is a stream of things, without HTTP.
type rig struct {
	*list
	source    collect.Source // the list, unless set
	mapper    collect.Mapper // of things, unless set
	now       time.Time
	retention collect.Retention
	pager     func(odata.Options) collect.Strategy
	options   odata.Options

	saved      []byte
	saves      int
	published  map[string]int
	publishing func() // called with every batch, if set
	warnings   strings.Builder
	loop       *collect.Loop
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// newRig makes a rig with things of the last day, a minute apart, the newest of
// which is five minutes old.
func newRig(pager func(odata.Options) collect.Strategy, things int) *rig {
	r := &rig{list: &list{}, now: noon, pager: pager, published: map[string]int{}}
	for i := range things {
		at := noon.Add(-time.Duration(i+5) * time.Minute)
		r.things = append(r.things, thing{ID: fmt.Sprintf("t%05d", (i*7919)%things), Updated: at, Created: at.Add(-time.Hour)})
	}
	r.options = odata.Options{
		List: "/things", Updated: "updated", PageSize: 10, InitialInterval: 240 * time.Hour, Overlap: 15 * time.Minute, ChangesFor: 4 * 24 * time.Hour,
	}
	return r
}

// from is the lower bound of the first page asked for in the last poll.
func (r *rig) from(t *testing.T) time.Time {
	t.Helper()
	words := strings.Fields(r.asked[0].Get("$filter"))
	at, err := time.Parse(time.RFC3339Nano, words[2])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (r *rig) Publish(_ context.Context, b *inputs.Batch) error {
	if r.publishing != nil {
		r.publishing()
	}
	for i := range b.Len() {
		r.published[b.At(i).ID]++
	}
	return nil
}

func (r *rig) Load(context.Context, inputs.Key) ([]byte, error) {
	if r.saved == nil {
		return nil, inputs.ErrNoCursor
	}
	return r.saved, nil
}

func (r *rig) Save(_ context.Context, _ inputs.Key, value []byte) error {
	r.saved = slices.Clone(value)
	r.saves++
	return nil
}

func (r *rig) Delete(context.Context, string) error { return nil }

func (r *rig) Report(error)        {}
func (r *rig) Count(inputs.Counts) {}

// poll runs the stream's loop once; restart makes a new one of the saved state.
func (r *rig) poll(t *testing.T) error {
	t.Helper()
	if r.loop == nil {
		r.options.Now = func() time.Time { return r.now }
		if r.source == nil {
			r.source, r.mapper = r.list, &mapper{}
		}
		log := slog.New(slog.NewTextHandler(&r.warnings, nil))
		r.options.Log = log
		r.loop = collect.New(collect.Config{
			Resource: "thing", Key: inputs.Key{Input: "in", Stream: "s"}, Interval: time.Minute,
			Source: r.source, Strategy: r.pager(r.options), Mapper: r.mapper, Retention: r.retention,
			Now: r.options.Now,
			Env: inputs.Env{Publisher: r, Cursors: r, Reporter: r, Log: log, Once: true, Grace: time.Second},
		})
	}
	r.asked = nil
	return r.loop.Run(t.Context())
}

func (r *rig) restart() { r.loop = nil }

// expectOnce checks that every thing was published once.
func (r *rig) expectOnce(t *testing.T) {
	t.Helper()
	for _, thing := range r.things {
		if n := r.published[thing.ID]; n != 1 {
			t.Errorf("%s published %d times", thing.ID, n)
		}
	}
}
