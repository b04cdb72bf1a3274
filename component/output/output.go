package output

import (
	"context"
	"errors"
	"fmt"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Output is a Publisher with connections of its own.
type Output interface {
	inputs.Publisher
	// Close lets go of connections. Publish must have returned.
	Close() error
}

// Reporter receives how an output is doing. Its methods may be called from
// several goroutines.
type Reporter interface {
	// Report reports trouble (an *Error), or with nil that documents get
	// through.
	Report(err error)
	// Refused reports a document that the other side refused, and that is stored
	// in a lesser form.
	Refused(r Refusal)
	// Delivered reports what became of a batch's documents, once it is delivered.
	Delivered(r inputs.Result)
}

// Refusal is one refused document, without its content.
type Refusal struct {
	inputs.Refusal
	Target string // index, data stream
	ID     string // _id of the full document
	Record string // id of its record; empty where it has none
}

// Verdict is what became of one document in one try.
type Verdict struct {
	Outcome Outcome
	Refusal *inputs.Refusal // of Refused, Doubtful and Failing
}

// Outcome is the word for a Verdict. None of them drops a document.
type Outcome uint8

const (
	Retry    Outcome = iota // not taken: send again
	Stored                  // written now
	Existing                // already there under that id
	Refused                 // not taken for what the document is: a lesser form follows
	// Doubtful is Refused with a reason that may as well be the index's: where it
	// meets every document, one lesser form shows which it is.
	Doubtful
	// Failing is Retry with a server's error about this document: where that stays so
	// while others get through, it becomes Doubtful.
	Failing
)

// Sender tries once. It is what an output implements; Loop does the rest.
type Sender interface {
	// Send delivers documents and sets verdicts[i] for docs[i]; all of them are
	// Retry before. An error (an *Error) says why documents were left at Retry, be
	// it the whole request or some of them; verdicts other than Retry hold all the
	// same. Send never tries again by itself, keeps nothing of docs when it
	// returns, and may be called from several goroutines.
	Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []Verdict) error
}

// Waiter is a Sender whose attempts may last: it knows what they wait for.
type Waiter interface {
	// Waiting is the trouble (an *Error) of an attempt that has lasted for long,
	// nil where it knows no more than that.
	Waiting() error
}

// Reason is why documents do not get through. The set is closed: it decides what
// the loop does and what an operator reads.
type Reason uint8

const (
	Other           Reason = iota
	Unreachable            // no connection
	Silent                 // no answer in time
	Unauthorized           // credentials refused
	Forbidden              // credentials lack a privilege
	TooLarge               // request too large: send fewer documents at once
	Busy                   // throttled, overloaded, queue full
	Server                 // the other side failed
	RequestRefused         // the request makes no sense to the other side
	IndexMissing           // the index or data stream is missing or closed
	PipelineMissing        // something that the index names is missing: a pipeline
	NoShards               // the cluster has no room for another index
	WriteBlocked           // the index may not be written to
	DiskFull               // the cluster has no space
	FormsRefused           // a document was refused in every form: the index is broken
	NoTLS                  // the two sides agree on no TLS connection
)

// ErrSilent is the cause of Silent, in words that do not depend on a time-out.
var ErrSilent = errors.New("no answer in time")

// Error is trouble of an output.
type Error struct {
	Op     string // what was being done: "bulk", "publish events"
	Reason Reason
	Status int    // HTTP status or 0
	Type   string // the other side's error type; may be empty
	Target string // index or data stream that was refused; empty where all were
	// Foreign says that something in front of the other side answered, or broke
	// the connection while it had the request: it may have refused one document.
	Foreign bool
	Err     error // cause, without secrets or document content; may be nil
}

func (e *Error) Error() string {
	s := e.Op + ": " + e.Reason.String()
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Type != "" {
		s += ": " + e.Type
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ReasonOf is that of an *Error in err's chain, else Other.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return Other
}

var reasons = [...]string{
	Other: "failed", Unreachable: "unreachable", Silent: "silent", Unauthorized: "credentials refused", Forbidden: "privilege missing",
	TooLarge: "request too large", Busy: "busy", Server: "server error", RequestRefused: "request refused",
	IndexMissing: "index missing or closed", PipelineMissing: "pipeline missing", NoShards: "no room for another index",
	WriteBlocked: "index blocked", DiskFull: "disk full", FormsRefused: "refused in every form", NoTLS: "no TLS connection",
}

func (r Reason) String() string { return reasons[r] }

// Reasons are all of them, for tests and tables.
func Reasons() []Reason {
	all := make([]Reason, len(reasons))
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
