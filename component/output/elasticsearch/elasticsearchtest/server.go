package elasticsearchtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options shape a Server.
type Options struct {
	// APIKey ("id:key"), or Username and Password, must come with every
	// request. Default: no authentication.
	APIKey, Username, Password string
	// MaxBody is the largest request body in bytes as sent; more is answered
	// with 413. Default: 100 MiB.
	MaxBody int64
	// Denied are data streams that the credentials may not write to, as the
	// look-up of privileges reports; NoPrivileges refuses the look-up itself.
	Denied       []string
	NoPrivileges bool
	// Owned are data streams that Fleet knows, for those who ask by name; NoOwners
	// refuses questions for data streams, NoTemplates those for templates.
	Owned       map[string]Owned
	NoOwners    bool
	NoTemplates bool
	// CountOnly keeps ids only and no documents.
	CountOnly bool
	// OnRequest is called for every request, before anything else.
	OnRequest func(*http.Request)
	// OnDocument is called for every document when it has been stored, in
	// order. It must not call the Server.
	OnDocument func(Document)
}

// Document is a document as it was sent.
type Document struct {
	DataStream, ID, Pipeline string
	JSON                     []byte
}

// Fault is a rule for trouble with bulk requests. All rules in
// force apply to a request in the order in which they were set; the first one
// that answers ends it.
type Fault struct {
	// Times is how many bulk requests the rule applies to. 0: all until Heal.
	Times int
	// Delay holds the request that long, Hang until Heal.
	Delay time.Duration
	Hang  bool
	// Drop cuts the connection before anything is stored.
	Drop bool
	// Status answers the whole request, and nothing is stored.
	Status int
	// Match, if set, limits the rule to requests whose unzipped body it is true of.
	Match func(body []byte) bool
	// Body replaces Elasticsearch's own error in the answer with that Status, as
	// something in front of it gives one.
	Body string
	// Item decides on single documents; the zero ItemFault lets one pass.
	Item func(Document) ItemFault
	// Answer replaces the answer of a request that was stored; DropAnswer cuts
	// the connection instead of answering it.
	Answer     func([]byte) []byte
	DropAnswer bool
}

// ItemFault is the answer for one document that is not stored.
type ItemFault struct {
	Status int
	Type   string // Default: what Elasticsearch says with that status.
	Reason string // Default: one that quotes the document.
	// Unrouted refuses before a backing index was chosen: the answer names the
	// data stream.
	Unrouted bool
	// FailureStore answers 201 and puts the document into the failure store.
	FailureStore bool
}

// Stats count what a Server saw.
type Stats struct {
	Requests     int // bulk requests
	Stored       int // documents
	Duplicates   int // ids stored more than once in a data stream
	Conflicts    int // items answered 409
	Rejected     int // items answered with another 4xx than 409 and 429
	FailureStore int // items in the failure store
}

// Server is an http.Handler that takes bulk requests as Elasticsearch
// does: op create into data streams, ids unique in the write index, documents
// checked. It is safe for concurrent use.
type Server struct {
	options Options

	mu      sync.Mutex
	streams map[string]*stream
	stats   Stats
	faults  []*Fault
	healed  chan struct{} // closed by Heal

	indices    map[string]map[string]json.RawMessage // index to id to document
	indexFault int                                   // status of every request for a document
}

type stream struct {
	generation int
	writeIndex map[string]struct{} // ids
	times      map[string]int      // how often an id was stored
	documents  [][]byte
	ids        []string
}

var _ http.Handler = (*Server)(nil)

// New makes an empty Server.
func New(o Options) *Server {
	o.MaxBody = cmp.Or(o.MaxBody, 100<<20)
	return &Server{options: o, streams: map[string]*stream{}, healed: make(chan struct{}),
		indices: map[string]map[string]json.RawMessage{}}
}

// Fault adds a rule.
func (e *Server) Fault(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &f)
}

