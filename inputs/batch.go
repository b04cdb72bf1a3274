package inputs

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Bounds of a batch unless configured otherwise: whichever is reached first.
const (
	BatchDocuments = 1600    // bulk_max_size of Elastic's balanced preset
	BatchBytes     = 4 << 20 // encoded JSON
)

// DataStream names where documents go.
type DataStream struct {
	Type, Dataset, Namespace string
}

// String is the data stream's name in Elasticsearch: type-dataset-namespace.
func (d DataStream) String() string { return d.Type + "-" + d.Dataset + "-" + d.Namespace }

// Target says where a stream's documents come from and go to.
type Target struct {
	InputID, StreamID string
	DataStream        DataStream
	Pipeline          string // ingest pipeline; normally empty
	Index             string // in place of the data stream's name; normally empty
}

// Name is the index or data stream to write to.
func (t Target) Name() string {
	if t.Index != "" {
		return t.Index
	}
	return t.DataStream.String()
}

// Batch is a bounded run of encoded documents of one stream. One goroutine
// fills it, then a Publisher reads it, from several goroutines if it likes.
type Batch struct {
	Target Target
	// Result is what became of the documents; the Publisher sets it before it
	// returns nil.
	Result Result

	documents          []entry
	body               []byte
	maxDocuments, size int
}

type entry struct {
	id         string
	timestamp  time.Time
	start, end int
}

// Document is one encoded document of a batch.
type Document struct {
	ID        string    // _id
	Timestamp time.Time // @timestamp
	JSON      []byte    // one JSON object without a line break; valid until Reset
}

// Result counts what became of a batch's documents.
type Result struct {
	Stored       int // written now
	Existing     int // already there under that id: an earlier try or a re-read
	FailureStore int // kept by Elasticsearch outside the data stream
	Rejected     int // refused for good
}

// NewBatch makes an empty batch that is full at that many documents or bytes.
func NewBatch(target Target, maxDocuments, maxBytes int) *Batch {
	return &Batch{Target: target, maxDocuments: maxDocuments, size: maxBytes}
}

// Add encodes a document into the batch.
func (b *Batch) Add(d *ecs.Document) {
	if b.body == nil {
		// At once what will be needed, with room for the document that makes the
		// batch full: growing there touches five times the memory. What is not
		// used is not backed by the system.
		b.body = make([]byte, 0, min(b.size, BatchBytes)+64<<10)
	}
	start := len(b.body)
	b.body = d.AppendJSON(b.body)
	b.documents = append(b.documents, entry{d.ID, d.Timestamp, start, len(b.body)})
}

// Full reports whether the batch should be published before more is added.
func (b *Batch) Full() bool {
	return len(b.documents) >= b.maxDocuments || len(b.body) >= b.size
}

// Len is the number of documents.
func (b *Batch) Len() int { return len(b.documents) }

// At returns document i.
func (b *Batch) At(i int) Document {
	e := b.documents[i]
	return Document{ID: e.id, Timestamp: e.timestamp, JSON: b.body[e.start:e.end:e.end]}
}

// Reset empties the batch and keeps its memory and target.
func (b *Batch) Reset() {
	b.documents, b.body, b.Result = b.documents[:0], b.body[:0], Result{}
}
