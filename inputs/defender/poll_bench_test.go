package defender

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// shelf is a source of one page of records, its own strategy and pager, and all
// that a loop needs besides.
type shelf struct {
	inputstest.Cursors
	records [][]byte
	left    [][]byte

	published int // documents
}

func (s *shelf) Open(context.Context, collect.Request) (collect.Page, error) {
	s.left = s.records
	return s, nil
}
func (s *shelf) RetryAfter(error) time.Duration { return 0 }
func (s *shelf) Asked() time.Time               { return time.Time{} }
func (s *shelf) Trailer() collect.Trailer       { return collect.Trailer{} }
func (s *shelf) Close() error                   { return nil }
func (s *shelf) Next() (jsontext.Value, error) {
	if len(s.left) == 0 {
		return nil, io.EOF
	}
	record := s.left[0]
	s.left = s.left[1:]
	return record, nil
}
func (s *shelf) Restore(jsontext.Value) error { return nil }
func (s *shelf) Rewind(time.Time)             {}
func (s *shelf) Begin() collect.Pager         { return shelfPager{s} }
func (s *shelf) Place() collect.Place         { return collect.Place{JSON: jsontext.Value(`{}`)} }
func (s *shelf) Request() collect.Request     { return collect.Request{} }
func (s *shelf) Publish(_ context.Context, b *inputs.Batch) error {
	s.published += b.Len()
	return nil
}
func (s *shelf) Report(error)        {}
func (s *shelf) Count(inputs.Counts) {}

// Next of a pager has another shape than that of a page.
type shelfPager struct{ *shelf }

func (shelfPager) Next(collect.PageStats) (collect.Pager, error) { return nil, nil }

// BenchmarkPoll reads a page of 1,000 records that were published before, or of
// such that were not.
func BenchmarkPoll(b *testing.B) {
	for _, r := range resources {
		for _, fresh := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/fresh=%v", r.name, fresh), func(b *testing.B) { benchmarkPoll(b, r, fresh) })
		}
	}
}

func benchmarkPoll(b *testing.B, r *resource, fresh bool) {
	record := largest(b, r)
	s := &shelf{}
	for i := range 1000 {
		s.records = append(s.records, bytes.Replace(bytes.Clone(record), []byte(`{"id":"`), fmt.Appendf(nil, `{"id":"000000%06d`, i), 1))
	}
	loop := collect.New(collect.Config{
		Resource: r.name, Source: s, Strategy: s, Mapper: loopMapper{newMapper(r, configOf(r), someAgent, time.Now, nil), func() {}}, Now: time.Now,
		Retention: collect.Retention{Snapshot: true, Refresh: time.Hour},
		Env:       inputs.Env{Publisher: s, Cursors: s, Reporter: s, Log: slog.New(slog.DiscardHandler), Once: true},
	})
	round := 0
	poll := func() {
		if round++; fresh {
			for _, record := range s.records {
				copy(record[7:], fmt.Sprintf("%03d", round%1000))
				copy(record[10:], fmt.Sprintf("%03d", round/1000))
			}
		}
		if err := loop.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	poll()
	poll()
	b.SetBytes(int64(1000 * len(record)))
	b.ReportAllocs()
	s.published = 0
	for b.Loop() {
		poll()
	}
	b.ReportMetric(float64(s.published)/float64(b.N), "docs/op")
}
