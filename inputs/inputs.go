package inputs

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Publisher delivers documents.
type Publisher interface {
	// Publish delivers a batch and returns nil when every document has its
	// verdict: stored, already there, or refused and stored in a lesser form
	// (see Fallback). It blocks while the other side is in trouble, tries again
	// for as long as ctx lives, and returns an error only when ctx ended first. The batch is
	// the caller's again when it returns; after an error any part of it may or
	// may not have been stored.
	Publish(ctx context.Context, b *Batch) error
}

// Key names one stream, and its checkpoint.
type Key struct {
	Input   string // the input's id in the policy
	Stream  string // the stream's id in the policy
	Dataset string
	// Source is what the stream reads and where to, beginning with the input's
	// type and a "|". It alone is the key of the checkpoint: ids change when a
	// policy is upgraded. Without one the ids are, as in earlier versions.
	Source string `json:",omitzero"`
}

// Checkpoint is the part of the key that finds the checkpoint.
func (k Key) Checkpoint() Key {
	if k.Source == "" {
		return k
	}
	return Key{Source: k.Source}
}

// Former is the key under which earlier versions kept the checkpoint.
func (k Key) Former() Key { return Key{Input: k.Input, Stream: k.Stream, Dataset: k.Dataset} }

// ErrNoCursor means that nothing usable was saved under a key.
var ErrNoCursor = errors.New("no checkpoint saved")

// UnusableCursor is an ErrNoCursor: something was saved under a key, but it is
// torn, foreign or of another version.
type UnusableCursor struct{ Cause error }

func (u *UnusableCursor) Error() string { return "saved checkpoint: " + u.Cause.Error() }

// Unwrap makes it an ErrNoCursor.
func (u *UnusableCursor) Unwrap() []error { return []error{ErrNoCursor, u.Cause} }

// Cursors keeps the checkpoints of streams. A value is JSON that only its stream
// understands: some KiB of most streams, 16 MB with a million records.
type Cursors interface {
	// Load returns what was last saved under the key's Checkpoint. Where there is
	// nothing, what is found under its Former is moved there, once. The error is
	// ErrNoCursor where there is nothing, an *UnusableCursor where what there is
	// cannot be used: the stream then starts from the beginning. After any other
	// error it tries again.
	Load(ctx context.Context, key Key) ([]byte, error)
	// Save replaces the saved value, durably: after it returned nil a crash of
	// the machine does not bring back the former value.
	Save(ctx context.Context, key Key, value []byte) error
	// Delete forgets the streams of an input whose keys are ids. Those with a
	// source stay: the same may be read under another id already, and anyone who
	// comes back continues. It is no error where there are none.
	Delete(ctx context.Context, input string) error
}

// Reporter receives how one stream is doing.
type Reporter interface {
	// Report reports the last attempt: nil after a full success, which heals.
	// Anything else is what stopped or hurt it, which Input.Diagnose knows where
	// the source is the cause. An attempt that waits for long reports it from
	// another goroutine before it ends.
	Report(err error)
	// Count adds to the stream's counters.
	Count(c Counts)
}

// Counts are a stream's counters, for people: none of them decides anything.
type Counts struct {
	Records     int       // read from the API
	Documents   int       // made from them and published
	Duplicates  int       // records skipped, since they were published before
	Published   Result    // what became of the documents
	Dropped     int       // documents that the policy's processors dropped
	Quarantined int       // records that could not be mapped cleanly, published as pipeline_error
	Unknown     int       // members the API sent that are not known here, counted per document
	Newest      time.Time // newest record's time
	Quota       *Quota    // what was left at the last call; nil where it is not known
	// CredentialsEnd is when secret or certificate end; zero where that is not known.
	CredentialsEnd time.Time
	// Backlog is how far behind the present reading is while records of long ago
	// are being read; 0 when it is not. It replaces the former value.
	Backlog time.Duration
}

// Quota is what is left of the calls that the source allows.
type Quota struct {
	MinuteLeft, HourLeft int
	HeldUntil            time.Time // nothing is sent before; zero when free
}

