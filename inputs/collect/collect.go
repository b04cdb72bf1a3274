package collect

import (
	"context"
	"io"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Strategy is how a resource is paged through. It lives as long as the stream:
// it keeps the place and what the source is known not to take. It does no I/O.
type Strategy interface {
	// Restore continues from a place that was saved, or sets the first one where
	// saved is nil. It upgrades the places of its earlier versions. The error says
	// why a place cannot be used; Restore is then called again with nil.
	Restore(saved jsontext.Value) error
	// Rewind moves the place back, so that the next sweep asks for all records
	// from a time on. A place that does so already, or has no time, stays.
	Rewind(from time.Time)
	// Begin starts a sweep from the place, which it may change. It returns nil
	// where nothing is due.
	Begin() Pager
	// Place is where the next sweep would begin now.
	Place() Place
}

// Pager asks for one page after the other of one sweep.
type Pager interface {
	// Request asks for the next page. It changes nothing.
	Request() Request
	// Next receives what the page showed, every document of which is
	// acknowledged. It returns the pager that continues the sweep, normally
	// itself, and nil where the sweep is complete.
	//
	// An error and a pager mean that the source did not take what was asked, or
	// ignored it: the pager begins the sweep again in another way. An error
	// alone ends the poll.
	Next(page PageStats) (Pager, error)
}

// Request is what a pager asks for.
type Request struct {
	// Path is what is asked, of a source that has several lists; empty for its
	// usual one.
	Path  string
	Query url.Values
	// Link, if set, is asked in place of Path and Query: a link that an answer in
	// the same sweep gave (Trailer). Form is what answers.
	Link inputs.Secret
	Form Form
	// From and To bound the times of the records that are asked for: from From,
	// and before To. A zero To is the present and what comes meanwhile; a zero
	// From means that records are not asked for by time.
	From, To time.Time
	// Backlog is set by the loop: what is new goes before this.
	Backlog bool
	// Waits is set by the loop. A source calls it when it is about to wait for long,
	// for its turn or before it tries again; the loop then lends its batch.
	Waits func()
	// Peek asks what the source would send: the page counts in PageStats, but nothing
	// is published, and nothing counts as met.
	Peek bool
	// Distinct asks for PageStats.Repeated to be exact, which takes memory for each
	// record of the page.
	Distinct bool
	// Unserved, if set, is a page in itself, and the source is not asked.
	Unserved *Unserved
}

// Form is what an answer consists of.
type Form uint8

// The forms of answers.
const (
	List  Form = iota // records, and perhaps a link to more of them
	Index             // no records, but links to files of them
	File              // the records of one of those files
	Count             // no records, but how many there are
)

// Trailer is what an answer has beside its records, known at its end.
type Trailer struct {
	// Links lead to the next page of a list, of which there is one at most, or to
	// the files of an index. They may grant access by themselves.
	Links []inputs.Secret
	// Made names the moment at which the source made what it answers with, in its
	// own words; empty where it does not say.
	Made string
	// Total is the result of a count.
	Total int
}

// Unserved represents a record that the source cannot serve, so that a document
// reports it.
type Unserved struct {
	Record jsontext.Value // what is known of it
	Cause  error
	// Between are the ids between which it is, where a snapshot is read in their
	// order; else nil.
	Between *Between
}

// Between are the ids between two others, of records that came. Before is empty at
// the end of a list.
type Between struct{ After, Before string }

func (b Between) holds(id string) bool {
	return id > b.After && (b.Before == "" || id < b.Before)
}

// PageStats are what the loop saw of a page. Records that the source sent
// before a page broke off count and are published too.
type PageStats struct {
	Trailer // of a whole page
	Records int
	// Repeated are the records that are the same as one in front of them: as any
	// with Request.Distinct, else as the one right before.
	Repeated int
	// Fresh are the records that had to be published, and FreshAtFrom those of
	// them whose time is not after Request.From.
	Fresh, FreshAtFrom int
	// Oldest and Newest of the records' times; zero where none has one.
	Oldest, Newest time.Time
	// NewestKnown is the newest time of the records that had been published before.
	NewestKnown time.Time
	// Asked is when the page was asked for: by the source's clock, or by ours
	// where the source gives no time.
	Asked time.Time
	// Past is the newest of the records' times that is not after Asked. A record
	// of the future does not show how far was read.
	Past time.Time
	// FirstID and LastID are those of the first and the last record that has one.
	FirstID, LastID string
	// Unsorted says that a record's time was before that of a record in front of
	// it, and UnsortedIDs that an id was not larger than the one before. Records
	// without time or id do not count.
	Unsorted, UnsortedIDs bool
	// Digest is equal for pages of equal records in equal order.
	Digest uint64
	// Opened says that the source began to answer with records.
	Opened bool
	// Err is what kept the page from being read to its end: an error of the
	// Source or its Page, or that of the context. Nil for a whole page.
	Err error
}

// Place is how far a resource was read.
type Place struct {
	// JSON is the strategy's own, an object of at most a few KiB. The loop saves
	// it when it changes, and understands nothing of it.
	JSON jsontext.Value
	// Due is when the next sweep is due; zero is an interval after the last one.
	Due time.Time
	// From is the earliest time of records that the next sweep asks for. Their
	// fingerprints are kept. Zero for snapshots.
	From time.Time
	Sweep
}

// Sweep is what the records of a sweep have in common.
type Sweep struct {
	// Epoch distinguishes a snapshot from the one before. It is part of the ids of its
	// documents. Empty where the records have times to be read by.
	Epoch []byte
	// Started is when the sweep began, or when the part of it before a restart
	// did; zero where the records have times of their own.
	Started time.Time
	// Whole says that everything there is comes, and under ids of its own: each
	// record is published, and none is kept as seen.
	Whole bool
}

// Source gives pages.
type Source interface {
	// Open sends a request and returns the answer. It waits for its turn and
	// tries again by itself.
	Open(ctx context.Context, r Request) (Page, error)
	// RetryAfter is how long the source wants to be left alone after this error;
	// 0 where it does not say.
	RetryAfter(err error) time.Duration
}

// Page is an answer while it is being read.
type Page interface {
	// Next returns the next record, valid until the next call, and io.EOF after a
	// whole answer. An *OversizedError is not the end.
	Next() (jsontext.Value, error)
	// Asked is when the source was asked, by its own clock; zero where it gives no
	// time.
	Asked() time.Time
	// Trailer is what follows the records, once Next returned io.EOF.
	Trailer() Trailer
	io.Closer
}

// OversizedError is that of a record which is too large to be read. Page.Next
// returns the beginning of the record with it, and then the next record.
type OversizedError struct{ Cause error }

func (e *OversizedError) Error() string { return e.Cause.Error() }

// Unwrap is the cause.
func (e *OversizedError) Unwrap() error { return e.Cause }

// Mapper turns one record after the other into documents.
type Mapper interface {
	// Begin starts a sweep, from where the place says.
	Begin(Sweep)
	// Read decodes a record. It returns the id and the time by which records of
	// the resource are read, zero where there is none; the id is valid until the
	// next Read. With unreadable the record is only a beginning.
	Read(record jsontext.Value, unreadable error) (id string, updated time.Time)
	// Content is the record that was read, in bytes that are the same for all
	// records that say the same, however they are written. It is valid until the
	// next Read.
	Content() []byte
	// Documents maps the record that was read and calls emit for each of its
	// documents; the document is the mapper's again when emit returns. A record
	// that cannot be mapped is a document too. The error is emit's.
	Documents(emit func(*ecs.Document) error) (Mapped, error)
}

// Mapped counts what became of a record.
type Mapped struct {
	Dropped int  // documents that the policy's processors dropped
	Unknown int  // members that are not known here, counted per document
	Faulty  bool // something could not be mapped, and the documents say so
}
