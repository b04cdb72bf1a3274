package shippertest

import (
	"fmt"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
)

// Limits of the elastic-agent-shipper.
const (
	queueEvents  = 4096     // events in the memory queue: libbeat's default, which queue/config.go keeps
	maxCallBytes = 64 << 20 // of one call: grpcserver/inputhandler.go
)

// Options shape a Server.
type Options struct {
	// Socket is the path of a unix socket. Default: a port of 127.0.0.1.
	Socket string
	// TLS demands mutual TLS. Name is then the name in the certificate: the
	// id of the output unit that connects. The fake shipper of the repository
	// elastic-agent (pkg/component/fake/shipper/main.go) speaks TLS.
	TLS  bool
	Name string
	// Certificates puts certificates into the settings of a shipper that serves
	// plain and asks nobody who he is. The agent gives each unit certificates
	// (pkg/component/runtime/manager_shipper.go of elastic-agent), and the
	// elastic-agent-shipper serves plain all the same: its TLS is a TODO in
	// controller/controller_client.go.
	Certificates bool
	// Queue is how many events it holds that are not persisted. Default: 4096.
	Queue int
	// Limit is how many bytes a call may have; a larger one is refused with
	// ResourceExhausted. Default: that of the elastic-agent-shipper.
	Limit int
	// Hold persists with Persist only. Otherwise Delay after an event was
	// accepted it is persisted.
	Hold  bool
	Delay time.Duration
	// Inclusive makes the persisted index that of the newest persisted event,
	// as the protocol says. The elastic-agent-shipper sends that of the oldest
	// event not persisted, which is one more (queue/queue.go).
	Inclusive bool
	// WithoutIDs loses the _id of events, as the elastic-agent-shipper does: its
	// bulk items have none (output/elasticsearch/output.go). A repeat is then
	// stored twice, and counted as a duplicate all the same.
	WithoutIDs bool
	// CountOnly keeps ids only and no documents.
	CountOnly bool
	// OnDocument is called for every new document when it is persisted, in
	// order. It must not call the Server.
	OnDocument func(Document)
}

// Document is a document that the Server has persisted.
type Document struct {
	ID, Index, OpType, Pipeline string // metadata
	InputID, StreamID           string // source
	JSON                        []byte // with @timestamp, as it would be indexed
}

// Stats count what a Server saw over all its lives.
type Stats struct {
	Calls      int // of PublishEvents that were let in
	Largest    int // bytes of the largest message received
	Received   int // events accepted
	Persisted  int // events persisted
	Stored     int // documents
	Duplicates int // events persisted under an _id that was there already
	Streams    int // of PersistedIndex, now
	Blocked    int // calls of PublishEvents whose first event waits for room, now
}

// Fault makes calls fail.
type Fault struct {
	Code codes.Code
	// After is how many calls pass before the first one fails.
	After int
	// Times is how many calls fail. Zero: all until the fault is taken back.
	Times int
	// Late takes the events before it fails: the reply is lost.
	Late bool
	// Delay is how long a call takes; with code OK it is only slow.
	Delay time.Duration
	// Full accepts no event, as if the queue were full, and does not block.
	Full bool
	// UUID replaces that of the reply, which then is one of another shipper.
	UUID string
	// Met gets an element for each call that fails, without blocking.
	Met chan<- struct{}
}

// Server is a fake of the elastic-agent-shipper: its Producer service over
// gRPC, strict about what it is sent, with a bounded queue and what an
// Elasticsearch behind it would then hold. What comments name as a file is in
// the repository elastic-agent-shipper. It must be closed.
type Server struct {
	options   Options
	authority *agenttest.Authority

	mu        sync.Mutex
	server    *grpc.Server
	address   string // with a port once it has listened
	serving   sync.WaitGroup
	uuid      string
	next      uint64 // index of the next event
	queue     []queued
	lives     int           // of the queue
	giveUp    int           // of the next events to be persisted, how many never are
	changed   chan struct{} // closed and replaced with every change
	broken    chan struct{} // closed and replaced to end PersistedIndex streams
	publish   *Fault
	index     *Fault
	stats     Stats
	ids       map[string]bool
	documents []Document
}

type queued struct {
	index uint64
	event *messages.Event // nil: stored, or given up
	lost  bool            // given up: the index never passes it
}

// New makes a Server. Nothing runs before Start.
func New(o Options) (*Server, error) {
	ca, err := agenttest.NewAuthority()
	if err != nil {
		return nil, fmt.Errorf("new shipper: %w", err)
	}
	if o.Queue == 0 {
		o.Queue = queueEvents
	}
	if o.Limit == 0 {
		o.Limit = maxCallBytes
	}
	return &Server{
		options: o, authority: ca, address: "127.0.0.1:0", ids: map[string]bool{},
		changed: make(chan struct{}), broken: make(chan struct{}),
	}, nil
}

// Settings are those of the output unit that the agent gives a component.
func (s *Server) Settings() (map[string]any, error) {
	server := s.address
	if s.options.Socket != "" {
		server = "unix://" + s.options.Socket
	}
	settings := map[string]any{"type": "shipper", "server": server}
	if s.options.TLS || s.options.Certificates {
		certificate, key, err := s.authority.Issue("client")
		if err != nil {
			return nil, err
		}
		settings["ssl"] = map[string]any{
			"certificate_authorities": []any{string(s.authority.PEM())},
			"certificate":             string(certificate),
			"key":                     string(key),
		}
	}
	return settings, nil
}

// FailPublish makes PublishEvents fail; nil takes it back.
func (s *Server) FailPublish(f *Fault) { s.fault(&s.publish, f) }

// FailPersistedIndex makes PersistedIndex fail; nil takes it back.
func (s *Server) FailPersistedIndex(f *Fault) { s.fault(&s.index, f) }

func (s *Server) fault(at **Fault, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*at = nil
	if f != nil {
		own := *f
		*at = &own
	}
	s.notify()
}

// BreakStreams ends all PersistedIndex streams.
func (s *Server) BreakStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakStreams()
}

// breakStreams is BreakStreams for callers that hold mu.
func (s *Server) breakStreams() {
	close(s.broken)
	s.broken = make(chan struct{})
}

// Documents are the persisted documents of an index or data stream, in order;
// those of all where index is empty.
func (s *Server) Documents(index string) []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Document
	for _, d := range s.documents {
		if index == "" || d.Index == index {
			out = append(out, d)
		}
	}
	return out
}

// Stats are the counters and a channel that is closed when they change.
func (s *Server) Stats() (Stats, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats, s.changed
}

// notify wakes who waits for a change. Callers hold mu.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
