package elasticsearch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	op = "bulk"

	answerLimit = 16 << 20 // of a bulk answer: 10 KiB for each of 1600 documents
	errorLimit  = 64 << 10 // of an error's body
	answerKept  = 1 << 20  // a larger buffer is not kept for the next answer
	bodyKept    = 16 << 20 // nor one for the next body; one of 4 MiB grows to no more
)

var (
	errNotBulk     = errors.New("the answer is cut or is no bulk response")
	errAnswerLong  = errors.New("the answer is too long")
	errCredentials = errors.New("check api_key, or username and password")
	errAddress     = errors.New("check hosts, path and parameters")
	errInFront     = errors.New("not Elasticsearch but something in front of it refuses")
	errStranger    = errors.New("the answer is not that of Elasticsearch")
)

// exchange is one bulk request after the other: the body, which is written document
// by document, and the answer, which is read whole before anything is decoded. Its
// buffers are used again.
type exchange struct {
	client elastictransport.Interface
	query  string

	sent         bytes.Buffer // the body, compressed where there is a zip
	zip          *gzip.Writer // nil without compression
	action       []byte       // line before a document
	documents    int          // in the body
	uncompressed int          // bytes

	answer bytes.Buffer
	items  []item       // of the last answer, in the order sent
	open   atomic.Int32 // bodies that net/http may still read
	begun  atomic.Bool  // of the last request some of the body was read
}

// Who passes requests on without looking into them reads these.
const (
	headerDocuments = "X-Elastic-Event-Count"
	headerLength    = "X-Elastic-Uncompressed-Request-Length"
)

// filterPath leaves out what is not read of an answer.
const filterPath = "items.*._index,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason"

func newExchange(client elastictransport.Interface, c *config) *exchange {
	query := url.Values{"filter_path": {filterPath}}
	for name, values := range c.parameters {
		if name != "filter_path" {
			query[name] = values
		}
	}
	x := &exchange{client: client, query: query.Encode()}
	if c.compression != gzip.NoCompression {
		x.zip, _ = gzip.NewWriterLevel(&x.sent, c.compression) // the level was checked
	}
	return x
}

// begin empties the body.
func (x *exchange) begin() {
	if x.sent.Cap() > bodyKept {
		x.sent = bytes.Buffer{}
	}
	x.sent.Reset()
	x.documents, x.uncompressed = 0, 0
	if x.zip != nil {
		x.zip.Reset(&x.sent)
	}
}

// add writes a document that is to be created in an index, through a pipeline
// unless that is empty. Writing to memory does not fail.
func (x *exchange) add(index, pipeline string, d inputs.Document) {
	x.action = append(x.action[:0], `{"create":{"_id":`...)
	x.action = appendText(x.action, d.ID)
	x.action = appendText(append(x.action, `,"_index":`...), index)
	if pipeline != "" {
		x.action = appendText(append(x.action, `,"pipeline":`...), pipeline)
	}
	x.action = append(x.action, "}}\n"...)
	x.write(x.action)
	x.write(d.JSON)
	x.write(lineEnd)
	x.documents++
}

var lineEnd = []byte("\n")

func (x *exchange) write(b []byte) {
	x.uncompressed += len(b)
	if x.zip != nil {
		_, _ = x.zip.Write(b)
		return
	}
	x.sent.Write(b)
}

// appendText quotes a text; what is no UTF-8 in it is replaced.
func appendText(to []byte, text string) []byte {
	to, _ = jsontext.AppendQuote(to, text)
	return to
}