// Heal takes all rules back and lets go of what hangs.
func (e *Server) Heal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults, e.indexFault = nil, 0
	close(e.healed)
	e.healed = make(chan struct{})
}

// Rollover gives a data stream a new write index, which knows no ids.
func (e *Server) Rollover(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stream(name)
	s.generation++
	clear(s.writeIndex)
}

// DataStreams are the names of all data streams, sorted.
func (e *Server) DataStreams() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := make([]string, 0, len(e.streams))
	for name := range e.streams {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Documents are a data stream's documents as they were sent, in order. With
// CountOnly there are none.
func (e *Server) Documents(name string) [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.stream(name).documents)
}

// IDs are the ids of a data stream's documents, in order.
func (e *Server) IDs(name string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.stream(name).ids)
}

// Count is the number of documents in a data stream.
func (e *Server) Count(name string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.stream(name).ids)
}

// Stats are the counts up to now.
func (e *Server) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// stream is called with mu held.
func (e *Server) stream(name string) *stream {
	s := e.streams[name]
	if s == nil {
		s = &stream{generation: 1, writeIndex: map[string]struct{}{}, times: map[string]int{}}
		e.streams[name] = s
	}
	return s
}

// ServeHTTP implements http.Handler. A path in front of the known ones is
// ignored, as behind a proxy.
func (e *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.options.OnRequest != nil {
		e.options.OnRequest(r)
	}
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	write := r.Method == http.MethodPost || r.Method == http.MethodPut
	switch {
	case !e.authorized(r):
		refuse(w, http.StatusUnauthorized)
	case read && strings.HasSuffix(r.URL.Path, "/"):
		_, _ = fmt.Fprint(w, `{"name":"fake","cluster_name":"fake","cluster_uuid":"00000000000000000000AA",`+
			`"version":{"number":"9.2.0","build_flavor":"default","lucene_version":"10.3.0"},"tagline":"You Know, for Search"}`)
	case write && strings.HasSuffix(r.URL.Path, "/_bulk"):
		e.bulk(w, r)
	case write && strings.HasSuffix(r.URL.Path, "/_security/user/_has_privileges") && !e.options.NoPrivileges:
		e.privileges(w, r)
	case strings.HasPrefix(r.URL.Path, "/"+stateIndices):
		e.index(w, r)
	default:
		if !read || !e.owner(w, r) {
			refuse(w, http.StatusNotFound)
		}
	}
}

func (e *Server) authorized(r *http.Request) bool {
	o := e.options
	if o.APIKey == "" && o.Username == "" {
		return true
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return false
	}
	if strings.EqualFold(scheme, "ApiKey") {
		return o.APIKey != "" && string(text) == o.APIKey
	}
	return o.Username != "" && strings.EqualFold(scheme, "Basic") && string(text) == o.Username+":"+o.Password
}

// refuse answers a whole request in the shape Elasticsearch gives it.
func refuse(w http.ResponseWriter, status int) {
	if status >= 300 && status < 400 {
		w.Header().Set("Location", "/elsewhere/_bulk")
	}
	w.WriteHeader(status)
	if status == http.StatusRequestEntityTooLarge { // the HTTP layer refuses, which says nothing
		return
	}
	refuseAs(w, status, errorType(status))
}

// refuseAs writes the body of a refused request.
func refuseAs(w io.Writer, status int, kind string) {
	_, _ = fmt.Fprintf(w, `{"error":{"type":%q,"reason":"fault"},"status":%d}`, kind, status)
}

// errorType is what Elasticsearch says with a status.
func errorType(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "document_parsing_exception"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "security_exception"
	case http.StatusNotFound:
		return "index_not_found_exception"
	case http.StatusConflict:
		return "version_conflict_engine_exception"
	case http.StatusTooManyRequests:
		return "es_rejected_execution_exception"
	case http.StatusServiceUnavailable:
		return "unavailable_shards_exception"
	default:
		return "exception"
	}
}
