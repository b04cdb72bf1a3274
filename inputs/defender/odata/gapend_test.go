package odata_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// poisoned is a list that fails with each page that holds a certain record.
type poisoned struct {
	*list
	id string
}

func (p *poisoned) Open(ctx context.Context, r collect.Request) (collect.Page, error) {
	page, err := p.list.Open(ctx, r)
	if a, ok := page.(*answer); ok && slices.ContainsFunc(a.things, func(t thing) bool { return t.ID == p.id }) {
		return nil, &api.Error{Kind: api.Transient, Status: 500, Message: "it cannot be served"}
	}
	return page, err
}

// lenient makes documents of what represents a record, too.
type lenient struct{ mapper }

func (m *lenient) Read(record jsontext.Value, unreadable error) (string, time.Time) {
	if unreadable == nil {
		return m.mapper.Read(record, nil)
	}
	m.thing, m.record = thing{ID: "unserved"}, record
	return "", time.Time{}
}

func (m *lenient) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	return m.mapper.Documents(emit)
}

// TestUnservedRecordBeforeTheLargestTime: .NET's largest time is what services write for
// "never". A gap that ends behind it cannot be saved, and would hide all that is
// updated from now on.
func TestUnservedRecordBeforeTheLargestTime(t *testing.T) {
	r := newRig(odata.Timeline, 5)
	r.clock = noon
	r.options.InitialInterval = time.Hour
	never := time.Date(9999, 12, 31, 23, 59, 59, 999_999_900, time.UTC)
	r.things = append(r.things, thing{ID: "bad", Updated: noon.Add(-time.Minute)}, thing{ID: "never", Updated: never})
	r.source, r.mapper = &poisoned{r.list, "bad"}, &lenient{}
	for range 4 {
		_ = r.poll(t)
		r.now, r.clock = r.now.Add(time.Minute), r.clock.Add(time.Minute)
	}
	if err := r.poll(t); err != nil {
		t.Error(err)
	}
	if r.published["never"] != 1 || r.published["unserved"] != 1 {
		t.Errorf("published %v", r.published)
	}
	r.restart() // what is saved can be read
	r.things = append(r.things, thing{ID: "new", Updated: r.now})
	r.now, r.clock = r.now.Add(time.Minute), r.clock.Add(time.Minute)
	if err := r.poll(t); err != nil {
		t.Error(err)
	}
	if r.published["new"] != 1 {
		t.Errorf("what is updated later is not published: %v", r.published)
	}
}
