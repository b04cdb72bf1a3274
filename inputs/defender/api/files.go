package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// storageDomain is that of the hosts that serve exported files, over https
// (API.md 2). Others are Config.FileHosts.
const storageDomain = "*.blob.core.windows.net"

const (
	indexLimit = 16 << 20 // bytes read of the links to files
	maxFiles   = 20_000
	countLimit = 64 // bytes read of a count
)

// Index is the answer of a call that names files.
type Index struct {
	Links []inputs.Secret // each grants access by itself, for some hours
	Made  string          // generatedTime, as the API writes it; empty where it does not
	Asked time.Time       // see Page.Asked
}

// indexBody is an index as the API writes it, in any letter case.
type indexBody struct {
	Files []inputs.Secret `json:"exportFiles"`
	Made  *string         `json:"generatedTime"`
}

// Index asks for the links to a list's files, as Open asks for a list. No files
// are a valid answer.
func (c *Client) Index(ctx context.Context, r Request) (*Index, error) {
	var index Index
	err := c.small(ctx, r, indexLimit, func(x *exchange, body []byte, asked time.Time) error {
		var b indexBody
		if err := json.Unmarshal(body, &b, lenient); err != nil {
			return x.malformed("the answer is no list of files")
		}
		switch {
		case b.Files == nil && b.Made == nil:
			return x.malformed("the answer names no files")
		case len(b.Files) > maxFiles:
			return x.malformed("the answer names more files than are read")
		}
		index = Index{Links: b.Files, Asked: asked}
		if b.Made != nil {
			index.Made = clean(c.scrub(*b.Made), codeLimit)
		}
		return nil
	})
	return &index, err
}

// Count asks how many records there are, which the API answers with a bare
// number [exposed-apis-odata-samples.md].
func (c *Client) Count(ctx context.Context, r Request) (n int, err error) {
	err = c.small(ctx, r, countLimit, func(x *exchange, body []byte, _ time.Time) (err error) {
		if n, err = strconv.Atoi(strings.Trim(string(body), "\ufeff \r\n\t")); err != nil {
			return x.malformed("the answer is no number")
		}
		return nil
	})
	return n, err
}

// small is a call whose answer is held, up to a limit.
func (c *Client) small(ctx context.Context, r Request, limit int64, parse func(*exchange, []byte, time.Time) error) error {
	return c.call(ctx, r, c.address(r), func(x *exchange, h http.Header) error {
		defer x.close() // all of it is read here
		in := &allowance{r: x.decoded(h), left: limit}
		body, err := io.ReadAll(in)
		switch {
		case x.body.err != nil:
			return broken(x.caller, x.request, x.op, x.body.err)
		case errors.Is(err, errTooLarge):
			return x.malformed("the answer is longer than is read")
		case err != nil:
			return x.malformed("the answer's compression is damaged")
		case len(body) == 0:
			return x.short()
		}
		return parse(x, body, x.asked(h))
	})
}

// Download asks for a file that an Index of the same request named, and returns
// it read up to its first record. It sends no token and spends no call of the
// pace: the file is another service's. A file without a record is Transient: the
// service is known to answer so for a while (API.md 8.3).
func (c *Client) Download(ctx context.Context, r Request, link inputs.Secret) (page *Page, err error) {
	op := "get a file of " + clean(r.Path, messageLimit)
	u, err := c.resolveFile(op, link)
	if err != nil {
		return nil, err
	}
	err = repeat(ctx, r.Waits, func() error {
		x, response, err := c.exchange(ctx, r, op, u, "")
		if err != nil {
			return err
		}
		if response.StatusCode/100 != 2 {
			defer x.close()
			return c.storageRefusal(x, response)
		}
		page, err = newFile(x, response.Header, c.maxRecord, c.scrub)
		if err != nil {
			x.close()
		}
		return err
	})
	return page, err
}

// resolveFile makes a URL of a link to a file, if files may come from there. Its
// errors name the host alone.
func (c *Client) resolveFile(op string, link inputs.Secret) (*url.URL, error) {
	u, err := url.Parse(link.Reveal())
	if err != nil || u.Host == "" {
		return nil, &Error{Op: op, Kind: Malformed, Message: "the link is not a URL"}
	}
	u.Fragment, u.RawFragment = "", ""
	host := strings.ToLower(u.Hostname())
	known := isHost(host, storageDomain) && port(u) == "443" ||
		slices.ContainsFunc(c.fileHosts, func(h string) bool { return isHost(host, strings.ToLower(h)) })
	// A simulated service is one host, by any scheme.
	if known && u.User == nil && (u.Scheme == "https" || c.isBase(u)) {
		return u, nil
	}
	return nil, &Error{Op: op, Kind: Malformed, Hint: hintFileHost,
		Message: "the link leads to a host that files are not read from: " + clean(c.scrub(u.Hostname()), codeLimit)}
}

// isHost reports whether a host is the one named, or of a domain that is named as
// *.domain.
func isHost(host, named string) bool {
	domain, any := strings.CutPrefix(named, "*")
	return host == named || any && len(host) > len(domain) && strings.HasSuffix(host, domain)
}

// storageRefusal makes an error of an answer of the storage service, whose body
// is XML and says no more than its status. A link that is not good any more is a 403.
func (c *Client) storageRefusal(x *exchange, response *http.Response) error {
	_, _ = io.CopyN(io.Discard, x.body, errorBodyLimit)
	if x.caller.Err() != nil {
		return interrupted(x.caller, x.op)
	}
	if response.StatusCode/100 == 3 {
		return redirected(x.op, response, hintFileHost, c.scrub)
	}
	e := &Error{Op: x.op, Status: response.StatusCode, Kind: statusKind(response.StatusCode), RetryAfter: retryAfter(response.Header, time.Now())}
	e.bound()
	if e.Kind == Auth || e.Kind == Permission { // of the link, not of ours
		e.Kind = Other
	}
	if e.Kind == Other {
		e.Hint = hintFile
	}
	return e
}

// newFile reads a file up to its first record: JSON objects one after the other,
// or a list of them, normally compressed.
func newFile(x *exchange, h http.Header, maxRecord int, scrub func(string) string) (*Page, error) {
	p := &Page{x: x, scrub: scrub, maxRecord: maxRecord, asked: x.asked(h), file: true}
	raw := bufio.NewReaderSize(x.decoded(h), 32<<10)
	var content io.Reader = raw
	if head, _ := raw.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, p.undecodable(err)
		}
		content = z
	}
	p.in = &allowance{r: content, left: int64(maxRecord) + lookahead}
	p.decoder = newDecoder(p.in)
	switch p.decoder.PeekKind() {
	case '{':
		return p, nil
	case '[':
		p.bracketed = true
		_, _ = p.decoder.ReadToken() // it was peeked
		return p, nil
	}
	_, err := p.decoder.ReadToken()
	switch {
	case errors.Is(err, io.EOF) && content != raw: // it is compressed, and of nothing
		p.err = io.EOF
		return p, nil
	case err != nil:
		return nil, p.broken(err)
	}
	return nil, p.malformed("the file has no records")
}

// undecodable makes an error of a body that does not begin as what it seems to be.
func (p *Page) undecodable(err error) error {
	p.in = &allowance{err: err}
	return p.broken(err)
}
