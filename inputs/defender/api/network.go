package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
)

// interruption is the error of a caller whose context ended. It is no *Error:
// nobody is in trouble.
type interruption struct {
	op    string
	cause error
}

func (i *interruption) Error() string { return i.op + ": " + i.cause.Error() }
func (i *interruption) Unwrap() error { return i.cause }

// interrupted makes the error of a caller whose context ended.
func interrupted(ctx context.Context, op string) error {
	return &interruption{op: op, cause: context.Cause(ctx)}
}

// broken makes an error of a request that the network ended, before or within
// its answer. The caller's context shows whether it wanted that, the
// request's own whether the watchdog did.
func broken(caller, request context.Context, op string, err error) error {
	if caller.Err() != nil {
		return interrupted(caller, op)
	}
	e := &Error{Op: op, Kind: Transient}
	switch {
	case errors.Is(context.Cause(request), errSilent):
		return silence(op)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the answer was cut short"
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Kind, e.Code, e.Message, e.Hint = Misconfigured, CodeTLS, "the server speaks http and not https", hintTrust
	case isUntrusted(err):
		e.Kind, e.Code, e.Message, e.Hint = Misconfigured, CodeTLS, clean(innermost(err), messageLimit), hintTrust
	case isProxy(e, err):
	default:
		e.Message, e.Hint = clean(innermost(err), messageLimit), hintNetwork
	}
	return e
}

// silence is the error of a call that heard nothing for too long.
func silence(op string) *Error {
	return &Error{Op: op, Kind: Transient, Message: "no answer in time", Hint: hintNetwork}
}

// proxyRefusal is a proxy's answer to CONNECT that is not a success.
type proxyRefusal struct{ status int }

func (p *proxyRefusal) Error() string { return "the proxy answered " + http.StatusText(p.status) }

// noteProxy keeps the status with which a proxy refuses; the transport would
// leave its text only.
func noteProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
		if r.StatusCode != http.StatusOK {
			return &proxyRefusal{r.StatusCode}
		}
		return nil
	}
}

// isProxy fills in an error that the proxy is the cause of.
func isProxy(e *Error, err error) bool {
	if refusal, ok := errors.AsType[*proxyRefusal](err); ok {
		e.Code, e.Status, e.Message, e.Hint = CodeProxy, refusal.status, refusal.Error(), "check proxy_url"
		if refusal.status < http.StatusInternalServerError {
			e.Kind = Misconfigured
		}
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "proxyconnect" || op.Op == "socks connect") {
		e.Code, e.Message, e.Hint = CodeProxy, clean(innermost(op.Err), messageLimit), "check proxy_url"
		return true
	}
	return false
}

// isUntrusted reports whether a TLS handshake ended because of a certificate,
// ours included, or because the other side speaks another protocol.
func isUntrusted(err error) bool {
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

// innermost is a network error's own words, without URL, addresses and ports:
// those change from try to try, or hold a query.
func innermost(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "look up " + e.Name + ": " + e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Err != nil {
		return e.Op + ": " + e.Err.Error()
	}
	return err.Error()
}
