package logstash

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const opConnect = "connect"

// dialer connects to Logstash.
type dialer struct {
	open   transport.Dialer
	tls    *tlscommon.TLSConfig // nil: plain
	option *options
	heard  atomic.Bool // Logstash has answered, on whatever connection
}

func newDialer(o *options) (*dialer, error) {
	d := &dialer{option: o}
	proxy, err := proxyConfig(o)
	if err != nil {
		return nil, err
	}
	if d.open, err = transport.ProxyDialer(logp.NewNopLogger(), proxy, &net.Dialer{}); err != nil {
		return nil, errProxy
	}
	if o.SSL == nil || !o.SSL.IsEnabled() {
		return d, nil
	}
	if d.tls, err = tlscommon.LoadTLSConfig(o.SSL, logp.NewNopLogger()); err != nil {
		return nil, inputs.SSLFault(o.SSL, err)
	}
	return d, nil
}

var errProxy = errors.New("proxy_url: must be socks5://host:port")

// proxyConfig is the proxy, whose URL no fault quotes: it may hold a password.
func proxyConfig(o *options) (*transport.ProxyConfig, error) {
	text := o.ProxyURL.Reveal()
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "socks5" || u.Host == "" {
		return nil, errProxy
	}
	return &transport.ProxyConfig{URL: text, LocalResolve: o.ProxyLocal}, nil
}

// dial makes a connection; TLS, where it is wanted, has been agreed on. The error
// is an *output.Error.
func (d *dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.option.Timeout)
	defer cancel()
	raw, err := d.open.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, unreachable(err)
	}
	if d.tls == nil {
		return raw, nil
	}
	host, _, _ := net.SplitHostPort(address) // hostPort has joined them
	secure := tls.Client(raw, d.tls.BuildModuleClientConfig(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake has failed already
		return nil, noTLS(err)
	}
	return secure, nil
}

// unreachable is a failure to connect, in words that stay the same from one
// attempt to the next.
func unreachable(err error) *output.Error {
	e := &output.Error{Op: opConnect, Reason: output.Unreachable, Err: err}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Err = errors.New("it does not take the connection in time")
	case errors.As(err, &dial):
		e.Err = &net.OpError{Op: dial.Op, Net: dial.Net, Addr: dial.Addr, Err: dial.Err} // without the local port
	}
	return e
}

// noTLS is a handshake that failed.
func noTLS(err error) *output.Error {
	e := &output.Error{Op: opConnect, Reason: output.NoTLS, Err: err}
	switch plain := (tls.RecordHeaderError{}); {
	case errors.As(err, &plain):
		e.Err = errors.New("it answers, but not in TLS; if it speaks plain, set ssl.enabled: false")
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		e.Err = errors.New("it closes the connection during the handshake; if it speaks plain, set ssl.enabled: false")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Err = errors.New("it does not answer the handshake; if it speaks plain, set ssl.enabled: false")
	}
	return e
}

// isTLS tells an alert or a refused certificate from a connection that broke.
// Since TLS 1.3 a server refuses a client's certificate after the handshake.
func isTLS(err error) bool {
	var alert tls.AlertError
	var op *net.OpError
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &alert) || errors.As(err, &invalid) || errors.As(err, &unknown) ||
		errors.As(err, &op) && op.Op == "remote error"
}

// failure is what the end of a connection means for a window that it carried.
func (d *dialer) failure(err error) *output.Error {
	e := &output.Error{Op: opPublish, Reason: output.Server, Err: errClosedEarly}
	var known *output.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errClosed):
		e.Reason, e.Err = output.Other, errClosed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.Err = output.Other, errGivenUp
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason, e.Err = output.Silent, output.ErrSilent
	case isTLS(err):
		e.Reason, e.Err = output.NoTLS, tlsCause(err)
	case errors.Is(err, errProtocol):
		e.Err = errProtocol
	case d.tls == nil && !d.heard.Load():
		e.Foreign, e.Err = true, fmt.Errorf("%w; if it wants TLS, set ssl", errClosedEarly)
	default:
		e.Foreign = true
	}
	return e
}

// tlsCause is an alert without addresses and ports around it.
func tlsCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return fmt.Errorf("it refuses: %w; check ssl.certificate and ssl.key", op.Err)
	}
	return err
}

var (
	errClosed      = errors.New("the output is closed")
	errGivenUp     = errors.New("the connection was given up with another window")
	errClosedEarly = errors.New("it closes connections without an acknowledgement")
	errProtocol    = errors.New("what answers does not speak the Beats protocol")
)
