package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
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
// its answer. The caller's context tells whether it wanted that, the
// request's own whether the watchdog did.
func broken(caller, request context.Context, op string, err error) error {
	if caller.Err() != nil {
		return interrupted(caller, op)
	}
	e := &Error{Op: op, Kind: Transient}
	switch {
	case errors.Is(context.Cause(request), errSilent):
		e.Message, e.Hint = "no answer in time", hintNetwork
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the answer was cut short"
	case isUntrusted(err):
		e.Kind, e.Message, e.Hint = Misconfigured, clean(innermost(err), messageLimit), hintTrust
	default:
		e.Message, e.Hint = clean(innermost(err), messageLimit), hintNetwork
	}
	return e
}

// isUntrusted reports whether a TLS handshake ended because of the server's
// certificate.
func isUntrusted(err error) bool {
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
