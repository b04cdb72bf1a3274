package kafkatest

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/defender-endpoint/defender-endpoint/component/output/event/eventtest"
)

// fetchWait is how long a broker may hold a request for news.
const fetchWait = 100 * time.Millisecond

// Document is a message with an event.
type Document struct {
	eventtest.Document
	Topic, Key string
	Partition  int32
	Headers    map[string]string
}

// Stats count what a Reader has read.
type Stats struct {
	Messages   int
	Stored     int // documents, each id once
	Duplicates int // messages whose id was there already
}

// Reader reads what stands in topics, from their beginning.
type Reader struct {
	client  *kgo.Client
	reading sync.WaitGroup
	end     context.CancelFunc
	arrived func(Document)

	mu      sync.Mutex
	stats   Stats
	known   map[[2]string]struct{}
	stored  []Document
	next    map[place]int64 // offset behind the last message read
	changed chan struct{}
}

// NewReader reads topics until Close. arrived, if set, is called for each document.
func NewReader(arrived func(Document), topics []string, opts ...kgo.Opt) (*Reader, error) {
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topics...), kgo.FetchMaxWait(fetchWait),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMaxAge(fetchWait*2), kgo.MetadataMinAge(fetchWait))...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Reader{client: client, end: cancel, arrived: arrived, known: map[[2]string]struct{}{}, next: map[place]int64{}, changed: make(chan struct{})}
	r.reading.Go(func() {
		for ctx.Err() == nil {
			r.take(client.PollFetches(ctx))
		}
	})
	return r, nil
}

func (r *Reader) take(fetches kgo.Fetches) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fetches.EachRecord(func(record *kgo.Record) {
		d := read(record)
		r.next[place{record.Topic, record.Partition}] = record.Offset + 1
		r.stats.Messages++
		key := [2]string{d.Index, d.ID}
		if _, exists := r.known[key]; exists {
			r.stats.Duplicates++
			return
		}
		r.known[key] = struct{}{}
		r.stats.Stored++
		r.stored = append(r.stored, d)
		if r.arrived != nil {
			r.arrived(d)
		}
	})
	close(r.changed)
	r.changed = make(chan struct{})
}

// read decodes a message; what is no event is a document without an id.
func read(record *kgo.Record) Document {
	d := Document{Topic: record.Topic, Key: string(record.Key), Partition: record.Partition, Headers: map[string]string{}}
	for _, h := range record.Headers {
		d.Headers[h.Key] = string(h.Value)
	}
	if event, err := eventtest.Read(record.Value); err == nil {
		d.Document = event
	}
	return d
}

// Stats are the counts up to now; the channel is closed when they may have changed.
func (r *Reader) Stats() (Stats, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats, r.changed
}

// Documents are those read, in the order of each partition, each id once.
func (r *Reader) Documents() []Document {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Document(nil), r.stored...)
}

// Close ends reading.
func (r *Reader) Close() {
	r.end()
	r.client.Close()
	r.reading.Wait()
}
