package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is one GET.
type Request struct {
	Path     string     // below Config.URL, such as /api/alerts
	Query    url.Values // OData options; the names keep their dollar sign
	Priority Priority
	// Limit is the path's own where the service takes fewer calls of it than
	// the pace does of all; zero where it does not.
	Limit Limit
	// Roles are the application roles any one of which the call needs. They
	// are shown to an operator when the API refuses without naming its own.
	Roles []string
	// Silent, if set, is told every half minute that the call waits for the other
	// side and hears nothing, while Config.Timeout lets it wait longer. It is
	// called from another goroutine and must not block.
	Silent func(error)
	// Waits, if set, is told before the call waits for a second or more, for the pace
	// or until it is made again. It is called in the caller's goroutine.
	Waits func()
}

// tellSilent tells of silence as a call would that ended because of it.
func (r Request) tellSilent(op string) func() {
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
	u := *c.base
	u.Path += "/" + strings.TrimLeft(r.Path, "/")
	u.RawQuery = r.Query.Encode()
	return c.get(ctx, r, &u)
}

// Follow is Open for the next link of a page of the same request. A link to a
// host that is not the API's is refused before anything is sent.
func (c *Client) Follow(ctx context.Context, r Request, nextLink string) (*Page, error) {
	u, err := c.resolve(nextLink)
	if err != nil {
		return nil, err
	}
	return c.get(ctx, r, u)
}

func (c *Client) get(ctx context.Context, r Request, u *url.URL) (page *Page, err error) {
	op := "get " + clean(u.Path, messageLimit)
	err = repeat(ctx, r.Waits, func() error {
		page, err = c.attempt(ctx, r, op, u)
		return c.named(err)
	})
	return page, err
}

// named tells an error of which cloud it is.
func (c *Client) named(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Cloud = c.cloud.Title
	}
	return err
}

// attempt makes the call once, and once more with a new token if the API does
// not take the one we have, or if that one may be older than the consent that
// the call needs: roles stand in the token.
func (c *Client) attempt(ctx context.Context, r Request, op string, u *url.URL) (*Page, error) {
	t, err := c.tokens.get(ctx)
	if err != nil {
		return nil, err
	}
	page, err := c.send(ctx, r, op, u, t)
	switch {
	case isUnauthorized(err):
		c.tokens.refuse(t)
		t, err = c.tokens.get(ctx)
	case isForbidden(err) && time.Since(t.issued) > consentAge:
		fresh := c.tokens.replace(ctx, t)
		if fresh.text == t.text {
			return page, t.explain(err)
		}
		t, err = fresh, nil
	default:
		return page, t.explain(err)
	}
	if err != nil {
		return nil, err
	}
	page, err = c.send(ctx, r, op, u, t)
	return page, t.explain(err)
}

// send makes one HTTP call and reads its answer up to the first record.
func (c *Client) send(ctx context.Context, r Request, op string, u *url.URL, t token) (*Page, error) {
	if err := c.pace.wait(ctx, call{op, u.Path, r.Priority, r.Limit, r.Waits}); err != nil {
		return nil, err
	}
	began := time.Now()
	limited, dog := newWatchdog(ctx, c.timeout, r.tellSilent(op))
	x := &exchange{op: op, caller: ctx, request: limited, dog: dog, observe: c.observe,
		call: Call{Method: http.MethodGet, Path: u.Path}}
	request, err := http.NewRequestWithContext(limited, http.MethodGet, u.String(), nil)
	if err != nil { // no URL that was parsed before gets here
		x.close()
		return nil, &Error{Op: op, Kind: Misconfigured, Message: "no request can be made of url", Hint: "check url"}
	}
	request.Header.Set("Authorization", "Bearer "+t.text.Reveal())
	response, err := c.http.Do(request)
	dog.disarm()
	x.call.Duration = time.Since(began)
	if err != nil {
		x.close()
		return nil, broken(ctx, limited, op, err)
	}
	x.call.Status = response.StatusCode
	x.body = &source{ReadCloser: response.Body, dog: dog}
	if response.StatusCode/100 != 2 {
		defer x.close()
		return nil, c.refusal(x, r, response, began)
	}
	c.pace.accepted(began, u.Path)
	page, err := newPage(x, response.Header, c.maxRecord, c.scrub)
	if err != nil {
		x.close()
		return nil, err
	}
	return page, nil
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
		e.RetryAfter = c.pace.throttled(began, x.call.Path, e)
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

// decoded is the body without the content encoding that the transport left.
func (x *exchange) decoded(h http.Header) io.Reader {
	if strings.EqualFold(strings.TrimSpace(h.Get("Content-Encoding")), "deflate") {
		return &inflater{raw: x.body}
	}
	return x.body
}

// close ends the call and tells the observer, once.
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
