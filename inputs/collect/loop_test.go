package collect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// book is a source whose pages are lists of words, a strategy that turns them by
// number, and all that a loop needs besides. It writes down what is done.
type book struct {
	pages   []string
	torn    int         // the page that breaks off behind its first word; -1 = none
	refuse  bool        // the source does not turn pages forwards
	failing func() bool // whether publishing fails

	done    []string
	current string // word
	doc     ecs.Document
	at      int          // the strategy's place
	state   []byte       // saved
	polls   atomic.Int32 // reported
	counts  inputs.Counts
}

var errTorn = errors.New("torn")

func (b *book) did(format string, a ...any) { b.done = append(b.done, fmt.Sprintf(format, a...)) }

// The source.

func (b *book) Open(_ context.Context, r collect.Request) (collect.Page, error) {
	page := r.Query.Get("page")
	b.did("ask %s", page)
	if b.refuse && !r.Query.Has("backwards") {
		return nil, errors.New("not forwards")
	}
	var n int
	_, _ = fmt.Sscan(page, &n)
	if n >= len(b.pages) {
		return &leaf{}, nil
	}
	l := &leaf{words: strings.Fields(b.pages[n])}
	if n == b.torn {
		l.words, l.end = l.words[:1], errTorn
	}
	return l, nil
}

func (b *book) RetryAfter(err error) time.Duration {
	if errors.Is(err, errTorn) {
		return 7 * time.Minute
	}
	return 0
}

type leaf struct {
	words []string
	end   error
}

func (l *leaf) Next() (jsontext.Value, error) {
	if len(l.words) == 0 {
		if l.end != nil {
			return nil, l.end
		}
		return nil, io.EOF
	}
	word := l.words[0]
	l.words = l.words[1:]
	if strings.HasPrefix(word, "huge") {
		return jsontext.Value(word), &collect.OversizedError{Cause: errors.New("too large")}
	}
	return jsontext.Value(word), nil
}

func (l *leaf) Asked() time.Time         { return time.Time{} }
func (l *leaf) Trailer() collect.Trailer { return collect.Trailer{} }
func (l *leaf) Close() error             { return nil }

// The strategy, which is its own pager.

func (b *book) Restore(saved jsontext.Value) error {
	if saved == nil {
		b.at = 0
		return nil
	}
	_, err := fmt.Sscanf(string(saved), `{"page":%d}`, &b.at)
	return err
}

func (b *book) Rewind(from time.Time) { b.at = min(b.at, int(from.Unix())) }

func (b *book) Begin() collect.Pager { return turner{b, nil} }

func (b *book) Place() collect.Place {
	return collect.Place{JSON: jsontext.Value(fmt.Sprintf(`{"page":%d}`, b.at))}
}

type turner struct {
	*book
	query url.Values
}

func (t turner) Request() collect.Request {
	q := url.Values{"page": {fmt.Sprint(t.at)}}
	for name, v := range t.query {
		q[name] = v
	}
	return collect.Request{Query: q}
}

func (t turner) Next(page collect.PageStats) (collect.Pager, error) {
	t.did("next %d/%d", page.Fresh, page.Records)
	switch {
	case page.Err != nil && !page.Opened:
		return turner{t.book, url.Values{"backwards": {"yes"}}}, page.Err
	case page.Err != nil:
		return nil, page.Err
	case page.Records == 0:
		return nil, nil
	}
	t.at++
	return t, nil
}

// The mapper and the environment.

func (b *book) mapper() collect.Mapper { return words{b} }

type words struct{ *book }

func (w words) Begin(collect.Sweep) {}

func (w words) Read(record jsontext.Value, unreadable error) (string, time.Time) {
	w.current = string(record)
	if unreadable != nil {
		w.current = "quarantined"
	}
	return "", time.Time{}
}

func (w words) Content() []byte { return []byte(w.current) }

func (w words) Documents(emit func(*ecs.Document) error) (collect.Mapped, error) {
	w.doc.ID = w.current
	return collect.Mapped{Faulty: w.current == "quarantined"}, emit(&w.doc)
}

func (b *book) Publish(_ context.Context, batch *inputs.Batch) error {
	var ids []string
	for i := range batch.Len() {
		ids = append(ids, batch.At(i).ID)
	}
	if b.failing != nil && b.failing() {
		return errors.New("stopped")
	}
	b.did("publish %s", strings.Join(ids, " "))
	return nil
}

func (b *book) Load(context.Context, inputs.Key) ([]byte, error) {
	if b.state == nil {
		return nil, inputs.ErrNoCursor
	}
	return b.state, nil
}

func (b *book) Save(_ context.Context, _ inputs.Key, value []byte) error {
	_, place, _ := strings.Cut(string(value), `"place":`)
	place, _, _ = strings.Cut(place, "}")
	b.did("save %s}", place)
	b.state = slices.Clone(value)
	return nil
}

func (b *book) Delete(context.Context, string) error { return nil }
func (b *book) Report(error)                         { b.polls.Add(1) }

func (b *book) Count(c inputs.Counts) {
	b.counts.Records += c.Records
	b.counts.Documents += c.Documents
	b.counts.Duplicates += c.Duplicates
	b.counts.Quarantined += c.Quarantined
}

