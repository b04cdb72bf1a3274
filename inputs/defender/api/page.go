package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// envelopeLimit bounds what is around the records, before and after.
	envelopeLimit = 1 << 20
	// passOver is how many times MaxRecord a record may be and still be passed
	// over.
	passOver = 64
	// beginningLimit is how much is shown of a record that is too large.
	beginningLimit = 64 << 10
	// lookahead is read beyond a record: white space and a comma.
	lookahead = 64
)

// Page is one answer while it is being read. It is not safe for concurrent
// use. Reading may pause for any time between two records; the server, though,
// may lose its own patience, which then is a Transient error.
type Page struct {
	x         *exchange
	in        *allowance
	decoder   *jsontext.Decoder
	scrub     func(string) string
	media     string
	limits    string
	asked     time.Time
	maxRecord int
	listed    bool // value was seen
	file      bool // the answer is a file: records without an envelope,
	bracketed bool // or with brackets around them
	oversized bool // the next record is to be passed over
	next      string
	err       error // what ended reading, io.EOF included
}

// newPage reads an answer up to its first record.
func newPage(x *exchange, h http.Header, maxRecord int, scrub func(string) string) (*Page, error) {
	in := &allowance{r: &unmarked{r: x.decoded(h)}, left: envelopeLimit}
	p := &Page{
		x: x, in: in, scrub: scrub, maxRecord: maxRecord,
		decoder: newDecoder(in),
	}
	p.limits = limits(h)
	p.asked = x.asked(h)
	p.media, _, _ = mime.ParseMediaType(h.Get("Content-Type"))
	switch encoding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); encoding {
	case "", "identity", "deflate":
	default:
		return nil, p.malformed("the answer is encoded as " + clean(scrub(encoding), codeLimit))
	}
	opening, err := p.decoder.ReadToken()
	if err != nil {
		return nil, p.broken(err)
	}
	if opening.Kind() != '{' {
		return nil, p.malformed("the answer is no JSON object")
	}
	if err := p.envelope(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if err != nil {
		p.err = err
	}
	return p, nil
}

// Next returns the next record, valid until the next call. After a complete
// and well-formed answer it returns io.EOF; anything else that ends an answer
// is an *Error, or wraps the cause of the context that Open was given.
//
// A record longer than Config.MaxRecord is an error too (IsTooLarge), but not
// the end: the following call continues after it. What is in such a record is
// neither held nor checked; the value returned with the error is its beginning.
func (p *Page) Next() (jsontext.Value, error) {
	if p.err != nil {
		return nil, p.err
	}
	record, err := p.record()
	if e, ok := errors.AsType[*Error](err); ok && e.IsTooLarge() && !p.oversized {
		p.oversized = true
		return p.beginning(), err
	}
	p.err = err
	return record, err
}

// beginning is that of the record that comes next.
func (p *Page) beginning() []byte {
	unread := bytes.TrimLeft(p.decoder.UnreadBuffer(), " \t\r\n,")
	return unread[:min(len(unread), beginningLimit)]
}

func (p *Page) record() (jsontext.Value, error) {
	if p.oversized {
		if err := p.passOverRecord(); err != nil {
			return nil, err
		}
		p.oversized = false
	}
	p.allow(int64(p.maxRecord) + lookahead)
	if p.decoder.PeekKind() == ']' {
		if _, err := p.decoder.ReadToken(); err != nil {
			return nil, p.broken(err)
		}
		p.allow(envelopeLimit)
		if p.file {
			return nil, p.finish()
		}
		return nil, p.envelope()
	}
	record, err := p.decoder.ReadValue()
	switch {
	case errors.Is(err, io.EOF) && p.file && !p.bracketed && p.x.body.err == nil:
		return nil, io.EOF
	case errors.Is(err, errTooLarge):
		e := p.malformed("a record is larger than the limit")
		e.Code, e.Hint = codeTooLarge, ""
		return nil, e
	case err != nil:
		return nil, p.broken(err)
	}
	return record, nil
}