// Agent is who collects: it is in agent.* and elastic_agent.* of every
// document.
type Agent struct {
	ID, Name, Type, Version, EphemeralID string
	Snapshot                             bool
}

// Env is what a running stream is given.
type Env struct {
	Agent     Agent
	Publisher Publisher
	Cursors   Cursors
	// Batches are those that all streams of the process share; nil makes one for
	// this stream.
	Batches  *Batches
	Reporter Reporter
	Log      *slog.Logger
	// Once makes a stream return when it has caught up.
	Once bool
	// PollNow asks a stream that waits for its next poll not to wait. It may be
	// nil.
	PollNow <-chan struct{}
	// CollectFrom asks a stream to collect again from a time, at its next poll:
	// what it published since is published once more. It may be nil.
	CollectFrom <-chan time.Time
	// Overview returns how the streams of the same unit are, this one among them.
	// It may be nil.
	Overview func() []StreamStatus
	// FirstPoll is the time before which the first poll does not begin; zero
	// means at once. A restarted stream keeps the rhythm of its polls by it.
	FirstPoll time.Time
	// Grace is how long a stopping stream may take to publish the batch in
	// hand and save its checkpoint.
	Grace time.Duration
}

// Stream is one configured stream, ready to run.
type Stream struct {
	Key Key
	// Fault is what is wrong with the stream's settings, each named. A stream
	// with one has nothing else but its Key: it cannot run, its neighbours can.
	Fault error
	// Settings is the decoded configuration. A stream whose new Settings are
	// deeply equal to those it runs with need not be restarted.
	Settings any
	// Reads are those settings that decide what is read and as whom. A restarted
	// stream with deeply equal ones waits for its next poll as if it had not been
	// restarted; with others, or with nil, it polls at once.
	Reads any
	// Run collects until ctx ends, then publishes the batch in hand, saves and
	// returns nil. It returns an error only where it makes no sense to continue.
	Run func(ctx context.Context, env Env) error

	// Interval is the time from one poll to the next.
	Interval time.Duration
	// Notice is what an operator should know while all is well; normally empty.
	Notice string
	// Try finds out with as few calls as possible whether the stream can
	// collect. It is nil where that cannot be known.
	Try func(ctx context.Context) Trial
	// Inspect describes the stream for diagnostics, in values that encode as
	// JSON, without secrets. saved is the beginning of its newest checkpoint, nil
	// where there is none. It must not block. It may be nil.
	Inspect func(saved []byte) map[string]any
}

// Trial is what a try of a stream showed, as far as it got.
type Trial struct {
	Target     string    // data stream or index the documents would go to
	Token      bool      // a token was given
	Roles      []string  // in the token
	Permission string    // what the stream needs
	Status     int       // HTTP status of the call; 0 where none was answered
	Newest     time.Time // of the newest record; zero where it is not known
	LeftOut    []string  // what the API refuses of a poll's query, which does without it
	Quota      Quota     // left after the try
	Notes      []string  // on the credentials and what comes, for people; a stream's may be equal to another's
	Limits     string    // what the answer said about limits; normally empty
	Err        error     // what is in the way; nil where the stream can collect
}

// Unit is an input unit's configuration as the policy has it.
type Unit struct {
	ID        string // the input's id in the policy
	Namespace string // data_stream.namespace of the unit; may be empty
	// Source is the whole input with its streams; keys may be dotted.
	Source map[string]any
}

// Input turns a unit's configuration into streams.
type Input interface {
	// Type is the input's type in a policy.
	Type() string
	// Streams decodes and validates. Faults of a stream's settings, its input's
	// included, are in the stream; the error is for a unit whose streams cannot
	// be read. Streams with enabled: false are left out.
	Streams(u Unit) ([]Stream, error)
	// Settings point to the structs whose config tags declare the settings of an input
	// and its streams (inputs/policy).
	Settings() []any
	// Conditions are the rows that the input brings to the health truth table, in
	// the order of the documents.
	Conditions() []*Condition
	// Diagnose chooses one of them for an error that one of its streams reported.
	Diagnose(err error) Diagnosis
}
