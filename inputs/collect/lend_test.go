package collect_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// waiting is a book whose pages come late.
type waiting struct {
	*book
	reports bool // that it waits
}

func (w waiting) Open(ctx context.Context, r collect.Request) (collect.Page, error) {
	if w.reports {
		r.Waits()
	}
	time.Sleep(time.Minute)
	return w.book.Open(ctx, r)
}

// TestBatchIsLentWhileTheSourceWaits: two streams have one batch. While one waits for
// its answer the other one collects: at once if the source knows that it waits, else
// after a moment.
func TestBatchIsLentWhileTheSourceWaits(t *testing.T) {
	for reports, want := range map[bool]time.Duration{true: time.Second, false: 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			batches := inputs.NewBatches(1)
			run := func(b *book, source collect.Source) func() error {
				loop := collect.New(collect.Config{
					Resource: "word", Key: inputs.Key{Input: "in"}, Interval: time.Minute, Source: source, Strategy: b, Mapper: b.mapper(), Now: time.Now,
					Env: inputs.Env{Publisher: b, Cursors: b, Reporter: b, Batches: batches, Once: true, Grace: time.Second, Log: slog.New(slog.DiscardHandler)},
				})
				return func() error { return loop.Run(t.Context()) }
			}
			slow, quick := &book{pages: []string{"a b"}, torn: -1}, &book{pages: []string{"c"}, torn: -1}
			ended := make(chan error, 1)
			go func() { ended <- run(slow, waiting{slow, reports})() }()
			time.Sleep(time.Second)
			began := time.Now()
			if err := run(quick, quick)(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != want-time.Second {
				t.Errorf("reports its wait %v: the other stream collected after %s", reports, took)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if len(slow.done) == 0 || slow.counts.Documents != 2 {
				t.Errorf("the slow one published %d documents", slow.counts.Documents)
			}
		})
	}
}
