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
	Index             string // in place of the data stream's name; normally empty
	// Options are the stream's settings that are for the output alone, by their
	// names. An output reads those it knows. Normally nil.
	Options map[string]string
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
	// Fallback makes what is sent in place of a document that is refused. Without
	// one a refusal stops the batch.
	Fallback Fallback
	// Result is what became of the documents; the Publisher sets it before it
	// returns nil.
	Result Result

	documents          []entry
	body               []byte
	originals          []byte // of the documents' records, each once
	record             span   // of the record that was added last
	source             []byte // its text as it was given; nil where that is another's
	maxDocuments, size int
}

type entry struct {
	id        string
	timestamp time.Time
	body      span
	original  span
}

// span is a part of one of a batch's buffers.
type span struct{ start, end int }

func (s span) of(buffer []byte) []byte { return buffer[s.start:s.end:s.end] }

// Document is one encoded document of a batch.
type Document struct {
	ID        string    // _id
	Timestamp time.Time // @timestamp
	JSON      []byte    // one JSON object without a line break; valid until Reset
}

// Result counts what became of a batch's documents: Stored, Existing, Minimal
// and Bare add up to all of them.
type Result struct {
	Stored   int // written now, as they are
	Existing int // already there under that id: an earlier try or a re-read
	Minimal  int // refused, and written now in the minimal form
	Bare     int // refused in the minimal form too, and written now in the bare form
	// KeptAside are those of Minimal and Bare whose full document the other side
	// keeps, at a place of its own for what it could not store.
	KeptAside int
}

// Add adds up two results.
func (r *Result) Add(other Result) {
	r.Stored += other.Stored
	r.Existing += other.Existing
	r.Minimal += other.Minimal
	r.Bare += other.Bare
	r.KeptAside += other.KeptAside
}

// NewBatch makes an empty batch that is full at that many documents or bytes.
func NewBatch(target Target, maxDocuments, maxBytes int) *Batch {
	return &Batch{Target: target, maxDocuments: maxDocuments, size: maxBytes}
}

// NextRecord says that the documents from now on are made from another record, whose
// text may be in the same memory as that of the one before.
func (b *Batch) NextRecord() { b.source = nil }

// Add encodes a document into the batch, with the text of the record that it
// was made from. The documents of one record are added one after the other: they
// share one copy of the text, which is known by where it is. A record may have
// hundreds of thousands of documents and 12 MiB.
func (b *Batch) Add(d *ecs.Document, original []byte) {
	if b.body == nil {
		// At once what will be needed, with room for the document that makes the
		// batch full: growing there touches five times the memory. What is not
		// used is not backed by the system.
		b.body = make([]byte, 0, b.usual())
		b.originals = make([]byte, 0, b.usual())
	}
	if !isSame(b.source, original) {
		b.source = original
		start := len(b.originals)
		b.originals = append(b.originals, original...)
		b.record = span{start, len(b.originals)}
	}
	start := len(b.body)
	b.body = d.AppendJSON(b.body)
	b.documents = append(b.documents, entry{d.ID, d.Timestamp, span{start, len(b.body)}, b.record})
}

// isSame reports whether two texts are one, in the same memory.
func isSame(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// Full reports whether the batch should be published before more is added. The text of
// the last record counts for at most half of it: were it all of a batch, each of its
// documents would be published alone, with a copy of the text.
func (b *Batch) Full() bool {
	return len(b.documents) >= b.maxDocuments || len(b.body)+min(len(b.originals), b.record.start+b.size/2) >= b.size
}

// Len is the number of documents.
func (b *Batch) Len() int { return len(b.documents) }

// At returns document i.
func (b *Batch) At(i int) Document {
	e := &b.documents[i]
	return Document{ID: e.id, Timestamp: e.timestamp, JSON: e.body.of(b.body)}
}

// Original is the text of the record that document i was made from, valid until
// Reset.
func (b *Batch) Original(i int) []byte { return b.documents[i].original.of(b.originals) }

// usual is how much of body and of originals is needed, nearly always.
func (b *Batch) usual() int { return min(b.size, BatchBytes) + 64<<10 }

// Reset empties the batch and keeps its target, and its memory unless one huge
// document made it grow: batches are kept as long as the process runs.
func (b *Batch) Reset() {
	if most := 2 * b.usual(); cap(b.body) > most || cap(b.originals) > most {
		b.body, b.originals = nil, nil
	}
	b.documents, b.body, b.originals, b.Result = b.documents[:0], b.body[:0], b.originals[:0], Result{}
	b.source, b.record = nil, span{}
}
