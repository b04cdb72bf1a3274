package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Request is one GET.
type Request struct {
	Path     string     // below Config.URL, such as /api/alerts
	Query    url.Values // OData options; the names keep their dollar sign
	Priority Priority
	Family   Family
	// Roles are the application roles any one of which the call needs. They
	// are shown to an operator when the API refuses without naming its own.
	Roles []string
	// Silent, if set, is called every half minute while the call waits for the other
	// side and hears nothing, while Config.Timeout lets it wait longer. It is
	// called from another goroutine and must not block.
	Silent func(error)
	// Waits, if set, is called before the call waits for a second or more, for the pace
	// or until it is made again. It is called in the caller's goroutine.
	Waits func()
}

// reportSilence reports silence with the error of a call that ended because of it.
func (r Request) reportSilence(op string) func() {
	if r.Silent == nil {
		return nil
	}
	return func() { r.Silent(silence(op)) }
}

// Open sends a request and returns the answer, read up to its first record.
// It waits for the pace, renews the token and tries again by itself. The error
// is an *Error, or wraps the cause of ctx if that ended first. The caller
// closes the page; ctx lives until then.
func (c *Client) Open(ctx context.Context, r Request) (*Page, error) {
	return c.page(ctx, r, c.address(r))
}

// address is where a request goes.
func (c *Client) address(r Request) *url.URL {
	u := *c.base
	u.Path += "/" + strings.TrimLeft(r.Path, "/")
	u.RawQuery = r.Query.Encode()
	return &u
}

// Follow is Open for the next link of a page of the same request. A link to a
// host that is not the API's is refused before anything is sent.
func (c *Client) Follow(ctx context.Context, r Request, nextLink string) (*Page, error) {
	u, err := c.resolve(nextLink)
	if err != nil {
		return nil, err
	}
	return c.page(ctx, r, u)
}

func (c *Client) page(ctx context.Context, r Request, u *url.URL) (page *Page, err error) {
	err = c.call(ctx, r, u, func(x *exchange, h http.Header) (err error) {
		page, err = newPage(x, h, c.maxRecord, c.scrub)
		return err
	})
	return page, err
}

// call makes a call until it succeeds, or trying again makes no sense. read takes
// the answer of a success; without an error the exchange is its to close.
func (c *Client) call(ctx context.Context, r Request, u *url.URL, read func(*exchange, http.Header) error) error {
	op := "get " + clean(u.Path, messageLimit)
	return repeat(ctx, r.Waits, func() error { return c.named(c.attempt(ctx, r, op, u, read)) })
}

// named notes in an error which cloud it is of. The error of a token is that of all who
// wait for it, so each of them gets one of its own.
func (c *Client) named(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	own := *e
	own.Cloud = c.cloud.Title
	return &own
}

// attempt makes the call once, and once more with a new token if the API does
// not take the one we have, or if that one may be older than the consent that
// the call needs: roles are in the token.
func (c *Client) attempt(ctx context.Context, r Request, op string, u *url.URL, read func(*exchange, http.Header) error) error {
	t, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	err = c.send(ctx, r, op, u, t, read)
	switch {
	case isUnauthorized(err):
		c.tokens.refuse(t)
		t, err = c.tokens.get(ctx)
	case isForbidden(err) && time.Since(t.issued) > consentAge:
		fresh := c.tokens.replace(ctx, t)
		if fresh.text == t.text {
			return t.explain(err)
		}
		t, err = fresh, nil
	default:
		return t.explain(err)
	}
	if err != nil {
		return err
	}
	return t.explain(c.send(ctx, r, op, u, t, read))
}

// send makes one HTTP call within the pace.
func (c *Client) send(ctx context.Context, r Request, op string, u *url.URL, t token, read func(*exchange, http.Header) error) error {
	if err := c.pace.wait(ctx, call{op, u.Path, r.Priority, r.Family, r.Waits}); err != nil {
		return err
	}
	began := time.Now()
	x, response, err := c.exchange(ctx, r, op, u, t.text)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		defer x.close()
		return c.refusal(x, r, response, began)
	}
	c.pace.accepted(began, u.Path)
	if err := read(x, response.Header); err != nil {
		x.close()
		return err
	}
	return nil
}

