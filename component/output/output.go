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

// Reporter is told how an output is doing. Its methods may be called from
// several goroutines.
type Reporter interface {
	// Report tells of trouble (an *Error), or with nil that documents get
	// through.
	Report(err error)
	// Rejected tells of documents that the other side refused for good. The
	// batch they were in counts as delivered, so this must be visible.
	Rejected(r Rejection)
}

// Rejection is one refused document, without its content.
type Rejection struct {
	Target string // index, data stream
	ID     string // _id
	Status int    // HTTP status of the item, 0 where there is none
	Type   string // the other side's error type, such as document_parsing_exception
}

// Verdict is what became of one document in one try.
type Verdict uint8

const (
	Retry        Verdict = iota // not taken: send again
	Stored                      // written now
	Existing                    // already there under that id
	FailureStore                // kept by Elasticsearch outside the data stream
	Rejected                    // refused for good
)

// Sender tries once. It is what an output implements; Loop does the rest.
type Sender interface {
	// Send delivers the documents of b at the given positions and sets
	// verdicts[i] for positions[i]; all of them are Retry before. An error (an
	// *Error) says why documents were left at Retry, be it the whole request or
	// some of them; verdicts other than Retry hold all the same. Whoever sets
	// Rejected tells the Reporter, since only Send knows status and type. Send
	// never tries again by itself and may be called from several goroutines.
	Send(ctx context.Context, b *inputs.Batch, positions []int, verdicts []Verdict) error
}

// Kind classes trouble of an output. The set is closed: it decides what the
// loop does and what an operator is told.
type Kind uint8

const (
	Other        Kind = iota
	Unreachable       // no connection, TLS or proxy failure, time-out
	Unauthorized      // credentials refused
	Forbidden         // credentials lack a privilege
	TooLarge          // request too large: send fewer documents at once
	Busy              // throttled, overloaded, queue full
	Server            // the other side failed
	Refused           // the request makes no sense to the other side
)

// Error is trouble of an output.
type Error struct {
	Op     string // what was being done: "bulk", "publish events"
	Kind   Kind
	Status int    // HTTP status or 0
	Target string // index or data stream that was refused; empty where all were
	Err    error  // cause, without secrets or document content; may be nil
}

func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.String()
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an *Error in err's chain, else Other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Other
}

func (k Kind) String() string {
	switch k {
	case Unreachable:
		return "unreachable"
	case Unauthorized:
		return "credentials refused"
	case Forbidden:
		return "privilege missing"
	case TooLarge:
		return "request too large"
	case Busy:
		return "busy"
	case Server:
		return "server error"
	case Refused:
		return "request refused"
	default:
		return "failed"
	}
}
