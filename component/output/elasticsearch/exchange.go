package elasticsearch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	docappender "github.com/elastic/go-docappender/v2"
	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

const (
	op = "bulk"

	answerLimit = 16 << 20 // of a bulk answer: 10 KiB for each of 1600 documents
	errorLimit  = 64 << 10 // of an error's body
	answerKept  = 1 << 20  // a larger buffer is not kept for the next answer
)

var (
	errNotBulk     = errors.New("the answer is cut or is no bulk response")
	errAnswerLong  = errors.New("the answer is too long")
	errCredentials = errors.New("check api_key, or username and password")
	errAddress     = errors.New("check hosts, path and parameters")
	errInFront     = errors.New("not Elasticsearch but something in front of it refuses")
)

// exchange carries one indexer's requests: it reads the answer whole before
// anything is decoded, and knows whether the body is still being read.
type exchange struct {
	client   elastictransport.Interface
	answer   bytes.Buffer
	items    []item       // of the last answer, in the order sent
	answered bool         // the last request has a complete answer
	open     atomic.Int32 // bodies that net/http may still read
	begun    atomic.Bool  // of the last request some of the body was read
}

// Perform implements elastictransport.Interface.
func (x *exchange) Perform(r *http.Request) (*http.Response, error) {
	x.answered = false
	x.begun.Store(false)
	x.track(r)
	response, err := x.client.Perform(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode > 299 {
		response.Body = limited{io.LimitReader(response.Body, errorLimit), response.Body}
		return response, nil
	}
	defer response.Body.Close()
	if err := x.read(response.Body); err != nil {
		return nil, err
	}
	x.answered = true
	// BulkIndexer need not decode it once more: its totals are not used.
	response.Body = io.NopCloser(strings.NewReader(`{}`))
	return response, nil
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
	x.items, err = appendItems(x.items[:0], x.answer.Bytes())
	return err
}

type limited struct {
	io.Reader
	io.Closer
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

// failure is what a failed Flush of n documents means.
func (x *exchange) failure(err error, n int) error {
	var refused docappender.ErrorFlushFailed
	switch {
	case errors.As(err, &refused):
		return refusal(refused.StatusCode(), refused.ResponseBody())
	case errors.Is(err, errAnswerLong) && n > 1:
		return &output.Error{Op: op, Reason: output.TooLarge, Err: errAnswerLong}
	case errors.Is(err, errAnswerLong):
		return &output.Error{Op: op, Reason: output.Server, Err: errAnswerLong}
	case x.answered || errors.Is(err, errNotBulk): // the decoder's text quotes the answer
		return &output.Error{Op: op, Reason: output.Server, Err: errNotBulk}
	default:
		e := network(op, err)
		e.Foreign = e.Reason == output.Unreachable && x.begun.Load() && broken(err)
		return e
	}
}

// broken reports whether an established connection broke: so it ends where the
// other side closes it before it has read all, as for a request that is too large.
func broken(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && (e.Op == "read" || e.Op == "write")
}

// network is a connection's error in words that stay the same from one attempt
// to the next.
func network(op string, err error) *output.Error {
	e := &output.Error{Op: op, Reason: output.Unreachable, Err: err}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.Err = output.Silent, output.ErrSilent
	case isPlain(err):
		e.Err = errors.New("the server speaks http and not https, as hosts or protocol say")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = errors.New("connection closed before the answer")
	case errors.As(err, &dial):
		e.Err = &net.OpError{Op: dial.Op, Net: dial.Net, Addr: dial.Addr, Err: dial.Err} // without the local port
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
// something in front of it, which may dislike a single document.
func refusal(status int, text string) error {
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
		e.Reason, e.Foreign, e.Err = output.RequestRefused, false, errors.New("redirected: set hosts to the address of Elasticsearch itself")
	case status == http.StatusBadRequest:
		e.Reason, e.Foreign, e.Err = output.RequestRefused, true, errAddress // a line of one document may be the reason
	default:
		e.Reason, e.Err = output.RequestRefused, errAddress
	}
	return e
}

func answerType(text string) string {
	var answer struct {
		Error struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(text), &answer) != nil {
		return ""
	}
	return cleanType(answer.Error.Type)
}

// cleanType is an error type if it looks like one: what stands in its place
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
