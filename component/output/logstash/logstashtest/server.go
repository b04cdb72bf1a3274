package logstashtest

import (
	"cmp"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/elastic/go-lumber/lj"
	"github.com/elastic/go-lumber/log"
	lumber "github.com/elastic/go-lumber/server/v2"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/event/eventtest"
)

// What the real input does unless told otherwise.
const (
	signsOfLife  = 5 * time.Second
	inactivity   = time.Minute
	longestEvent = 20 << 20
)

// Security is what a Server asks of connections.
type Security uint8

// The ways to connect.
const (
	Plain Security = iota
	TLS
	ClientCertificates // TLS, and the client shows a certificate, too
)

// Options shape a Server.
type Options struct {
	Security Security
	// Keepalive is how often it gives a sign of life while it works, Idle after how
	// long an idle connection is reset. Default: 5 s, 60 s.
	Keepalive, Idle time.Duration
	// Limit is the largest event in bytes. Default: 20 MiB.
	Limit int
	// Before670 is an input before 6.7.0, which does not answer an empty window.
	Before670 bool
	// CountOnly keeps ids only and no documents.
	CountOnly bool
	// OnDocument is called for every document when it has been stored, in order. It
	// must not call the Server.
	OnDocument func(Document)
}

// Document is an event as it was sent.
type Document = eventtest.Document

// Fault is trouble with windows, until Heal or so many times.
type Fault struct {
	Times int           // windows that it applies to; 0: all until Heal
	Delay time.Duration // before a window is acknowledged
	// Reset cuts the connection when a window came, LoseAck after it was stored.
	Reset, LoseAck bool
	// Silent takes windows and says nothing more, Block gives signs of life.
	Silent, Block bool
	// Partial acknowledges one event less than the window has, then all or, with
	// LoseAck, nothing more.
	Partial bool
	// Refuse cuts the connection where an event is read that it is true of.
	Refuse func(Document) bool
	// Met is sent to, without blocking, when the fault meets a window or an event.
	Met chan<- struct{}
}

// Stats count what a Server saw.
type Stats struct {
	Connections, Windows, Events int
	Stored                       int // documents, each id once
	Duplicates                   int // events whose id was there already
}

// Server is a Logstash.
type Server struct {
	options   Options
	authority *agenttest.Authority
	tls       *tls.Config
	address   string // kept over a restart

	serving sync.WaitGroup
	mu      sync.Mutex
	server  *lumber.Server
	conns   map[string]*conn // by remote address
	faults  []*Fault
	held    []*lj.Batch // of a blocked pipeline
	stats   Stats
	known   map[[2]string]struct{}
	stored  []Document
	changed chan struct{}
}

// New makes a Server that does not listen yet.
func New(o Options) (*Server, error) {
	o.Keepalive, o.Idle, o.Limit = cmp.Or(o.Keepalive, signsOfLife), cmp.Or(o.Idle, inactivity), cmp.Or(o.Limit, longestEvent)
	s := &Server{options: o, address: "localhost:0", conns: map[string]*conn{}, known: map[[2]string]struct{}{}, changed: make(chan struct{})}
	if o.Security == Plain {
		return s, nil
	}
	var err error
	if s.authority, err = agenttest.NewAuthority(); err != nil {
		return nil, err
	}
	if s.tls, err = s.authority.ServerConfig("localhost"); err != nil {
		return nil, err
	}
	if o.Security == TLS {
		s.tls.ClientAuth = tls.NoClientCert
	}
	return s, nil
}

func init() { log.Logger = quiet{} }

// quiet keeps go-lumber's server from writing to standard error.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
func (quiet) Print(...any)          {}

// Start listens, at the same address as before.
func (s *Server) Start() error {
	raw, err := net.Listen("tcp", s.address)             //nolint:noctx // ends with Stop
	for tries := 0; err != nil && tries < 100; tries++ { // the system lent the port to a connection
		time.Sleep(50 * time.Millisecond)
		raw, err = net.Listen("tcp", s.address) //nolint:noctx // ends with Stop
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, port, _ := net.SplitHostPort(raw.Addr().String())
	s.address = net.JoinHostPort("localhost", port)
	s.server, err = lumber.NewWithListener(&listener{raw, s}, lumber.Keepalive(s.options.Keepalive), lumber.JSONDecoder(s.decode))
	if err != nil {
		return errors.Join(err, raw.Close())
	}
	server := s.server
	s.serving.Go(func() {
		for b := range server.ReceiveChan() {
			s.take(b)
		}
	})
	return nil
}

// Stop ends it as a crash does: connections break, what was not acknowledged is
// unknown to the other side.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.server
	s.server, s.held = nil, nil
	conns := slices.Collect(maps.Values(s.conns))
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // it ends anyway
	}
	if server != nil {
		_ = server.Close() // it ends anyway
	}
	s.serving.Wait()
}

// Restart is Stop and Start.
func (s *Server) Restart() error {
	s.Stop()
	return s.Start()
}

// Settings are those of an output that leads here.
func (s *Server) Settings() (map[string]any, error) {
	settings := map[string]any{"type": "logstash", "hosts": []any{s.address}}
	if s.authority == nil {
		return settings, nil
	}
	ssl := map[string]any{"certificate_authorities": []any{string(s.authority.PEM())}}
	settings["ssl"] = ssl
	if s.options.Security == ClientCertificates {
		certificate, key, err := s.authority.Issue("client")
		if err != nil {
			return nil, err
		}
		ssl["certificate"], ssl["key"] = string(certificate), string(key)
	}
	return settings, nil
}

// Fault adds trouble.
func (s *Server) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal takes all trouble back, and takes what a blocked pipeline holds.
func (s *Server) Heal() {
	s.mu.Lock()
	held := s.held
	s.held, s.faults = nil, nil
	s.mu.Unlock()
	for _, b := range held {
		s.take(b)
	}
}

// Stats are the counts up to now; the channel is closed when they change.
func (s *Server) Stats() (Stats, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats, s.changed
}

// Documents are those stored in an index, or in all where it is empty, in order.
func (s *Server) Documents(index string) (found []Document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.stored {
		if index == "" || d.Index == index {
			found = append(found, d)
		}
	}
	return found
}

// decode reads one event, or refuses it.
func (s *Server) decode(text []byte, to any) error {
	if len(text) > s.options.Limit {
		return eventtest.ErrUnreadable
	}
	d, err := eventtest.Read(text)
	if err != nil {
		return err
	}
	if f := s.fault(func(f *Fault) bool { return f.Refuse != nil && f.Refuse(d) }); f != nil {
		return eventtest.ErrUnreadable
	}
	*to.(*any) = d
	return nil
}
