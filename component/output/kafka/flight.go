package kafka

import (
	"context"
	"sync/atomic"

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
	records  []kgo.Record
	headers  []kgo.RecordHeader
	promises []func(*kgo.Record, error)
	errs     []error
	left     atomic.Int64
	done     chan struct{}
	scratch  []byte
	topics   map[string]string // the topics there are, so that each is one string
}

// begin makes records of documents. A document without a topic is refused at once.
func (f *flight) begin(c *config, target *inputs.Target, docs []inputs.Document, verdicts []output.Verdict) {
	for i := len(f.promises); i < len(docs); i++ {
		f.promises = append(f.promises, func(_ *kgo.Record, err error) {
			f.errs[i] = err
			f.finish()
		})
	}
	if cap(f.records) < len(docs) {
		f.records, f.errs = make([]kgo.Record, len(docs)), make([]error, len(docs))
	}
	f.records, f.errs = f.records[:len(docs)], f.errs[:len(docs)]
	clear(f.records)
	clear(f.errs)
	f.memory, f.headers, f.done = f.memory[:0], f.headers[:0], make(chan struct{})
	f.left.Store(1)
	for i := range docs {
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

// finish notes that one of those awaited is done.
func (f *flight) finish() {
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
}

// judge turns the records' errors into verdicts. The error is the first for which
// documents must be sent again.
func (f *flight) judge(d *dialer, target *inputs.Target, verdicts []output.Verdict) (first *output.Error) {
	for i := range f.records {
		if f.records[i].Topic == "" {
			continue // refused already
		}
		if f.errs[i] == nil {
			verdicts[i].Outcome = output.Stored
			continue
		}
		refusal, err := d.verdictOf(f.errs[i], target, f.records[i].Topic, len(f.records) == 1)
		if refusal != nil {
			verdicts[i] = output.Verdict{Outcome: output.Refused, Refusal: refusal}
		} else if first == nil {
			first = err
		}
	}
	return first
}
