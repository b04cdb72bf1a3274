package logstash

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	lumber "github.com/elastic/go-lumber/client/v2"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const opPublish = "publish events"

// firstWindow is the size of a connection's first window with slow_start.
const firstWindow = 10

// link is one connection. Windows are written one after the other, and
// acknowledged in that order: the goroutine of read follows that, so that a window
// whose sender has gone disturbs no other.
type link struct {
	conn    net.Conn
	client  *lumber.Client
	timeout time.Duration
	dialer  *dialer
	born    time.Time

	writing chan struct{} // holds one element while a window is written
	encoder *event.Encoder
	scratch []byte            // of one event
	data    []any             // pointers into documents
	docs    []inputs.Document // of the window that is written
	beat    string            // see config

	mu      sync.Mutex
	pending []*window // oldest first
	slow    int       // most events in the next window; 0 is no limit
	err     error     // why it ended
}

// window is what is acknowledged together. What is not its size is guarded by the
// link's mu until done is closed.
type window struct {
	size  int
	acked int
	since time.Time // of the last acknowledgement or sign of life, or of its being sent
	alive bool      // there was a sign of life
	err   error
	done  chan struct{}
}

func newLink(conn net.Conn, c *config) (*link, error) {
	l := &link{conn: conn, timeout: c.Timeout, dialer: c.dialer, born: time.Now(), beat: c.Index, writing: make(chan struct{}, 1)}
	if c.SlowStart {
		l.slow = firstWindow
	}
	var err error
	l.client, err = lumber.NewWithConn(conn, lumber.Timeout(c.Timeout), lumber.CompressionLevel(c.Compression), lumber.JSONEncoder(l.encode))
	return l, err
}

// encode writes one event into the link's own memory; the client copies it.
func (l *link) encode(d any) ([]byte, error) {
	l.scratch = l.encoder.Append(l.scratch[:0], *d.(*inputs.Document))
	return l.scratch, nil
}

// send sends documents as one window, or the first of them with slow_start, and
// returns how many were acknowledged.
func (l *link) send(ctx context.Context, target inputs.Target, docs []inputs.Document) (int, error) {
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	w, err := l.begin(len(docs))
	if err != nil {
		l.end(err)
		<-l.writing
		return 0, err
	}
	// A window that is cut in the middle leaves nothing that could follow it.
	stop := context.AfterFunc(ctx, func() { l.end(ctx.Err()) })
	err = l.write(target, docs[:w.size])
	stop()
	<-l.writing
	if err != nil {
		l.end(err)
	}
	select {
	case <-w.done:
		return w.acked, cmp.Or(ctx.Err(), w.err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// begin queues a window. Its sign of life is awaited from now on. The error is an
// *output.Error.
func (l *link) begin(n int) (*window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.dialer.failure(l.err)
	}
	if l.slow > 0 {
		n = min(n, l.slow)
	}
	now := time.Now()
	if err := l.conn.SetReadDeadline(now.Add(l.timeout)); err != nil { // it names a local port
		return nil, &output.Error{Op: opPublish, Reason: output.Unreachable, Err: errLost}
	}
	w := &window{size: n, since: now, done: make(chan struct{})}
	l.pending = append(l.pending, w)
	return w, nil
}

// write encodes and writes a window.
func (l *link) write(target inputs.Target, docs []inputs.Document) error {
	if !l.encoder.Fits(target) {
		l.encoder = event.NewEncoder(target, l.beat, docs[0])
	}
	l.docs = append(l.docs[:0], docs...)
	l.data = l.data[:0]
	for i := range l.docs {
		l.data = append(l.data, &l.docs[i])
	}
	err := l.client.Send(l.data)
	clear(l.docs) // they are the caller's
	return err
}

// read follows the acknowledgements until the connection ends.
func (l *link) read() {
	for {
		n, err := l.client.ReceiveACK()
		switch {
		case err == nil:
			err = l.acknowledge(int(n))
		case errors.Is(err, os.ErrDeadlineExceeded) && !l.overdue():
			continue
		case errors.Is(err, lumber.ErrProtocolError):
			err = errProtocol
		}
		if err != nil {
			l.end(err)
			return
		}
	}
}

// overdue reports whether a window has waited for too long. Without one the
// connection is idle.
func (l *link) overdue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) > 0 && time.Since(l.pending[0].since) >= l.timeout
}

// acknowledge notes that the first n events of the oldest window are taken; 0 is a
// sign of life.
func (l *link) acknowledge(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialer.heard.Store(true)
	if len(l.pending) == 0 {
		if n == 0 {
			return nil // came late
		}
		return errProtocol
	}
	w := l.pending[0]
	if n > w.size {
		return errProtocol
	}
	w.since, w.alive, w.acked = time.Now(), true, max(w.acked, n)
	if w.acked == w.size {
		l.pending = l.pending[1:]
		if len(l.pending) > 0 {
			l.pending[0].since = w.since // it was not its turn before
		}
		if l.slow > 0 {
			l.slow *= 2
		}
		close(w.done)
	}
	// A later window that is being written waits for Logstash, too.
	return l.conn.SetWriteDeadline(w.since.Add(l.timeout))
}

// end closes the connection, and gives every window back. Only the oldest one can
// be the cause.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = cmp.Or(err, errClosed)
	_ = l.conn.Close() // there is nothing more to come
	for i, w := range l.pending {
		e := l.dialer.failure(l.err)
		e.Foreign = e.Foreign && i == 0
		w.err = e
		close(w.done)
	}
	l.pending = nil
}

// ended reports whether the connection is no more, or older than a limit and free.
func (l *link) ended(ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil || ttl > 0 && len(l.pending) == 0 && time.Since(l.born) >= ttl
}

// blocked reports whether Logstash gives signs of life and takes nothing.
func (l *link) blocked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) > 0 && l.pending[0].alive
}
