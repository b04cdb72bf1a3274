package shipper

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"syscall"
)

// endpoint is where and how to connect.
type endpoint struct {
	network, address string
	tls              *tls.Config // nil: plain
	// orPlain goes over to a plain connection where the other side answers the
	// TLS greeting with a plain one. See the package's comment.
	orPlain bool
}

// dialer connects to the shipper. It remembers in an operator's words why that
// fails, because gRPC passes errors on as text only.
type dialer struct {
	endpoint
	open func(context.Context) (net.Conn, error) // without TLS

	mu  sync.Mutex
	why error // nil: the shipper has answered since
}

func newDialer(e endpoint) *dialer {
	d := &dialer{endpoint: e}
	d.open = func(ctx context.Context) (net.Conn, error) {
		if e.network == "npipe" {
			return dialPipe(ctx, e.address)
		}
		var nd net.Dialer
		return nd.DialContext(ctx, e.network, e.address)
	}
	return d
}

// dial makes a connection; TLS, where it is wanted, has been agreed on.
func (d *dialer) dial(ctx context.Context, _ string) (net.Conn, error) {
	connection, err := d.secured(ctx)
	if err != nil {
		d.note(err)
		return nil, err
	}
	return &opening{Conn: connection, note: d.note}, nil
}

func (d *dialer) secured(ctx context.Context) (net.Conn, error) {
	raw, err := d.open(ctx)
	if err != nil || d.tls == nil {
		return raw, err
	}
	secure := tls.Client(raw, d.tls)
	err = secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	_ = raw.Close() // the handshake has failed already
	if d.orPlain && isPlain(err) {
		return d.open(ctx)
	}
	return nil, err
}

// isPlain reports whether a TLS handshake failed because the other side began
// with HTTP/2: the header of its SETTINGS frame (length in three bytes, type 4,
// no flags: RFC 9113 4.1) is where a TLS record was to come.
func isPlain(err error) bool {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && record.RecordHeader[3] == 4 && record.RecordHeader[4] == 0
}

func (d *dialer) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.why = nil
	if err != nil {
		d.why = d.explain(err)
	}
}

// reason is why there is no connection, or nil where the last one was good.
func (d *dialer) reason() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.why
}

var errSilent = errors.New("it accepts connections and does not answer")

// explain says an error in connecting in an operator's words.
func (d *dialer) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s, so no shipper runs", d.address)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s", d.address)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to open %s", d.address)
	case isPlain(err):
		return errors.New("the shipper speaks plain, and TLS is asked for; set ssl.enabled: false")
	case errors.Is(err, io.EOF) && d.tls == nil:
		return errors.New("the shipper closes plain connections; if it speaks TLS, set ssl")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return errSilent // gRPC gave up waiting
	case d.tls != nil:
		return fmt.Errorf("no TLS connection: %w", err)
	}
	return err
}

// opening is a connection that records whether the other side ever answered: a
// server that wants TLS, or refuses a certificate, hangs up without a word.
type opening struct {
	net.Conn
	note  func(error)
	heard bool // of Read alone, which one goroutine calls
}

func (o *opening) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	switch {
	case o.heard:
	case n > 0:
		o.heard = true
		o.note(nil)
	case err != nil:
		o.note(err)
	}
	return n, err
}
