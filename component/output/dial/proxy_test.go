package dial_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hidden = "only-the-proxy-knows.invalid" // RFC 6761: no resolver has it

// greeter says hello to whoever connects.
func greeter(t *testing.T) (address string) {
	t.Helper()
	l, err := dialtest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.Serve(func(conn net.Conn) { _, _ = io.WriteString(conn, "hello") })
	return l.Address()
}

// TestThroughAProxy: names are the proxy's to resolve, unless it is configured otherwise.
func TestThroughAProxy(t *testing.T) {
	port := func(address string) string { _, p, _ := net.SplitHostPort(address); return p }
	for name, tt := range map[string]struct {
		proxy   dialtest.Options
		login   string
		host    string
		local   bool
		request dialtest.Request
	}{
		"anyone":                       {host: hidden, request: dialtest.Request{Host: hidden, ByName: true}},
		"with a login":                 {proxy: dialtest.Options{User: "u", Password: "p@ss/%"}, login: "u:p%40ss%2F%25@", host: hidden, request: dialtest.Request{Host: hidden, ByName: true, User: "u"}},
		"a login that nobody asks for": {login: "u:p@", host: hidden, request: dialtest.Request{Host: hidden, ByName: true}},
		"resolved here":                {host: "localhost", local: true, request: dialtest.Request{Host: "127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			address := greeter(t)
			tt.proxy.Hosts = map[string]string{hidden: address}
			p := outputtest.StartProxy(t, tt.proxy)
			d, err := dial.New(dial.Options{ProxyURL: inputs.Secret("socks5://" + tt.login + p.Address()), ProxyLocal: tt.local, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := d.Dial(t.Context(), net.JoinHostPort(tt.host, port(address)))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if said, err := io.ReadAll(conn); string(said) != "hello" {
				t.Errorf("heard %q, %v", said, err)
			}
			requests := p.Requests()
			if got := requests[len(requests)-1]; got != tt.request { // the last one where a name has several addresses
				t.Errorf("the proxy was asked for %+v, want %+v", got, tt.request)
			}
		})
	}
}

// TestProxyIsTheCause: the error names the proxy, and whether it or what is
// behind it fails; it has no password, and no port of ours.
func TestProxyIsTheCause(t *testing.T) {
	const login = "u:wr0ng-planted@"
	for name, tt := range map[string]struct {
		proxy dialtest.Options
		want  string // of the cause, PROXY for its address
	}{
		"wrong password":    {dialtest.Options{User: "u", Password: "right"}, "the proxy PROXY does not connect to " + hidden + ":5044: username/password authentication failed; check proxy_url"},
		"not allowed":       {dialtest.Options{Refuse: 2}, "the proxy PROXY does not connect to " + hidden + ":5044: connection not allowed by ruleset; check proxy_url"},
		"refused behind it": {dialtest.Options{Refuse: 5}, "the proxy PROXY does not connect to " + hidden + ":5044: connection refused; check proxy_url"},
		"unknown name":      {dialtest.Options{}, "the proxy PROXY does not connect to " + hidden + ":5044: host unreachable; check proxy_url"},
		"hangs":             {dialtest.Options{Hang: true}, "the proxy PROXY does not connect to " + hidden + ":5044 in time; check proxy_url"},
		"ends":              {dialtest.Options{End: true}, "the proxy PROXY closes the connection; check that proxy_url leads to a SOCKS5 proxy"},
		"speaks HTTP":       {dialtest.Options{Speak: "HTTP/1.1 400 Bad Request\r\n\r\n"}, "the proxy PROXY does not connect to " + hidden + ":5044: unexpected protocol version 72; check proxy_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := outputtest.StartProxy(t, tt.proxy)
			expectFailure(t, "socks5://"+login+p.Address(), strings.ReplaceAll(tt.want, "PROXY", p.Address()))
		})
	}
	t.Run("wants a login", func(t *testing.T) {
		p := outputtest.StartProxy(t, dialtest.Options{User: "u", Password: "right"})
		expectFailure(t, "socks5://"+p.Address(), "the proxy "+p.Address()+" does not connect to "+hidden+":5044: no acceptable authentication methods; check proxy_url")
	})
	t.Run("nothing listens", func(t *testing.T) {
		p := outputtest.StartProxy(t, dialtest.Options{})
		p.Close()
		expectFailure(t, "socks5://"+login+p.Address(), "no connection to the proxy "+p.Address()+": connect: connection refused; check proxy_url")
	})
	t.Run("no such proxy", func(t *testing.T) {
		expectFailure(t, "socks5://"+login+hidden+":1080", "no connection to the proxy "+hidden+":1080: lookup "+hidden)
	})
}

// expectFailure dials twice: the text stays the same.
func expectFailure(t *testing.T, url, want string) {
	t.Helper()
	d, err := dial.New(dial.Options{ProxyURL: inputs.Secret(url), Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = d.Dial(context.Background(), hidden+":5044")
		if got := fmt.Sprint(err); !strings.HasPrefix(got, "connect: unreachable: "+want) || strings.Contains(got, "planted") || output.ReasonOf(err) != output.Unreachable {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestNameIsNotKnownHere: with proxy_use_local_resolver it is no fault of the proxy.
func TestNameIsNotKnownHere(t *testing.T) {
	p := outputtest.StartProxy(t, dialtest.Options{})
	d, err := dial.New(dial.Options{ProxyURL: inputs.Secret("socks5://" + p.Address()), ProxyLocal: true, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Dial(t.Context(), hidden+":5044")
	if got := fmt.Sprint(err); !strings.Contains(got, "lookup "+hidden) || strings.Contains(got, "proxy_url") || len(p.Requests()) != 0 {
		t.Errorf("%s, asked the proxy for %v", got, p.Requests())
	}
}

// TestProxyURLIsNotTakenForAnotherHost: a password with a slash that is not escaped
// would be the end of a host's name.
func TestProxyURLIsNotTakenForAnotherHost(t *testing.T) {
	for _, url := range []string{"socks5://u:12/planted@proxy:1080", "socks5://u:planted#@proxy", "socks5://", "socks5://u:%planted@proxy", "https://proxy", "proxy:1080"} {
		if _, err := dial.New(dial.Options{ProxyURL: inputs.Secret(url)}); err == nil || !strings.HasPrefix(err.Error(), "proxy_url: must be socks5") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
