package dialtest

import (
	"net"
	"sync"
)

// Listener takes connections at an address of its own.
type Listener struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// Listen makes a Listener. Connections wait for Serve.
func Listen() (*Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with Close
	if err != nil {
		return nil, err
	}
	return &Listener{listener: l, conns: map[net.Conn]struct{}{}}, nil
}

// Address is where it listens.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// Serve starts to take connections. serve is called for each, in a goroutine of its own,
// and the connection ends with it.
func (l *Listener) Serve(serve func(net.Conn)) {
	l.running.Go(func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			l.running.Go(func() {
				if l.keep(conn) {
					serve(conn)
				}
				conn.Close()
			})
		}
	})
}

// keep makes Close end a connection, and reports whether that is still to come.
func (l *Listener) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[conn] = struct{}{}
	return !l.closed
}

// Close ends it with all connections, and waits until none is served any more.
func (l *Listener) Close() {
	l.listener.Close()
	l.mu.Lock()
	l.closed = true
	for conn := range l.conns {
		conn.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}
