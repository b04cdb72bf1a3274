package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// throughProxy is the Op of an error on the way through a SOCKS5 proxy, of which
// Source is the proxy and Addr what is behind it (golang.org/x/net/proxy, and
// net/http, which has a copy of it).
const throughProxy = "socks connect"

// ProxyCause is what kept a SOCKS5 proxy from connecting, in words that name the proxy
// without its password and stay the same from one attempt to the next. It is nil where
// an error is not about one.
func ProxyCause(err error) error {
	var way, inner *net.OpError
	if !errors.As(err, &way) || way.Op != throughProxy {
		return nil
	}
	late := errors.Is(way.Err, context.DeadlineExceeded) || errors.Is(way.Err, os.ErrDeadlineExceeded)
	switch toProxy := errors.As(way.Err, &inner) && inner.Op == "dial"; {
	case toProxy && late:
		return fmt.Errorf("the proxy %s does not take the connection in time; check proxy_url", way.Source)
	case toProxy:
		return fmt.Errorf("no connection to the proxy %s: %w; check proxy_url", way.Source, inner.Err)
	case late:
		return fmt.Errorf("the proxy %s does not connect to %s in time; check proxy_url", way.Source, way.Addr)
	case errors.Is(way.Err, io.EOF), errors.Is(way.Err, io.ErrUnexpectedEOF), errors.Is(way.Err, syscall.ECONNRESET), errors.Is(way.Err, syscall.EPIPE):
		return fmt.Errorf("the proxy %s closes the connection; check that proxy_url leads to a SOCKS5 proxy", way.Source)
	}
	// The library says "unknown error" before the words of RFC 1928 for a reply.
	return fmt.Errorf("the proxy %s does not connect to %s: %s; check proxy_url", way.Source, way.Addr, strings.TrimPrefix(way.Err.Error(), "unknown error "))
}
