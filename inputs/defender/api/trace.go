package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/file"
	"github.com/go-json-experiment/json"
)

const (
	traceFiles = 5        // the active one included
	traceSize  = 10 << 20 // bytes of each
	traceBody  = 64 << 10 // bytes kept of a body
)

// tracer is a RoundTripper that writes every request and its answer to a file,
// one JSON object a line. What is secret is left out before it is written:
// credentials in headers, everything that goes to and comes from the token
// service, queries that are not ours, and links that grant access by
// themselves.
type tracer struct {
	http.RoundTripper
	out   io.WriteCloser
	scrub func(string) string // takes out the secrets that we know
}

// traced is one line of a trace.
type traced struct {
	Time     time.Time           `json:"@timestamp"`
	Method   string              `json:"http.request.method"`
	URL      string              `json:"url.full"`
	Request  map[string][]string `json:"http.request.headers,omitempty"`
	Status   int                 `json:"http.response.status_code,omitzero"`
	Response map[string][]string `json:"http.response.headers,omitempty"`
	Body     string              `json:"http.response.body.content,omitempty"`
	Bytes    int64               `json:"http.response.body.bytes"`
	Cut      bool                `json:"http.response.body.cut,omitzero"`
	Duration string              `json:"event.duration"`
	Error    string              `json:"error.message,omitempty"`
}

// newTracer opens nothing before the first call.
func newTracer(rt http.RoundTripper, path string) (*tracer, error) {
	out, err := file.NewFileRotator(path,
		file.MaxBackups(traceFiles-1), file.MaxSizeBytes(traceSize), file.Permissions(0o600), file.RotateOnStartup(false))
	if err != nil {
		return nil, fmt.Errorf("enable_request_tracer: %w", err)
	}
	return &tracer{RoundTripper: rt, out: out, scrub: func(s string) string { return s }}, nil
}

// RoundTrip writes its line when the answer's body is closed.
func (t *tracer) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	line := traced{Time: began.UTC(), Method: r.Method, URL: safeURL(r.URL), Request: safeHeaders(r.Header)}
	response, err := t.RoundTripper.RoundTrip(r)
	line.Duration = time.Since(began).Round(time.Millisecond).String()
	if err != nil {
		line.Error = innermost(err)
		t.write(&line)
		return nil, err
	}
	line.Status, line.Response = response.StatusCode, safeHeaders(response.Header)
	body := &tracedBody{ReadCloser: response.Body, tracer: t, line: &line, keep: traceBody}
	if r.Header.Get("Authorization") == "" {
		body.keep = 0 // from the token service, which may repeat the secret, or a compressed file
	}
	response.Body = body
	return response, nil
}

// CloseIdleConnections passes the wish on.
func (t *tracer) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// write never fails a call: what cannot be written is not traced.
func (t *tracer) write(line *traced) {
	line.Error, line.URL = t.scrub(line.Error), t.scrub(line.URL)
	for _, values := range line.Response {
		for i := range values {
			values[i] = t.scrub(values[i]) // anything that the other side repeats
		}
	}
	line.Body = grants.ReplaceAllString(t.scrub(line.Body), "$1[redacted]")
	b, err := json.Marshal(line)
	if err != nil {
		return
	}
	_, _ = t.out.Write(append(b, '\n'))
}

// tracedBody keeps the beginning of a body as it is read.
type tracedBody struct {
	io.ReadCloser
	tracer *tracer
	line   *traced
	kept   bytes.Buffer
	keep   int
	closed bool
}

func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.line.Bytes += int64(n)
	b.kept.Write(p[:min(n, b.keep-b.kept.Len())])
	return n, err
}

func (b *tracedBody) Close() error {
	if !b.closed {
		b.closed = true
		text := b.kept.Bytes()
		b.line.Cut = b.line.Bytes > int64(len(text))
		if b.line.Cut {
			text = wholeWords(text)
		}
		b.line.Body = strings.ToValidUTF8(string(text), "\uFFFD")
		b.tracer.write(b.line)
	}
	return b.ReadCloser.Close()
}

// wholeWords drops the end of a text that was cut: half of a secret or of a
// link would not be found.
func wholeWords(text []byte) []byte {
	return text[:bytes.LastIndexAny(text, `", `)+1]
}

// shownHeaders are the only ones that are written: any other may be a secret.
var shownHeaders = map[string]bool{
	"Accept": true, "Cache-Control": true, "Content-Encoding": true, "Content-Length": true, "Content-Type": true,
	"Date": true, "Retry-After": true, "Server": true, "User-Agent": true, "X-Ms-Request-Id": true, "Request-Id": true,
}

func safeHeaders(h http.Header) map[string][]string {
	shown := map[string][]string{}
	for name, values := range h {
		if shownHeaders[name] {
			shown[name] = slices.Clone(values)
		} else {
			shown[name] = []string{"[redacted]"}
		}
	}
	return shown
}

// safeURL shows the OData options that we send, and of others the names.
func safeURL(u *url.URL) string {
	shown := *u
	shown.User, shown.Fragment = nil, ""
	query := u.Query()
	for name := range query {
		switch name {
		case "$filter", "$orderby", "$top", "$skip", "$expand", "pageSize", "sinceTime":
		default:
			query[name] = []string{"[redacted]"}
		}
	}
	shown.RawQuery = query.Encode()
	return shown.String()
}

// grants are the values in a URL's query that give access to anyone who has them:
// signatures, tokens and the like.
var grants = regexp.MustCompile(`(?i)((?:[?&]|\\u0026|&amp;|%3F|%26)[a-z0-9_.$-]*(?:sig|signature|token|key|secret|code|credential|sas|password)(?:=|%3D))[^&"\\\s<>]+`)
