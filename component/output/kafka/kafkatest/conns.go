package kafkatest

import (
	"io"
	"net"
)

// listen keeps the connections, so that they can be broken.
func (c *Cluster) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address) //nolint:noctx // ends with the cluster
	if err != nil {
		return nil, err
	}
	return &listener{l, c}, nil
}

type listener struct {
	net.Listener
	cluster *Cluster
}

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &breakable{Conn: raw, cluster: l.cluster}
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	l.cluster.conns[conn] = struct{}{}
	if l.cluster.away {
		_ = conn.Close() // as the system does for a process that is no more
	}
	return conn, nil
}

// breakable is a connection that may break in place of an answer.
type breakable struct {
	net.Conn
	cluster *Cluster
	begun   bool // something was read
}

func (b *breakable) Write(p []byte) (int, error) {
	b.cluster.mu.Lock()
	losing := b.cluster.losing
	b.cluster.losing = false
	b.cluster.mu.Unlock()
	if losing {
		b.cluster.Break()
	}
	return b.Conn.Write(p)
}

// How TLS begins, where a plain broker wants the length of a request (RFC 8446 5.1).
const handshakeRecord, tlsMajor = 22, 3

// Read holds what comes while the broker is frozen. A plain broker closes a connection
// that begins with TLS: that would be a request of 369 MB, and a real one takes 100.
func (b *breakable) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if !b.begun && !b.cluster.options.TLS && n > 1 && p[0] == handshakeRecord && p[1] == tlsMajor {
		_ = b.Close() // as a real one does
		return 0, io.EOF
	}
	b.begun = true
	b.cluster.mu.Lock()
	frozen := b.cluster.frozen
	b.cluster.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	return n, err
}

// Freeze stops the broker where it is, until Heal: connections stay, and more are
// taken, but nothing is answered on any, no handshake of TLS either.
func (c *Cluster) Freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen == nil {
		c.frozen = make(chan struct{})
	}
}

// Break breaks all connections.
func (c *Cluster) Break() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close() // it is to end
		delete(c.conns, conn)
	}
}

// Leave takes connections and closes them at once, as the system does for a moment
// where a broker was killed, until Return. Those that there are stay.
func (c *Cluster) Leave() { c.setAway(true) }

// Return ends Leave.
func (c *Cluster) Return() { c.setAway(false) }

func (c *Cluster) setAway(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}
