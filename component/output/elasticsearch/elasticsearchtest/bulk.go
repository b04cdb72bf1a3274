package elasticsearchtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

// exchange is the memory that one bulk request needs, used again by later ones.
type exchange struct {
	unzip        *gzip.Reader
	body, answer bytes.Buffer
	items        []bulkItem
	failed       bool
}

// bulkItem is one operation of a bulk request.
type bulkItem struct {
	Document
	status int // 0: may be stored
	fault  ItemFault
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func (e *Server) bulk(w http.ResponseWriter, r *http.Request) {
	faults, healed := e.begin()
	x := exchanges.Get().(*exchange)
	defer exchanges.Put(x)
	if status := x.read(w, r, e.options.MaxBody); status != 0 {
		refuse(w, status)
		return
	}
	faults = slices.DeleteFunc(faults, func(f Fault) bool { return f.Match != nil && !f.Match(x.body.Bytes()) })
	for _, f := range faults {
		f.hold(r.Context(), healed)
		if f.Drop {
			panic(http.ErrAbortHandler)
		}
		if f.Status != 0 && f.Body != "" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, f.Body)
			return
		}
		if f.Status != 0 {
			refuse(w, f.Status)
			return
		}
	}
	if err := x.parse(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		refuseAs(w, http.StatusBadRequest, err.Error())
		return
	}
	for i := range x.items {
		x.items[i].judge(faults)
	}
	e.store(x)
	answer := x.finish(r.URL.Query().Has("filter_path"))
	for _, f := range faults {
		if f.DropAnswer {
			panic(http.ErrAbortHandler)
		}
		if f.Answer != nil {
			answer = f.Answer(answer)
		}
	}
	_, _ = w.Write(answer)
}

// begin counts a request and takes the rules that apply to it.
func (e *Server) begin() ([]Fault, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Requests++
	var faults []Fault
	left := e.faults[:0:0]
	for _, f := range e.faults {
		faults = append(faults, *f)
		if f.Times > 0 {
			f.Times--
		}
		if f.Times > 0 || faults[len(faults)-1].Times == 0 {
			left = append(left, f)
		}
	}
	e.faults = left
	return faults, e.healed
}

func (f *Fault) hold(ctx context.Context, healed <-chan struct{}) {
	if f.Hang {
		select {
		case <-healed:
		case <-ctx.Done():
		}
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// read takes the whole body, unzipped. It returns a status if it cannot.
func (x *exchange) read(w http.ResponseWriter, r *http.Request, most int64) int {
	if r.ContentLength > most {
		return http.StatusRequestEntityTooLarge
	}
	var body io.Reader = http.MaxBytesReader(w, r.Body, most)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if x.unzip == nil {
			x.unzip = new(gzip.Reader)
		}
		if err := x.unzip.Reset(body); err != nil {
			return http.StatusBadRequest
		}
		body = x.unzip
	}
	x.body.Reset()
	_, err := x.body.ReadFrom(body)
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case err != nil:
		return http.StatusBadRequest
	default:
		return 0
	}
}

type action struct {
	Index    string `json:"_index"`
	ID       string `json:"_id"`
	Pipeline string `json:"pipeline"`
}

// What parse says of a body, as Elasticsearch's error types.
var (
	errEmpty  = errors.New("parse_exception")
	errAction = errors.New("illegal_argument_exception")
)

// parse splits the body into items. An error refuses the whole request.
func (x *exchange) parse() error {
	x.items = x.items[:0]
	rest := x.body.Bytes()
	if len(rest) == 0 {
		return errEmpty
	}
	if rest[len(rest)-1] != '\n' {
		return errAction
	}
	for len(rest) > 0 {
		var head, source []byte
		head, rest, _ = bytes.Cut(rest, []byte{'\n'})
		if len(bytes.TrimSpace(head)) == 0 {
			continue
		}
		var line struct {
			Create *action `json:"create"`
			Index  *action `json:"index"`
			Update *action `json:"update"`
		}
		err := jsonv2.Unmarshal(head, &line)
		a := cmp.Or(line.Create, line.Index, line.Update)
		if err != nil || a == nil {
			return errAction
		}
		source, rest, _ = bytes.Cut(rest, []byte{'\n'})
		item := bulkItem{Document: Document{DataStream: a.Index, ID: a.ID, Pipeline: a.Pipeline, JSON: source}}
		if line.Create == nil {
			item.status, item.fault = http.StatusBadRequest, ItemFault{Type: "illegal_argument_exception", Unrouted: true}
		}
		x.items = append(x.items, item)
	}
	return nil
}