// send sends the body and reads the answer. The error is an *output.Error.
func (x *exchange) send(ctx context.Context) error {
	if x.zip != nil {
		_ = x.zip.Close() // to memory
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/_bulk?"+x.query, bytes.NewReader(x.sent.Bytes()))
	if err != nil {
		return &output.Error{Op: op, Reason: output.RequestRefused, Err: errAddress}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(headerDocuments, strconv.Itoa(x.documents))
	r.Header.Set(headerLength, strconv.Itoa(x.uncompressed))
	if x.zip != nil {
		r.Header.Set("Content-Encoding", "gzip")
	}
	x.begun.Store(false)
	x.track(r)
	response, err := x.client.Perform(r)
	if err != nil {
		return x.failure(err)
	}
	defer response.Body.Close()
	if response.StatusCode > 299 {
		text, err := io.ReadAll(io.LimitReader(response.Body, errorLimit))
		if err != nil {
			return x.failure(err)
		}
		return refusal(response.StatusCode, text)
	}
	err = x.read(response.Body)
	switch {
	case x.isStranger(err):
		return &output.Error{Op: op, Reason: output.RequestRefused, Status: response.StatusCode, Foreign: true, Err: errStranger}
	case err != nil:
		return x.failure(err)
	}
	return nil
}

// isStranger reports whether what was read is whole and no bulk answer: a firewall's
// page, or its JSON, comes with the status of a success.
func (x *exchange) isStranger(err error) bool {
	text := bytes.TrimLeft(x.answer.Bytes(), " \t\r\n")
	switch {
	case len(text) == 0:
		return false
	case err == nil:
		return len(x.items) == 0
	}
	return errors.Is(err, errNotBulk) && text[0] != '{'
}

// read takes a bulk answer whole.
func (x *exchange) read(body io.Reader) error {
	if x.answer.Cap() > answerKept {
		x.answer = bytes.Buffer{}
	}
	x.answer.Reset()
	if _, err := x.answer.ReadFrom(io.LimitReader(body, answerLimit+1)); err != nil {
		return err
	}
	if x.answer.Len() > answerLimit {
		return errAnswerLong
	}
	var err error
	x.items, err = appendItems(x.items[:0], x.answer.Bytes(), x.documents)
	return err
}

// reading reports whether the last request's body may still be read.
func (x *exchange) reading() bool { return x.open.Load() > 0 }

// track notes when the body, or a second one that net/http takes for a fresh
// connection, is done with.
func (x *exchange) track(r *http.Request) {
	again := r.GetBody
	r.Body = x.body(r.Body, r.ContentLength)
	r.GetBody = func() (io.ReadCloser, error) {
		b, err := again()
		if err != nil {
			return nil, err
		}
		return x.body(b, r.ContentLength), nil
	}
}

func (x *exchange) body(b io.ReadCloser, size int64) io.ReadCloser {
	x.open.Add(1)
	return &body{ReadCloser: b, left: size, exchange: x}
}

// body is a request body that is done with once it was read or closed.
type body struct {
	io.ReadCloser
	left     int64 // read by one goroutine
	exchange *exchange
	done     atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.begun.Store(true)
	if b.left -= int64(n); b.left <= 0 || err != nil {
		b.finish()
	}
	return n, err
}

func (b *body) Close() error {
	b.finish()
	return b.ReadCloser.Close()
}

func (b *body) finish() {
	if !b.done.Swap(true) {
		b.exchange.open.Add(-1)
	}
}

// failure is what an error of a request means.
func (x *exchange) failure(err error) error {
	switch {
	case errors.Is(err, errAnswerLong) && x.documents > 1:
		return &output.Error{Op: op, Reason: output.TooLarge, Err: errAnswerLong}
	case errors.Is(err, errAnswerLong):
		return &output.Error{Op: op, Reason: output.Server, Err: errAnswerLong}
	case errors.Is(err, errNotBulk):
		return &output.Error{Op: op, Reason: output.Server, Err: errNotBulk}
	default:
		e := network(op, fmt.Errorf("%s: %w", op, err)) // which takes off what wraps the cause
		e.Foreign = e.Reason == output.Unreachable && x.begun.Load() && isBroken(err)
		return e
	}
}

// isBroken reports whether an established connection broke: so it ends where the
// other side closes it before it has read all, as for a request that is too large, or
// closes it in place of an answer.
func isBroken(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && (e.Op == "read" || e.Op == "write") ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// network is a connection's error in words that stay the same from one attempt
// to the next.
func network(op string, err error) *output.Error {
	e := &output.Error{Op: op, Reason: output.Unreachable, Err: err}
	var broken *net.OpError
	switch proxy := dial.ProxyCause(err); {
	case proxy != nil:
		e.Err = proxy
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.Err = output.Silent, output.ErrSilent
	case isPlain(err):
		e.Err = errors.New("the server speaks http and not https, as hosts or protocol say")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = errors.New("connection closed before the answer")
	case errors.As(err, &broken):
		e.Err = &net.OpError{Op: broken.Op, Net: broken.Net, Addr: broken.Addr, Err: broken.Err} // without the local port
	default:
		if inner := errors.Unwrap(err); inner != nil {
			e.Err = inner
		}
	}
	return e
}

// isPlain reports whether TLS met a server that speaks HTTP without it.
func isPlain(err error) bool {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && strings.HasPrefix(string(e.RecordHeader[:]), "HTTP/")
}

// refusal is what a status for the whole request means. Of the body only the
// error's type is kept; a body that is not Elasticsearch's own comes from
// something in front of it, which may refuse a single document.
func refusal(status int, text []byte) error {
	e := &output.Error{Op: op, Status: status, Type: answerType(text)}
	e.Foreign = e.Type == ""
	switch {
	case status == http.StatusUnauthorized:
		e.Reason, e.Err = output.Unauthorized, errCredentials
	case status == http.StatusForbidden && e.Foreign:
		e.Reason, e.Err = output.RequestRefused, errInFront
	case status == http.StatusForbidden:
		e.Reason, e.Err = output.Forbidden, errors.New("grant auto_configure and create_doc on the data streams")
	case status == http.StatusRequestEntityTooLarge:
		e.Reason = output.TooLarge
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		e.Reason, e.Foreign = output.Busy, false
	case status >= 502 && status <= 504:
		e.Reason, e.Foreign = output.Server, false // nothing behind it answers
	case status >= 500:
		e.Reason = output.Server
	case status < 400:
		e.Reason, e.Err = output.RequestRefused, errors.New("redirected: set hosts to the address of Elasticsearch itself")
	case status == http.StatusBadRequest:
		e.Reason, e.Foreign, e.Err = output.RequestRefused, true, errAddress // a line of one document may be the reason
	default:
		e.Reason, e.Err = output.RequestRefused, errAddress
	}
	return e
}

// answerType is the type of an error in a body, which may have more behind it.
func answerType(text []byte) string {
	lax := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	value, err := jsontext.NewDecoder(bytes.NewReader(text), lax...).ReadValue()
	if err != nil {
		return ""
	}
	var answer struct {
		Error struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal(value, &answer, lax[0], lax[1]) != nil {
		return ""
	}
	return cleanType(answer.Error.Type)
}

// cleanType is an error type if it looks like one: what is in its place
// could be anything.
func cleanType(s string) string {
	if len(s) > 80 {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') {
			return ""
		}
	}
	return s
}
