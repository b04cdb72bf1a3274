package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/httpcommon"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// traces is what the files of a trace hold; it checks that nobody else may read
// them.
func traces(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(path + "*.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
			t.Errorf("%s has mode %o", f, info.Mode().Perm())
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

func TestTraceShowsRequestsAndKeepsGrants(t *testing.T) {
	const link = "https://blob.example/file?sv=2020&sig=c2lnbmVk&se=2030"
	const escaped = `https://blob.example/file?sv=2020\u0026sig=ZXNjYXBlZA\u0026x=1`
	f := &fake{list: always(200, `{"value":[{"id":"a1","link":"`+link+`","other":"`+escaped+`"}]}`, "Set-Cookie", "session=hidden-cookie")}
	c := config(f)
	c.TraceFile = filepath.Join(t.TempDir(), "logs", "trace")
	client := newClient(t, c)
	if _, _, err := read(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	client.Close()
	text := traces(t, c.TraceFile)
	for _, hidden := range []string{"token-1", secret, "c2lnbmVk", "ZXNjYXBlZA", "hidden-cookie", "Bearer"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q shows in %s", hidden, text)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want one for the token and one for the page:\n%s", len(lines), text)
	}
	var page map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &page); err != nil {
		t.Fatal(err)
	}
	body, _ := page["http.response.body.content"].(string)
	if page["http.response.status_code"] != 200.0 || !strings.Contains(body, `"id":"a1"`) || !strings.HasPrefix(fmt.Sprint(page["url.full"]), "https://api.example/api/alerts") {
		t.Errorf("page: %v", page)
	}
}

// TestTraceIsBounded: long bodies are cut, and a cut cannot leave half a secret.
func TestTraceIsBounded(t *testing.T) {
	f := &fake{list: always(200, `{"value":[{"id":"`+strings.Repeat("x", 100_000)+`"}]}`)}
	c := config(f)
	c.TraceFile = filepath.Join(t.TempDir(), "trace")
	c.Pace = api.NewPace(api.Limit{PerMinute: 100_000, PerHour: 1_000_000})
	client := newClient(t, c)
	for range 1000 {
		if _, _, err := read(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	client.Close()
	files, err := filepath.Glob(c.TraceFile + "*.ndjson")
	if err != nil || len(files) > 5 {
		t.Errorf("%d files, %v; want 5 at most", len(files), err)
	}
	if text := traces(t, c.TraceFile); len(text) > 50<<20 || strings.Contains(text, "xxxx") {
		t.Errorf("%d bytes", len(text))
	}
}

// TestProxyThatRefusesIsNamed: of a CONNECT only the proxy's status is known.
func TestProxyThatRefusesIsNamed(t *testing.T) {
	for status, kind := range map[int]api.Kind{http.StatusProxyAuthRequired: api.Misconfigured, http.StatusForbidden: api.Misconfigured} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		defer proxy.Close()
		c := config(nil)
		c.RoundTripper, c.Timeout = nil, 5*time.Second
		c.Transport = httpcommon.DefaultHTTPTransportSettings()
		u, err := httpcommon.NewProxyURIFromString(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		c.Transport.Proxy.URL = u
		_, _, err = read(t.Context(), newClient(t, c))
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Kind != kind || e.Code != api.CodeProxy || e.Status != status {
			t.Errorf("status %d: %#v", status, err)
		}
	}
}

// TestSocksProxyThatRefusesIsNamed: what it says is no answer of the API's.
func TestSocksProxyThatRefusesIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 3))
			_, _ = conn.Write([]byte{5, 0xff}) // RFC 1928: no acceptable methods
			conn.Close()
		}
	}()
	c := config(nil)
	c.RoundTripper, c.Timeout = nil, 5*time.Second
	c.Transport = httpcommon.DefaultHTTPTransportSettings()
	if c.Transport.Proxy.URL, err = httpcommon.NewProxyURIFromString("socks5://" + l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the call is not tried again
	defer cancel()
	_, _, err = read(ctx, newClient(t, c))
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.CodeProxy || !strings.Contains(e.Message, "no acceptable authentication methods") {
		t.Errorf("%#v", err)
	}
}

func TestCallsAreRemembered(t *testing.T) {
	f := &fake{}
	c := config(f)
	c.Pace = api.NewPace(api.Limit{PerMinute: 100_000, PerHour: 1_000_000})
	client := newClient(t, c)
	for range 150 {
		if _, _, err := read(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	calls := client.Calls()
	last := calls[len(calls)-1]
	if len(calls) != 100 || last.Path != "/api/alerts" || last.Status != 200 || last.At.IsZero() {
		t.Errorf("%d calls, the last %+v", len(calls), last)
	}
}
