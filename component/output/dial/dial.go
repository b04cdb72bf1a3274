package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const op = "connect"

// ErrNoHandshake is the cause where a peer takes the connection and answers nothing to
// the handshake: it is silent, or waits for another protocol.
var ErrNoHandshake = errors.New("it does not answer the handshake; if it speaks plain, set ssl.enabled: false")

// Options are the settings of connections.
type Options struct {
	SSL      *tlscommon.Config // nil, or not enabled: plain
	ProxyURL inputs.Secret     // socks5://, with user and password if need be
	// ProxyLocal resolves names here and not at the proxy.
	ProxyLocal bool
	Timeout    time.Duration // of one attempt, TLS included
	KeepAlive  time.Duration // between probes of an idle connection; 0 is the system's
}

// Dialer makes connections. It is safe for concurrent use.
type Dialer struct {
	open    transport.Dialer
	tls     *tlscommon.TLSConfig // nil: plain
	timeout time.Duration
}

var errProxy = errors.New("proxy_url: must be socks5://host:port; write special characters of user and password as %xx")

// New makes a Dialer. The error joins the faults, each naming its setting.
func New(o Options) (*Dialer, error) {
	d := &Dialer{timeout: o.Timeout}
	proxy, proxyFault := proxyConfig(&o)
	if proxyFault == nil {
		if d.open, proxyFault = transport.ProxyDialer(logp.NewNopLogger(), proxy, &net.Dialer{KeepAlive: o.KeepAlive}); proxyFault != nil {
			proxyFault = errProxy // the library's text quotes the URL
		}
	}
	var sslFault error
	if o.SSL != nil && o.SSL.IsEnabled() {
		if d.tls, sslFault = tlscommon.LoadTLSConfig(o.SSL, logp.NewNopLogger()); sslFault != nil {
			sslFault = inputs.SSLFault(o.SSL, sslFault)
		}
	}
	return d, errors.Join(proxyFault, sslFault)
}

func proxyConfig(o *Options) (*transport.ProxyConfig, error) {
	if o.ProxyURL == "" {
		return nil, nil
	}
	if u, err := inputs.ParseProxy(o.ProxyURL); err != nil || u.Scheme != "socks5" {
		return nil, errProxy
	}
	return &transport.ProxyConfig{URL: o.ProxyURL.Reveal(), LocalResolve: o.ProxyLocal}, nil
}

// Secure reports whether connections are TLS.
func (d *Dialer) Secure() bool { return d.tls != nil }

// Dial makes a connection; TLS, where it is wanted, has been agreed on. The error
// is an *output.Error.
func (d *Dialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := d.open.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, Unreachable(err)
	}
	if d.tls == nil {
		return raw, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		_ = raw.Close() // was not used
		return nil, Unreachable(err)
	}
	secure := tls.Client(raw, d.tls.BuildModuleClientConfig(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake has failed already
		return nil, noTLS(err)
	}
	return secure, nil
}

// Unreachable is a failure to connect, in words that stay the same from one
// attempt to the next.
func Unreachable(err error) *output.Error {
	e := &output.Error{Op: op, Reason: output.Unreachable, Err: err}
	var dial *net.OpError
	switch proxy := ProxyCause(err); {
	case proxy != nil:
		e.Err = proxy
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Err = errors.New("it does not take the connection in time")
	case errors.As(err, &dial):
		e.Err = &net.OpError{Op: dial.Op, Net: dial.Net, Addr: dial.Addr, Err: dial.Err} // without the local port
	}
	return e
}

// noTLS is a handshake that failed.
func noTLS(err error) *output.Error {
	if e := Alert(err); e != nil {
		return e
	}
	e := &output.Error{Op: op, Reason: output.NoTLS, Err: err}
	switch plain := (tls.RecordHeaderError{}); {
	case errors.As(err, &plain):
		e.Err = errors.New("it answers, but not in TLS; if it speaks plain, set ssl.enabled: false")
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		e.Err = errors.New("it closes the connection during the handshake; if it speaks plain, set ssl.enabled: false")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Err = ErrNoHandshake
	}
	return e
}

// Alert is what an error of a TLS connection says about certificates, nil where it
// says nothing of that kind.
func Alert(err error) *output.Error {
	var alert *net.OpError
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &alert) && alert.Op == "remote error":
		return &output.Error{Op: op, Reason: output.NoTLS, Err: fmt.Errorf("it refuses: %w; check ssl.certificate and ssl.key", alert.Err)}
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return &output.Error{Op: op, Reason: output.NoTLS, Err: err}
	}
	return nil
}

// How an alert of TLS begins (RFC 8446 5.1).
const alertRecord, tlsMajor = 21, 3

// IsAlert reports whether what a listener sent first, in place of an answer, is an
// alert of TLS: it was spoken to in plain.
func IsAlert(first []byte) bool {
	return len(first) > 1 && first[0] == alertRecord && first[1] == tlsMajor
}
