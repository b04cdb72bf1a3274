package dialtest

import (
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

// TestConnectionThatComesLateEnds: Close does not wait for one that was taken while it
// ended the others.
func TestConnectionThatComesLateEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	defer here.Close()
	l.listener = &late{Listener: l.listener, conn: there, closed: make(chan struct{})}
	l.Serve(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	l.Close()
}

// late takes one connection, when it is closed.
type late struct {
	net.Listener
	conn   net.Conn
	closed chan struct{}
}

func (l *late) Accept() (net.Conn, error) {
	<-l.closed
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *late) Close() error {
	defer close(l.closed)
	return l.Listener.Close()
}