// exchange makes one HTTP call, with a token if there is one, up to the head of
// its answer. Who gets no error closes the exchange.
func (c *Client) exchange(ctx context.Context, r Request, op string, u *url.URL, token inputs.Secret) (*exchange, *http.Response, error) {
	began := time.Now()
	limited, dog := newWatchdog(ctx, c.timeout, r.reportSilence(op))
	x := &exchange{op: op, caller: ctx, request: limited, dog: dog, observe: c.observe,
		call: Call{Method: http.MethodGet, Path: u.Path}}
	request, err := http.NewRequestWithContext(limited, http.MethodGet, u.String(), nil)
	if err != nil { // no URL that was parsed before gets here
		x.close()
		return nil, nil, &Error{Op: op, Kind: Misconfigured, Message: "no request can be made of url", Hint: "check url"}
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	response, err := c.http.Do(request)
	dog.disarm()
	x.call.Duration = time.Since(began)
	if err != nil {
		x.close()
		return nil, nil, broken(ctx, limited, op, err)
	}
	x.call.Status = response.StatusCode
	x.body = &source{ReadCloser: response.Body, dog: dog}
	return x, response, nil
}

// refusal makes an error of an answer that is not a success. It reads the
// body, so that the connection can be used again.
func (c *Client) refusal(x *exchange, r Request, response *http.Response, began time.Time) error {
	body, _ := io.ReadAll(io.LimitReader(x.decoded(response.Header), errorBodyLimit))
	_, _ = io.CopyN(io.Discard, x.body, errorBodyLimit)
	if x.caller.Err() != nil {
		return interrupted(x.caller, x.op)
	}
	if response.StatusCode/100 == 3 {
		return redirected(x.op, response, "check url", c.scrub)
	}
	e := parseError(x.op, response.StatusCode, response.Header, body, time.Now(), c.scrub)
	switch e.Kind {
	case Throttled:
		e.RetryAfter = c.pace.throttled(x.caller, began, x.call.Path, e)
	case Permission:
		e.Hint = permissionHint(e, r.Roles)
	}
	return e
}

// exchange is one HTTP call from its start to the close of its body.
type exchange struct {
	op              string
	caller, request context.Context //nolint:containedctx // a body is read under the contexts of its request
	dog             *watchdog
	body            *source // nil before the head of the answer
	observe         func(Call)
	call            Call
	closed          bool
}

// asked is when the call was made, by the server's clock: the answer's Date less
// the time that it took to come. Zero without a Date.
func (x *exchange) asked(h http.Header) time.Time {
	date, ok := dateOf(h)
	if !ok {
		return time.Time{}
	}
	return date.Add(-x.call.Duration)
}

// dateOf is an answer's Date. One of a year before HTTP, or of the last with four
// digits, is none: cursors are reckoned from it, and JSON writes no other years.
func dateOf(h http.Header) (date time.Time, ok bool) {
	date, err := http.ParseTime(h.Get("Date"))
	return date, err == nil && date.Year() >= 1990 && date.Year() < 9999
}

func (x *exchange) malformed(message string) *Error {
	return &Error{Op: x.op, Status: x.call.Status, Kind: Malformed, Message: message, Hint: hintStranger}
}

// short is the error of an answer that ends before its end.
func (x *exchange) short() *Error {
	return &Error{Op: x.op, Status: x.call.Status, Kind: Transient, Message: "the answer was cut short"}
}

// decoded is the body without the content encoding that the transport left.
func (x *exchange) decoded(h http.Header) io.Reader {
	if strings.EqualFold(strings.TrimSpace(h.Get("Content-Encoding")), "deflate") {
		return &inflater{raw: x.body}
	}
	return x.body
}

// close ends the call and calls the observer, once.
func (x *exchange) close() {
	if x.closed {
		return
	}
	x.closed = true
	if x.body != nil {
		x.call.Bytes = x.body.bytes
		_ = x.body.Close()
	}
	x.dog.release()
	x.observe(x.call)
}