// allow grants n bytes from the decoder's present position.
func (p *Page) allow(n int64) {
	p.in.left = n - int64(len(p.decoder.UnreadBuffer()))
}

// envelope reads members of the outer object: up to the first record, then it
// returns nil, or to the end of the answer, then io.EOF.
func (p *Page) envelope() error {
	for {
		name, err := p.decoder.ReadToken()
		if err != nil {
			return p.broken(err)
		}
		if name.Kind() == '}' {
			return p.finish()
		}
		inside, err := p.member(name.String())
		if inside || err != nil {
			return err
		}
	}
}

// member reads one member of the outer object and reports whether records
// follow now.
func (p *Page) member(name string) (inside bool, err error) {
	switch name {
	case "value":
		opening, err := p.decoder.ReadToken()
		switch {
		case err != nil:
			return false, p.broken(err)
		case opening.Kind() != '[':
			return false, p.malformed("the answer's value is no list")
		case p.listed:
			return false, p.malformed("the answer has two lists")
		}
		p.listed = true
		return true, nil
	case "@odata.nextLink", "@nextLink":
		v, err := p.decoder.ReadValue()
		switch {
		case err != nil:
			return false, p.broken(err)
		case v.Kind() != '"' && v.Kind() != 'n':
			return false, p.malformed("the answer's next link is no text")
		}
		p.next = text(v)
		return false, nil
	case "error":
		v, err := p.decoder.ReadValue()
		if err != nil {
			return false, p.broken(err)
		}
		return false, p.failure(v)
	}
	if err := p.decoder.SkipValue(); err != nil {
		return false, p.broken(err)
	}
	return false, nil
}

// failure is the error of an answer that began well and then reports trouble,
// as a server that streams must.
func (p *Page) failure(v jsontext.Value) error {
	b, ok := parseBody(v)
	if !ok {
		return nil // null, or nobody's error
	}
	return &Error{Op: p.x.op, Status: p.x.call.Status, Kind: Transient,
		Code:      clean(p.scrub(text(b.Code)), codeLimit),
		Message:   clean(p.scrub(text(b.Message)), messageLimit),
		RequestID: clean(p.scrub(text(b.Target)), codeLimit)}
}

// finish checks that nothing follows the outer object, which also leaves the
// connection ready for use.
func (p *Page) finish() error {
	switch _, err := p.decoder.ReadToken(); {
	case err == nil:
		return p.malformed("the answer goes on after its end")
	case !errors.Is(err, io.EOF):
		return p.broken(err)
	case !p.listed && !p.file:
		return p.malformed("the answer has no list of records")
	}
	return io.EOF
}

// broken makes an error of what stopped the decoder.
func (p *Page) broken(err error) error {
	switch {
	case p.x.body.err != nil:
		return broken(p.x.caller, p.x.request, p.x.op, p.x.body.err)
	case errors.Is(err, errTooLarge):
		return p.malformed("the answer is longer around its records, or in one of them, than is read")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return p.x.short()
	case p.in.err != nil:
		return p.malformed("the answer's compression is damaged")
	case p.media != "" && p.media != "application/json":
		return p.malformed("the answer is no JSON but " + clean(p.scrub(p.media), codeLimit))
	}
	return p.malformed("the answer is no valid JSON")
}

func (p *Page) malformed(message string) *Error { return p.x.malformed(message) }

// NextLink is the link to the page after this one, empty if there is none. It
// is known when Next has returned io.EOF.
func (p *Page) NextLink() string {
	if !errors.Is(p.err, io.EOF) {
		return ""
	}
	return p.next
}

// Asked is when the page was asked for, by the server's clock: the answer's Date
// less the time that it took to come. Zero without a Date.
func (p *Page) Asked() time.Time { return p.asked }

// Close ends the call. It may be called at any time and more than once; a page
// that was not read to its end costs its connection.
func (p *Page) Close() error {
	if p.err == nil {
		p.err = &Error{Op: p.x.op, Kind: Other, Message: "the page was closed"}
	}
	p.x.close()
	return nil
}