// judge sets the status of an item that must not be stored.
func (i *bulkItem) judge(faults []Fault) {
	if i.status != 0 {
		return
	}
	for _, f := range faults {
		if f.Item == nil {
			continue
		}
		if v := f.Item(i.Document); v.FailureStore {
			i.status = http.StatusCreated
			return
		} else if v.Status != 0 {
			i.status, i.fault = v.Status, v
			return
		}
	}
	i.look()
}

// look refuses what is no JSON, as the ingest pipeline does that reads it first,
// and what does not belong into its data stream, as a mapping does.
func (i *bulkItem) look() {
	var document struct {
		Timestamp  time.Time `json:"@timestamp"`
		DataStream struct {
			Type      string `json:"type"`
			Dataset   string `json:"dataset"`
			Namespace string `json:"namespace"`
		} `json:"data_stream"`
	}
	err := jsonv2.Unmarshal(i.JSON, &document)
	d := document.DataStream
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		i.status, i.fault = http.StatusBadRequest, ItemFault{Type: "x_content_parse_exception", Unrouted: true}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			i.fault.Type = "x_content_e_o_f_exception"
		}
		return
	}
	if err != nil || document.Timestamp.IsZero() || d.Type+"-"+d.Dataset+"-"+d.Namespace != i.DataStream {
		i.status = http.StatusBadRequest
	}
}

// store puts what passed into its data streams and writes the items' answers.
func (e *Server) store(x *exchange) {
	x.answer.Reset()
	x.failed = false
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range x.items {
		item := &x.items[i]
		s := e.stream(item.DataStream)
		failureStore := item.status == http.StatusCreated
		switch {
		case failureStore:
			e.stats.FailureStore++
		case item.status == 0:
			e.create(s, item)
		}
		if s := item.status; s >= 400 && s < 500 && s != http.StatusConflict && s != http.StatusTooManyRequests {
			e.stats.Rejected++
		}
		if x.answer.Len() > 0 {
			x.answer.WriteByte(',')
		}
		x.failed = x.failed || item.status > 299
		x.add(item, s.generation, failureStore)
	}
}

// create is called with mu held.
func (e *Server) create(s *stream, item *bulkItem) {
	if item.ID == "" {
		item.ID = "generated-" + strconv.Itoa(e.stats.Stored)
	}
	if _, exists := s.writeIndex[item.ID]; exists {
		item.status = http.StatusConflict
		e.stats.Conflicts++
		return
	}
	item.status = http.StatusCreated
	s.writeIndex[item.ID] = struct{}{}
	if s.times[item.ID]++; s.times[item.ID] == 2 {
		e.stats.Duplicates++
	}
	e.stats.Stored++
	s.ids = append(s.ids, item.ID)
	if !e.options.CountOnly {
		s.documents = append(s.documents, bytes.Clone(item.JSON))
	}
	if e.options.OnDocument != nil {
		e.options.OnDocument(item.Document)
	}
}

// add writes one item's answer. As in Elasticsearch, the reason quotes the
// document, so that tests see whether it leaks.
func (x *exchange) add(item *bulkItem, generation int, failureStore bool) {
	buf := &x.answer
	if item.fault.Unrouted {
		_, _ = fmt.Fprintf(buf, `{"create":{"_index":%q,"status":%d`, item.DataStream, item.status)
	} else {
		_, _ = fmt.Fprintf(buf, `{"create":{"_index":".ds-%s-%06d","status":%d`, item.DataStream, generation, item.status)
	}
	if failureStore {
		buf.WriteString(`,"failure_store":"used"`)
	}
	if item.status > 299 {
		cause := cmp.Or(item.fault.Type, errorType(item.status))
		reason, _ := json.Marshal(cmp.Or(item.fault.Reason, "cannot take: "+string(item.JSON[:min(len(item.JSON), 200)])))
		_, _ = fmt.Fprintf(buf, `,"error":{"type":%q,"reason":%s}`, cause, reason)
	}
	buf.WriteString("}}")
}

// finish makes the items' answers a whole one.
func (x *exchange) finish(filtered bool) []byte {
	head := `{"items":[`
	if !filtered {
		head = fmt.Sprintf(`{"errors":%t,"took":1,"items":[`, x.failed)
	}
	answer := make([]byte, 0, len(head)+x.answer.Len()+2)
	answer = append(answer, head...)
	answer = append(answer, x.answer.Bytes()...)
	return append(answer, "]}"...)
}
