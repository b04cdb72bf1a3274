package shippertest

import (
	"fmt"
	"net"
	"os"

	shipperproto "github.com/elastic/elastic-agent-shipper-client/pkg/proto"
	"github.com/gofrs/uuid/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Start serves under a new uuid, at the former address after a Stop.
func (s *Server) Start() error {
	var options []grpc.ServerOption
	if s.options.TLS {
		config, err := s.authority.ServerConfig(s.options.Name)
		if err != nil {
			return fmt.Errorf("start shipper: %w", err)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	listener, err := s.listen()
	if err != nil {
		return fmt.Errorf("start shipper: %w", err)
	}
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(s.options.Limit), grpc.StatsHandler(meter{s}), grpc.WaitForHandlers(true))...)
	shipperproto.RegisterProducerServer(server, &producer{shipper: s})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.uuid = server, uuid.Must(uuid.NewV4()).String()
	s.empty()
	s.serving.Go(func() { _ = server.Serve(listener) }) // ends with Stop, and then without an error worth reporting
	return nil
}

func (s *Server) listen() (net.Listener, error) {
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

// empty begins a queue. Callers hold mu.
func (s *Server) empty() {
	s.queue, s.next, s.giveUp = nil, 0, 0
	s.lives++
	if s.options.Inclusive {
		s.next = 1 // zero then means that nothing was persisted
	}
}

// Stop cuts all connections and forgets what was not persisted, as when the
// process is killed.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.notify() // calls that wait for room end
	s.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	s.serving.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil // not before: an empty queue would say that all is persisted
	s.uuid = ""
}

// Terminate stops it as SIGTERM does (controller/run.go): the streams end, then
// its output stores what it has read of the queue, here the n oldest events, and
// the rest of the queue is lost. No index reports either.
func (s *Server) Terminate(n int) {
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.breakStreams()
	s.notify()
	s.mu.Unlock()
	if server != nil {
		server.GracefulStop()
	}
	s.Persist(n)
	s.Stop()
}

// ReplaceQueue is what a change of the shipper's own output does: its indexes
// start again from zero under the same uuid, and what the queue held is stored
// or lost (controller/controller_client.go updateShipperOutput,
// publisherserver Start and Close).
func (s *Server) ReplaceQueue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty()
	s.notify()
}

// Rename is ReplaceQueue under another uuid, while connections and streams last.
func (s *Server) Rename() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uuid = uuid.Must(uuid.NewV4()).String()
	s.empty()
	s.notify()
}

// Restart is Stop and Start.
func (s *Server) Restart() error {
	s.Stop()
	return s.Start()
}

// Close stops it for good.
func (s *Server) Close() error {
	s.Stop()
	return nil
}

// ServeTLS is Start of another shipper at the same address, which speaks TLS
// under that name.
func (s *Server) ServeTLS(name string) error {
	s.options.TLS, s.options.Name = true, name
	return s.Start()
}
