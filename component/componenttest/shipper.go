package componenttest

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
)

// Limits of the agent's shipper.
const (
	shipperQueue    = 4096     // events in the memory queue
	shipperMaxBytes = 64 << 20 // of one call
)

// ShipperOptions shape a Shipper.
type ShipperOptions struct {
	// Socket is the path of a unix socket. Default: a port of 127.0.0.1.
	Socket string
	// TLS demands mutual TLS. Name is then the name in the certificate: the
	// id of the output unit that connects.
	TLS  bool
	Name string
	// Queue is how many events it holds that are not persisted. Default: 4096.
	Queue int
	// Hold persists with Persist only. Otherwise Delay after an event was
	// accepted it is persisted.
	Hold  bool
	Delay time.Duration
	// Inclusive makes the persisted index that of the newest persisted event,
	// as the protocol says. The agent's shipper tells that of the oldest event
	// not persisted, which is one more.
	Inclusive bool
	// CountOnly keeps ids only and no documents.
	CountOnly bool
	// OnDocument is called for every new document when it is persisted, in
	// order. It must not call the Shipper.
	OnDocument func(ShippedDocument)
}

// ShippedDocument is a document that the Shipper has persisted.
type ShippedDocument struct {
	ID, Index, OpType, Pipeline string // metadata
	InputID, StreamID           string // source
	JSON                        []byte // with @timestamp, as it would be indexed
}

// ShipperStats count what a Shipper saw over all its lives.
type ShipperStats struct {
	Calls      int // of PublishEvents that were let in
	Largest    int // bytes of the largest message received
	Received   int // events accepted
	Persisted  int // events persisted
	Stored     int // documents
	Duplicates int // events persisted under an _id that was there already
	Streams    int // of PersistedIndex, now
}

// ShipperFault makes calls fail.
type ShipperFault struct {
	Code codes.Code
	// Times is how many calls fail. Zero: all until the fault is taken back.
	Times int
	// Late takes the events before it fails: the reply is lost.
	Late bool
	// Delay is how long a call takes; with code OK it is only slow.
	Delay time.Duration
	// Full accepts no event, as if the queue were full, and does not block.
	Full bool
	// Met gets an element for each call that fails, without blocking.
	Met chan<- struct{}
}

// Shipper is a fake of the agent's shipper: its Producer service over gRPC,
// strict about what it is sent, with a bounded queue and what an Elasticsearch
// behind it would then hold. It must be closed.
type Shipper struct {
	options   ShipperOptions
	authority *authority

	mu        sync.Mutex
	server    *grpc.Server
	address   string // with a port once it has listened
	serving   sync.WaitGroup
	uuid      string
	next      uint64 // index of the next event
	queue     []queued
	changed   chan struct{} // closed and replaced with every change
	broken    chan struct{} // closed and replaced to end PersistedIndex streams
	publish   *ShipperFault
	index     *ShipperFault
	stats     ShipperStats
	ids       map[string]bool
	documents []ShippedDocument
}

type queued struct {
	index uint64
	event *messages.Event
}

// NewShipper makes a Shipper. Nothing runs before Start.
func NewShipper(o ShipperOptions) (*Shipper, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("new shipper: %w", err)
	}
	if o.Queue == 0 {
		o.Queue = shipperQueue
	}
	return &Shipper{
		options: o, authority: ca, address: "127.0.0.1:0", ids: map[string]bool{},
		changed: make(chan struct{}), broken: make(chan struct{}),
	}, nil
}

// Start serves under a new uuid, at the former address after a Stop.
func (s *Shipper) Start() error {
	var options []grpc.ServerOption
	if s.options.TLS {
		config, err := s.authority.serverConfig(s.options.Name)
		if err != nil {
			return fmt.Errorf("start shipper: %w", err)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	listener, err := s.listen()
	if err != nil {
		return fmt.Errorf("start shipper: %w", err)
	}
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(shipperMaxBytes), grpc.StatsHandler(meter{s}), grpc.WaitForHandlers(true))...)
	shipperproto.RegisterProducerServer(server, &shipperServer{shipper: s})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.uuid, s.next, s.queue = server, newID(), 0, nil
	if s.options.Inclusive {
		s.next = 1 // zero then means that nothing was persisted
	}
	s.serving.Go(func() { _ = server.Serve(listener) }) // ends with Stop, and then without an error worth telling
	return nil
}

func (s *Shipper) listen() (net.Listener, error) {
	if s.options.Socket != "" {
		_ = os.Remove(s.options.Socket) // of a former life
		return net.Listen("unix", s.options.Socket)
	}
	listener, err := net.Listen("tcp", s.address)
	if err == nil {
		s.address = listener.Addr().String()
	}
	return listener, err
}

// Stop cuts all connections and forgets what was not persisted, as when the
// process is killed.
func (s *Shipper) Stop() {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	s.serving.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil // not before: an empty queue would tell that all is persisted
	s.uuid = ""
}

// Restart is Stop and Start.
func (s *Shipper) Restart() error {
	s.Stop()
	return s.Start()
}

// Close stops it for good.
func (s *Shipper) Close() error {
	s.Stop()
	return nil
}

// Settings are those of the output unit that the agent gives a component.
func (s *Shipper) Settings() (map[string]any, error) {
	server := s.address
	if s.options.Socket != "" {
		server = "unix://" + s.options.Socket
	}
	settings := map[string]any{"type": "shipper", "server": server}
	if s.options.TLS {
		certificate, key, err := s.authority.issue("client")
		if err != nil {
			return nil, err
		}
		settings["ssl"] = map[string]any{
			"certificate_authorities": []any{string(s.authority.pem)},
			"certificate":             string(certificate),
			"key":                     string(key),
		}
	}
	return settings, nil
}

// FailPublish makes PublishEvents fail; nil takes it back.
func (s *Shipper) FailPublish(f *ShipperFault) { s.fault(&s.publish, f) }

// FailPersistedIndex makes PersistedIndex fail; nil takes it back.
func (s *Shipper) FailPersistedIndex(f *ShipperFault) { s.fault(&s.index, f) }

func (s *Shipper) fault(at **ShipperFault, f *ShipperFault) {
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
func (s *Shipper) BreakStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.broken)
	s.broken = make(chan struct{})
}

// Persist persists the n oldest events of the queue and returns how many there
// were.
func (s *Shipper) Persist(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.queue))
	if n > 0 {
		s.persist(s.queue[n-1].index)
	}
	return n
}

// Documents are the persisted documents of an index or data stream, in order;
// those of all where index is empty.
func (s *Shipper) Documents(index string) []ShippedDocument {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []ShippedDocument
	for _, d := range s.documents {
		if index == "" || d.Index == index {
			out = append(out, d)
		}
	}
	return out
}

// Stats are the counters and a channel that is closed when they change.
func (s *Shipper) Stats() (ShipperStats, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Stored = len(s.ids)
	return stats, s.changed
}

// notify wakes who waits for a change. Callers hold mu.
func (s *Shipper) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
