package kafkatest

import (
	"context"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchWait is how long a broker may hold a request for news.
const fetchWait = 100 * time.Millisecond

// Document is an event as it stands in a topic.
type Document struct {
	Topic, Key        string
	Partition         int32
	Headers           map[string]string
	Index, ID, OpType string // of @metadata
	Pipeline          string
	InputID, StreamID string
	Beat, Version     string
	JSON              []byte // without @metadata
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

// event is how an event is written.
type event struct {
	Metadata struct {
		Beat     string `json:"beat"`
		Version  string `json:"version"`
		Index    string `json:"raw_index"`
		OpType   string `json:"op_type"`
		ID       string `json:"_id"`
		Pipeline string `json:"pipeline"`
		InputID  string `json:"input_id"`
		StreamID string `json:"stream_id"`
	} `json:"@metadata"`
	Timestamp jsontext.Value `json:"@timestamp"`
	Rest      jsontext.Value `json:",embed"`
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
	var e event
	if err := json.Unmarshal(record.Value, &e); err != nil {
		return d
	}
	m := e.Metadata
	d.Index, d.ID, d.OpType, d.Pipeline, d.InputID, d.StreamID, d.Beat, d.Version = m.Index, m.ID, m.OpType, m.Pipeline, m.InputID, m.StreamID, m.Beat, m.Version
	d.JSON = append([]byte(`{"@timestamp":`), e.Timestamp...)
	if len(e.Rest) > len("{}") {
		d.JSON = append(append(d.JSON, ','), e.Rest[1:]...)
	} else {
		d.JSON = append(d.JSON, '}')
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