// loop is a new loop of the book, as after a restart.
func (b *book) loop(change func(*inputs.Env)) *collect.Loop {
	env := inputs.Env{Publisher: b, Cursors: b, Reporter: b, Log: slog.New(slog.DiscardHandler), Once: true, Grace: time.Second}
	if change != nil {
		change(&env)
	}
	return collect.New(collect.Config{
		Resource: "word", Key: inputs.Key{Input: "in"}, Interval: time.Minute,
		Source: b, Strategy: b, Mapper: b.mapper(), Now: time.Now, Env: env,
	})
}

func (b *book) read(t *testing.T) error {
	t.Helper()
	b.done = nil
	return b.loop(nil).Run(t.Context())
}

func (b *book) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(b.done, want) {
		t.Errorf("did\n%s\nwant\n%s", strings.Join(b.done, "\n"), strings.Join(want, "\n"))
	}
}

// TestLoop: what is asked, published, passed to Next and saved, in this order.
func TestLoop(t *testing.T) {
	b := &book{pages: []string{"a b", "c a"}, torn: -1}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.expect(t, `save {"page":0}`,
		"ask 0", "publish a b", "next 2/2", `save {"page":1}`,
		"ask 1", "publish c", "next 1/2", `save {"page":2}`,
		"ask 2", "next 0/0")
	if b.counts.Records != 4 || b.counts.Documents != 3 || b.counts.Duplicates != 1 {
		t.Errorf("counted %+v", b.counts)
	}
	b.pages = append(b.pages, "b d")
	if err := b.read(t); err != nil { // by a new loop, of the checkpoint
		t.Fatal(err)
	}
	b.expect(t, "ask 2", "publish d", "next 1/2", `save {"page":3}`, "ask 3", "next 0/0")
}

// TestNothingIsSavedThatWasNotAcknowledged: nor does the pager receive it.
func TestNothingIsSavedThatWasNotAcknowledged(t *testing.T) {
	for name, restart := range map[string]bool{"the same loop": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			b := &book{pages: []string{"a b", "c d"}, torn: -1}
			published := 0
			b.failing = func() bool { published++; return published == 2 }
			loop := b.loop(nil)
			if err := loop.Run(t.Context()); err == nil {
				t.Fatal("no error")
			}
			b.expect(t, `save {"page":0}`, "ask 0", "publish a b", "next 2/2", `save {"page":1}`, "ask 1")
			if restart {
				loop = b.loop(nil)
			}
			b.done = nil
			if err := loop.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.expect(t, "ask 1", "publish c d", "next 2/2", `save {"page":2}`, "ask 2", "next 0/0")
		})
	}
}

// TestPageThatBreaksOff: what came of it is published and remembered.
func TestPageThatBreaksOff(t *testing.T) {
	b := &book{pages: []string{"a b"}, torn: 0}
	if err := b.read(t); !errors.Is(err, errTorn) {
		t.Fatalf("got %v", err)
	}
	b.expect(t, `save {"page":0}`, "ask 0", "publish a", "next 1/1", `save {"page":0}`)
	b.torn = -1
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.expect(t, "ask 0", "publish b", "next 1/2", `save {"page":1}`, "ask 1", "next 0/0")
}

// TestRefusedWayIsLeft for the one that the pager names.
func TestRefusedWayIsLeft(t *testing.T) {
	b := &book{pages: []string{"a"}, torn: -1, refuse: true}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	b.expect(t, `save {"page":0}`, "ask 0", "next 0/0", "ask 0", "publish a", "next 1/1", `save {"page":1}`, "ask 1", "next 0/0")
}

// TestOversizedRecordIsADocument, and not the end of its page.
func TestOversizedRecordIsADocument(t *testing.T) {
	b := &book{pages: []string{"a huge-1 b"}, torn: -1}
	if err := b.read(t); err != nil {
		t.Fatal(err)
	}
	if b.done[2] != "publish a quarantined b" || b.counts.Quarantined != 1 {
		t.Errorf("did %v, counted %+v", b.done, b.counts)
	}
}

// TestWhenPollsBegin: not before FirstPoll, then every interval; after a failure
// when the source wants to be asked again.
func TestWhenPollsBegin(t *testing.T) {
	for name, c := range map[string]struct {
		book      *book
		firstPoll time.Duration
		polls     map[time.Duration]int // so long after the start
	}{
		"restarted": {&book{torn: -1}, 10 * time.Minute, map[time.Duration]int{570 * time.Second: 0, 630 * time.Second: 1, 690 * time.Second: 2}},
		"failing":   {&book{pages: []string{"a b"}}, 0, map[time.Duration]int{time.Second: 1, 410 * time.Second: 1, 430 * time.Second: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() {
					ended <- c.book.loop(func(e *inputs.Env) { e.Once, e.FirstPoll = false, began.Add(c.firstPoll) }).Run(ctx)
				}()
				for _, after := range slices.Sorted(maps.Keys(c.polls)) {
					time.Sleep(after - time.Since(began))
					synctest.Wait()
					if n := int(c.book.polls.Load()); n != c.polls[after] {
						t.Errorf("%s after the start %d polls, want %d", after, n, c.polls[after])
					}
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
