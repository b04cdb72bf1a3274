package mapping

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// RecordMapper decodes one record of a resource at a time and maps it to
// documents of its Envelope.
type RecordMapper interface {
	// Read decodes a record and returns its id and its update time, each zero
	// where it has none. The id and the record's values are valid until the next
	// Read or until its buffer is reused.
	Read(record Raw) (id string, updated time.Time, err error)
	// Documents maps the record that was read, and calls emit for each document;
	// the document is the mapper's again when emit returns.
	Documents(emit func() error) error
}

// Mapper maps a stream's records and applies the policy's processors. It is the
// only way from a record to its documents. It is not safe for concurrent use.
type Mapper struct {
	envelope   *Envelope
	records    RecordMapper
	unreadable error // why the record that was read cannot be mapped
	record     Raw   // that record
	outcome    Outcome
	documents  int // of that record
	emit       func(*ecs.Document) error
	each       func() error // finished, bound once
}

// Definer is a RecordMapper whose documents say more with lists that are read
// before a sweep, such as the names that go with ids.
type Definer interface {
	// Define takes over an element of a list. It keeps nothing of its memory.
	Define(list string, element Raw)
	// Forget forgets all elements: the lists are read again.
	Forget()
}

// Outcome counts what became of a record.
type Outcome struct {
	Dropped int  // documents that Settings.Process dropped, or a record that the settings leave out
	Unknown int  // members that are not known, counted per document
	Faulty  bool // something could not be mapped, and the documents say so
}

// NewMapper makes the mapper of a stream; records maps to the envelope.
func NewMapper(e *Envelope, records RecordMapper) *Mapper {
	m := &Mapper{envelope: e, records: records}
	m.each = m.finished
	return m
}

// Sweep is what the records of a sweep have in common.
type Sweep struct {
	// Epoch is part of the ids of all its documents; it is empty where records
	// have versions of their own.
	Epoch []byte
	// Started is when it began; zero where records have times of their own.
	Started time.Time
	// Whole says that its records are all there are, and not changes of them.
	Whole bool
}

// Begin starts a sweep.
func (m *Mapper) Begin(s Sweep) { m.envelope.ids.epoch, m.envelope.Sweep = s.Epoch, s }

// Definer is the resource's, nil where it needs no other lists.
func (m *Mapper) Definer() Definer {
	d, _ := m.records.(Definer)
	return d
}

// Partial gives the documents of all records to come a tag, which says that the
// source served the records in part; an empty one ends that.
func (m *Mapper) Partial(tag string) { m.envelope.partial = tag }

// Account says whose the records to come are that do not say it themselves, such
// as a tenant's id.
func (m *Mapper) Account(id string) { m.envelope.account = id }

// Read decodes a record and returns its id and update time, zero where there is
// none; the id is valid until the next Read. With unreadable the record, or the
// beginning of one, is only to be kept.
func (m *Mapper) Read(record Raw, unreadable error) (id string, updated time.Time) {
	m.record, m.unreadable = record, unreadable
	if unreadable != nil {
		return "", time.Time{}
	}
	id, updated, m.unreadable = m.records.Read(record)
	return id, updated
}

// Content represents what the record that was read says, however it is written,
// until the next Read: see "Why a version is the content" in the package's doc.
func (m *Mapper) Content() []byte {
	if m.unreadable != nil {
		return m.record
	}
	return m.envelope.contentOf().sum[:]
}

// Documents maps the record that was read and calls emit for each of its
// documents; the document is the mapper's again when emit returns. A record
// that cannot be mapped is a document too. The error is emit's.
func (m *Mapper) Documents(emit func(*ecs.Document) error) (Outcome, error) {
	m.emit, m.outcome, m.documents = emit, Outcome{Faulty: m.unreadable != nil}, 0
	var err error
	if m.unreadable != nil {
		m.envelope.quarantine(m.record, m.unreadable)
		err = m.finished()
	} else {
		m.envelope.contentOf() // of the members as they were decoded: mapping may change them
		m.envelope.mapping = true
		err = m.records.Documents(m.each)
		m.envelope.mapping = false
	}
	m.outcome.Unknown, m.envelope.unknown = m.envelope.unknown, 0
	if err == nil && m.documents == 0 {
		m.outcome.Dropped++
	}
	return m.outcome, err
}

// finished takes one document of the record.
func (m *Mapper) finished() error {
	e := m.envelope
	m.documents++
	m.outcome.Faulty = m.outcome.Faulty || len(e.faults) > 0
	if e.settings.Process != nil && !e.settings.Process(&e.Doc) {
		m.outcome.Dropped++
		return nil
	}
	return m.emit(&e.Doc)
}
