package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// idHeader is the header with the document's id.
const idHeader = "_id"

// flight are the records of one Send, with memory of their own: the client may hold
// them for longer than the caller waits.
type flight struct {
	*event.Encoder
	memory   []byte
	records  []kgo.Record // one for each document; without a topic where it is refused, or has a place
	headers  []kgo.RecordHeader
	promises []func(*kgo.Record, error)
	places   []place // of the documents' records in former flights; empty where none is
	left     atomic.Int64
	done     chan struct{}
	scratch  []byte
	topics   map[string]string // the topics there are, so that each is one string
	alone    bool              // its only record was sent with no other one of its topic under way

	mu      sync.Mutex // guards results
	results []result
}

// result is what became of a record, once it is settled.
type result struct {
	settled bool
	err     error
}

// begin makes records of documents. A document without a topic is refused at once;
// one whose record a former flight has gets none.
func (f *flight) begin(c *config, h *held, target *inputs.Target, docs []inputs.Document, verdicts []output.Verdict) {
	for i := len(f.promises); i < len(docs); i++ {
		f.promises = append(f.promises, func(_ *kgo.Record, err error) {
			f.settle(i, err)
		})
	}
	if cap(f.records) < len(docs) {
		f.records, f.results = make([]kgo.Record, len(docs)), make([]result, len(docs))
	}
	f.records, f.results = f.records[:len(docs)], f.results[:len(docs)]
	clear(f.records)
	clear(f.results)
	f.memory, f.headers, f.done = f.memory[:0], f.headers[:0], make(chan struct{})
	f.alone = false
	f.places = h.find(f.places[:0], target, docs)
	f.left.Store(1)
	for i := range docs {
		if f.of(i).flight != f {
			continue
		}
		if missing := f.message(c, &f.records[i], target, &docs[i]); f.records[i].Topic == "" {
			verdicts[i] = output.Verdict{Outcome: output.Refused, Refusal: &inputs.Refusal{Type: "no_topic", Field: missing}}
			continue
		}
		f.left.Add(1)
	}
}

// message makes a record of a document, and names a field for want of which it has
// no topic.
func (f *flight) message(c *config, r *kgo.Record, target *inputs.Target, d *inputs.Document) (missing string) {
	topic, missing := c.topicOf(f.scratch, target, d)
	f.scratch = topic[:0]
	if len(topic) == 0 {
		return missing
	}
	r.Topic = f.name(topic)
	start := len(f.memory)
	f.memory = f.Append(f.memory, *d)
	r.Value = f.memory[start:len(f.memory):len(f.memory)]
	start = len(f.memory)
	f.memory = append(f.memory, d.ID...)
	f.headers = append(f.headers, kgo.RecordHeader{Key: idHeader, Value: f.memory[start:len(f.memory):len(f.memory)]})
	first := len(f.headers) - 1
	for i := range c.headers {
		if value, ok := f.text(c.headers[i].value, target, d); ok {
			f.headers = append(f.headers, kgo.RecordHeader{Key: c.headers[i].key, Value: value})
		}
	}
	r.Headers = f.headers[first:len(f.headers):len(f.headers)]
	r.Key = f.key(c, target, d)
	if len(c.hashed) > 0 {
		r.Context = context.WithValue(context.Background(), hashKey{}, f.join(c.hashed, target, d))
	}
	return ""
}

// key is the setting's, or else the record's id, so that the versions of one record
// stay in order.
func (f *flight) key(c *config, target *inputs.Target, d *inputs.Document) []byte {
	if c.key != nil {
		key, _ := f.text(c.key, target, d)
		return key
	}
	for _, field := range [...]string{"event.id", "host.id"} {
		if id, ok := lookUp(field, target, d); ok && id != "" {
			start := len(f.memory)
			f.memory = append(f.memory, id...)
			return f.memory[start:len(f.memory):len(f.memory)]
		}
	}
	return nil
}

// text is what a format gives, in the flight's memory; ok is false where a field is
// missing.
func (f *flight) text(what format, target *inputs.Target, d *inputs.Document) (text []byte, ok bool) {
	start := len(f.memory)
	var missing string
	if f.memory, missing = what.appendTo(f.memory, target, d); missing != "" {
		f.memory = f.memory[:start]
		return nil, false
	}
	return f.memory[start:len(f.memory):len(f.memory)], true
}

// join is the text of some fields, one after the other.
func (f *flight) join(fields []string, target *inputs.Target, d *inputs.Document) []byte {
	start := len(f.memory)
	for _, field := range fields {
		value, _ := lookUp(field, target, d)
		f.memory = append(f.memory, value...)
	}
	return f.memory[start:len(f.memory):len(f.memory)]
}

// name is a topic as a string, which is made once.
func (f *flight) name(topic []byte) string {
	if name, ok := f.topics[string(topic)]; ok {
		return name
	}
	if f.topics == nil || len(f.topics) >= 1000 { // topics of documents' fields may be many
		f.topics = map[string]string{}
	}
	name := string(topic)
	f.topics[name] = name
	return name
}

// settle notes what became of a record.
func (f *flight) settle(i int, err error) {
	f.mu.Lock()
	f.results[i] = result{true, err}
	f.mu.Unlock()
	f.finish()
}

// again makes a flight of one record, which was refused, one to be sent with no other.
func (f *flight) again() {
	f.mu.Lock()
	f.results[0] = result{}
	f.mu.Unlock()
	f.records[0].Timestamp = time.Time{} // now
	f.alone, f.done = true, make(chan struct{})
	f.left.Store(2)
}

// finish notes that one of those awaited is done.
func (f *flight) finish() {
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
}

// of is where the record of a document is.
func (f *flight) of(i int) place {
	if len(f.places) > 0 && f.places[i].flight != nil {
		return f.places[i]
	}
	return place{f, i}
}

// judge turns the records' results into verdicts. The error is the first for which
// documents must be sent again.
func (f *flight) judge(d *dialer, target *inputs.Target, verdicts []output.Verdict) (first *output.Error) {
	for i := range f.records {
		at := f.of(i)
		topic := at.topic()
		if topic == "" {
			continue // refused already
		}
		r := at.result()
		if r.settled && r.err == nil {
			verdicts[i].Outcome = output.Stored
			continue
		}
		refusal, err := (*inputs.Refusal)(nil), errLasts
		if r.settled {
			refusal, err = d.verdictOf(r.err, target, topic, f.alone)
			if err != nil && err.Reason == output.TooLarge && len(f.records) == 1 {
				err = errNotAlone // it may have been others of its batch
			}
		}
		if refusal != nil {
			verdicts[i] = output.Verdict{Outcome: output.Refused, Refusal: refusal}
		} else if first == nil {
			first = err
		}
	}
	return first
}

// topicsOf are the topics of records with such a result.
func (f *flight) topicsOf(such func(result) bool) []string {
	topics := map[string]struct{}{}
	f.addTopics(topics, such)
	return slices.Sorted(maps.Keys(topics))
}

func (f *flight) addTopics(topics map[string]struct{}, such func(result) bool) {
	for i := range f.records {
		if at := f.of(i); at.topic() != "" && such(at.result()) {
			topics[at.topic()] = struct{}{}
		}
	}
}

func isWaiting(r result) bool { return !r.settled || errors.Is(r.err, errLasts) }

// isMadeAgain reports whether a record failed since its topic was deleted and made
// again.
func isMadeAgain(r result) bool { return errors.Is(r.err, kerr.UnknownTopicID) }
