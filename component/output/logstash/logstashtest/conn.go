package logstashtest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/go-lumber/lj"
)

// listener makes each connection one of the Server's.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw.(*net.TCPConn), server: l.server}
	if l.server.tls != nil {
		c.Conn = tls.Server(raw, l.server.tls)
	}
	c.idle = time.AfterFunc(l.server.options.Idle, c.inactive)
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.server.stats.Connections++
	l.server.conns[raw.RemoteAddr().String()] = c
	return c, nil
}

// conn is a connection with the habits of the real input.
type conn struct {
	net.Conn
	raw     *net.TCPConn
	server  *Server
	idle    *time.Timer
	under   atomic.Int32 // windows that are not acknowledged
	silent  atomic.Bool
	partial atomic.Bool // the next acknowledgement comes in two
	lose    atomic.Bool // the next acknowledgement is lost
	once    sync.Once
}

// Close resets the connection, as the real input does. Where TLS was not agreed on
// the alert must arrive.
func (c *conn) Close() error {
	var err error
	c.once.Do(func() {
		c.idle.Stop()
		if secure, ok := c.Conn.(*tls.Conn); !ok || secure.ConnectionState().HandshakeComplete {
			_ = c.raw.SetLinger(0) // a reset all the same where it fails
		}
		err = c.raw.Close()
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		delete(c.server.conns, c.raw.RemoteAddr().String())
	})
	return err
}

// inactive resets a connection that had nothing to do.
func (c *conn) inactive() {
	if c.under.Load() > 0 {
		c.idle.Reset(c.server.options.Idle)
		return
	}
	_ = c.Close() // nobody waits for it
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.idle.Reset(c.server.options.Idle)
	}
	if bytes.Equal(b[:n], emptyWindow) && !c.server.options.Before670 { // go-lumber's server keeps quiet
		_, _ = c.Conn.Write(signOfLife)
	}
	return n, err
}

// What is on the wire: a window of no events, and what the real input says to it and
// while it works.
var emptyWindow, signOfLife = []byte{'2', 'W', 0, 0, 0, 0}, []byte{'2', 'A', 0, 0, 0, 0}

// Write sends acknowledgements: go-lumber's server writes nothing else.
func (c *conn) Write(b []byte) (int, error) {
	sign := bytes.Equal(b, signOfLife)
	if c.silent.Load() {
		return len(b), nil
	}
	if sign {
		return c.Conn.Write(b)
	}
	c.under.Add(-1)
	if n := binary.BigEndian.Uint32(b[2:]); c.partial.CompareAndSwap(true, false) && n > 1 {
		if _, err := c.Conn.Write(binary.BigEndian.AppendUint32([]byte("2A"), n-1)); err != nil {
			return 0, err
		}
	}
	if c.lose.Load() {
		return len(b), c.Close()
	}
	return c.Conn.Write(b)
}

// fault is the first fault that applies, counted down.
func (s *Server) fault(applies func(*Fault) bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !applies(f) {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times < 0 {
			f.Times = 0
		}
		select {
		case f.Met <- struct{}{}:
		default:
		}
		return f
	}
	return nil
}

// take does with a window what the pipeline does.
func (s *Server) take(b *lj.Batch) {
	f := s.fault(func(f *Fault) bool { return f.Refuse == nil })
	if f == nil {
		f = &Fault{}
	}
	time.Sleep(f.Delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Windows++
	c := s.conns[b.RemoteAddr]
	if c != nil {
		c.under.Add(1)
		c.silent.Store(f.Silent)
		c.partial.Store(f.Partial)
		c.lose.Store(f.LoseAck)
	}
	switch {
	case f.Reset:
		s.close(c)
	case f.Silent:
	case f.Block:
		s.held = append(s.held, b)
	default:
		s.store(b)
		b.ACK()
	}
	s.notify()
}

// close lets go of mu, which Close takes.
func (s *Server) close(c *conn) {
	if c == nil {
		return
	}
	s.mu.Unlock()
	_ = c.Close() // nobody waits for it
	s.mu.Lock()
}

// store is called with mu held.
func (s *Server) store(b *lj.Batch) {
	for _, e := range b.Events {
		d := e.(Document)
		s.stats.Events++
		key := [2]string{d.Index, d.ID}
		if _, exists := s.known[key]; exists {
			s.stats.Duplicates++
			continue
		}
		s.known[key] = struct{}{}
		s.stats.Stored++
		if s.options.OnDocument != nil {
			s.options.OnDocument(d)
		}
		if s.options.CountOnly {
			d.JSON = nil
		}
		s.stored = append(s.stored, d)
	}
}

// notify is called with mu held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
