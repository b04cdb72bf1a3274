package elasticsearch_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// refusalOf is what is reported of a document of newBatch.
func refusalOf(id string, r inputs.Refusal) output.Refusal {
	return output.Refusal{Refusal: r, Target: dataStream, ID: id, Record: "record of " + id}
}

func TestItemVerdicts(t *testing.T) {
	s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
	out := s.connect(t, r, nil)
	publish(t, out, newBatch(0, 1, 0)) // doc-0 exists from now on
	s.Fault(elasticsearchtest.Fault{Item: only("doc-1", elasticsearchtest.ItemFault{
		Status: 400, Reason: "[1:42] failed to parse field [event.severity] of type [long] in document with id 'x'. Preview of field's value: '" + canary + "'",
	})})
	s.Fault(elasticsearchtest.Fault{Item: only("doc-2", elasticsearchtest.ItemFault{FailureStore: true})})
	s.Fault(elasticsearchtest.Fault{Item: only("doc-3", elasticsearchtest.ItemFault{Status: 429}), Times: 2})
	s.Fault(elasticsearchtest.Fault{Item: only("doc-4", elasticsearchtest.ItemFault{Status: 400, Type: "has " + canary})})
	b := newBatch(0, 6, 0)
	publish(t, out, b)
	compare(t, "result", inputs.Result{Stored: 2, Existing: 1, Minimal: 3, KeptAside: 1}, b.Result)
	compare(t, "refusals", []output.Refusal{
		refusalOf("doc-1", inputs.Refusal{Status: 400, Type: "document_parsing_exception", Field: "event.severity"}),
		refusalOf("doc-2", inputs.Refusal{Status: 201, Type: "failure_store", KeptAside: true}),
		refusalOf("doc-4", inputs.Refusal{Status: 400}),
	}, r.Refusals())
	compare(t, "ids", []string{"doc-0", "doc-5", "doc-3", "doc-1-minimal", "doc-2-minimal", "doc-4-minimal"}, s.IDs(dataStream))
}

func TestTooLargeIsHalvedAndASingleOneGoesInALesserForm(t *testing.T) {
	s, r := newSink(t, elasticsearchtest.Options{MaxBody: 20_000}), newReporter()
	b := newBatch(0, 40, 1000)
	big := newBatch(40, 1, 50_000)
	out := s.connect(t, r, map[string]any{"compression_level": 0.0})
	publish(t, out, b)
	publish(t, out, big)
	compare(t, "result", inputs.Result{Stored: 40}, b.Result)
	compare(t, "result of a single one", inputs.Result{Minimal: 1}, big.Result)
	compare(t, "refusals", []output.Refusal{refusalOf("doc-40", inputs.Refusal{Status: 413, Type: "request_too_large"})}, r.Refusals())
	r.ExpectWell(t)
}

// TestClusterTroubleIsWaitedOut: what the cluster or the index is the cause of
// degrades no document, no matter who else gets through.
func TestClusterTroubleIsWaitedOut(t *testing.T) {
	type item = elasticsearchtest.ItemFault
	for name, tt := range map[string]struct {
		fault item
		want  string
	}{
		"shard limit":         {item{Status: 400, Type: "validation_exception"}, "bulk: no room for another index (HTTP 400): validation_exception"},
		"index closed":        {item{Status: 400, Type: "index_closed_exception"}, "bulk: index missing or closed (HTTP 400): index_closed_exception"},
		"index missing":       {item{Status: 404}, "bulk: index missing or closed (HTTP 404): index_not_found_exception"},
		"of a type not known": {item{Status: 404, Type: "new_exception"}, "bulk: index missing or closed (HTTP 404): new_exception"},
		"something missing":   {item{Status: 404, Type: "resource_not_found_exception"}, "bulk: pipeline missing (HTTP 404): resource_not_found_exception"},
		"request time-out":    {item{Status: 408, Type: "process_cluster_event_timeout_exception"}, "bulk: server error (HTTP 408): process_cluster_event_timeout_exception"},
		"write block":         {item{Status: 403, Type: "cluster_block_exception"}, "bulk: index blocked (HTTP 403): cluster_block_exception"},
		"disk full":           {item{Status: 429, Type: "cluster_block_exception"}, "bulk: disk full (HTTP 429): cluster_block_exception"},
		"model not started":   {item{Status: 409, Type: "status_exception", Unrouted: true}, "bulk: server error (HTTP 409): status_exception"},
		"pipeline not there":  {item{Status: 400, Type: "illegal_argument_exception", Unrouted: true, Reason: "pipeline with id [p] does not exist"}, "publish: refused in every form (HTTP 400): illegal_argument_exception"},
		"in words not known":  {item{Status: 400, Type: "illegal_argument_exception", Unrouted: true, Reason: "no such thing"}, "publish: refused in every form (HTTP 400): illegal_argument_exception"},
		"in a type not known": {item{Status: 400, Type: "new_exception", Unrouted: true}, "publish: refused in every form (HTTP 400): new_exception"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			out := s.connect(t, r, nil)
			s.Fault(elasticsearchtest.Fault{Item: every(tt.fault)})
			b, done := newBatch(0, 20, 0), make(chan struct{})
			go func() { defer close(done); publish(t, out, b) }()
			report := fmt.Sprint(<-r.Changed)
			s.Heal()
			<-done
			compare(t, "report", tt.want, report)
			compare(t, "after it healed", nil, <-r.Changed)
			if b.Result.Stored < 19 {
				t.Errorf("%+v, want all in full but perhaps the probe", b.Result)
			}
		})
	}
}

// TestDocumentsToBlame: the same type with other words, or seen by a backing
// index, is about the document.
func TestDocumentsToBlame(t *testing.T) {
	type item = elasticsearchtest.ItemFault
	for name, tt := range map[string]struct {
		fault item
		field string
	}{
		"parsing":         {item{Status: 400, Type: "mapper_parsing_exception", Reason: "failed to parse field [host.ip] of type [ip]"}, "host.ip"},
		"strict":          {item{Status: 400, Type: "strict_dynamic_mapping_exception", Reason: "mapping set to strict, dynamic introduction of [new] within [_doc] is not allowed"}, "new"},
		"mapping changes": {item{Status: 400, Type: "illegal_argument_exception", Reason: "mapper [a.b] cannot be changed from type [long] to [text]"}, "a.b"},
		"immense term":    {item{Status: 400, Type: "illegal_argument_exception", Reason: `Document contains at least one immense term in field="message" (whose UTF8 encoding is longer than the max length 32766)`}, "message"},
		"depth":           {item{Status: 400, Type: "illegal_argument_exception", Reason: "Limit of mapping depth [20] has been exceeded"}, ""},
		"unknown type":    {item{Status: 400, Type: "new_exception"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			s.Fault(elasticsearchtest.Fault{Item: only("doc-1", tt.fault)})
			b := newBatch(0, 3, 0)
			publish(t, s.connect(t, r, nil), b)
			compare(t, "result", inputs.Result{Stored: 2, Minimal: 1}, b.Result)
			compare(t, "refusals", []output.Refusal{refusalOf("doc-1", inputs.Refusal{Status: tt.fault.Status, Type: tt.fault.Type, Field: tt.field})}, r.Refusals())
		})
	}
}

// TestDoubtIsResolvedWithOneDocument: where an answer that is about the index in
// one wording and about documents in the other meets all of them, and no backing
// index has seen any, one goes in a lesser form, and then all in full: the index may
// have healed meanwhile.
func TestDoubtIsResolvedWithOneDocument(t *testing.T) {
	for name, tt := range map[string]struct {
		unrouted bool
		kind     string
		want     inputs.Result
	}{
		"no backing index has seen them":                     {true, "illegal_argument_exception", inputs.Result{Stored: 3}},
		"a backing index has":                                {false, "illegal_argument_exception", inputs.Result{Minimal: 3}},
		"no backing index has, and the type leaves no doubt": {true, "document_parsing_exception", inputs.Result{Minimal: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, elasticsearchtest.Options{})
			s.Fault(elasticsearchtest.Fault{Times: 1, Item: every(elasticsearchtest.ItemFault{
				Status: 400, Type: tt.kind, Unrouted: tt.unrouted,
			})})
			b := newBatch(0, 3, 0)
			publish(t, s.connect(t, newReporter(), nil), b)
			compare(t, "result", tt.want, b.Result)
		})
	}
}

// TestFailureStoreGetsNoFurtherCopy: where all goes to the failure store, it gets
// each full document once, and then what one probe makes.
func TestFailureStoreGetsNoFurtherCopy(t *testing.T) {
	s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
	out := s.connect(t, r, map[string]any{"backoff": map[string]any{"init": "1ms", "max": "200ms"}})
	s.Fault(elasticsearchtest.Fault{Item: every(elasticsearchtest.ItemFault{FailureStore: true})})
	b, done := newBatch(0, 100, 0), make(chan struct{})
	go func() { defer close(done); publish(t, out, b) }()
	compare(t, "report", "publish: refused in every form (HTTP 201): failure_store", fmt.Sprint(<-r.Changed))
	time.Sleep(time.Second)
	stats := s.Stats()
	if stats.FailureStore != 100+stats.Requests-1 {
		t.Errorf("%d copies in the failure store after %d requests, want each document's and one for each probe", stats.FailureStore, stats.Requests)
	}
	s.Heal()
	<-done
	if b.Result.Stored < 99 {
		t.Errorf("%+v, want all in full but perhaps the probe", b.Result)
	}
}

const page = "<html><body>Your request was blocked. Support ID 4711</body></html>"

// TestFirewallThatDislikesWords: a whole request is refused for one document, be it
// with a status of its own, with a page in place of the answer, or by closing the
// connection.
func TestFirewallThatDislikesWords(t *testing.T) {
	for name, fault := range map[string]elasticsearchtest.Fault{
		"400": {Status: 400, Body: page}, "403": {Status: 403, Body: page}, "406": {Status: 406, Body: page}, "500": {Status: 500, Body: page},
		"page": {Status: 200, Body: page}, "JSON": {Status: 200, Body: `{"support_id":"4711"}`}, "closed": {Drop: true}, "redirected": {Status: 302, Body: page},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			fault.Match = func(body []byte) bool {
				return bytes.Contains(body, []byte(`"doc-7"`)) || bytes.Contains(body, []byte(`"doc-7-minimal"`))
			}
			s.Fault(fault)
			b := newBatch(0, 20, 0)
			publish(t, s.connect(t, r, nil), b)
			compare(t, "result", inputs.Result{Stored: 19, Bare: 1}, b.Result)
			compare(t, "refusals", []output.Refusal{refusalOf("doc-7", inputs.Refusal{Status: fault.Status, Type: "request_refused"})}, r.Refusals())
		})
	}
}

// TestWhatNoDocumentCausedIsNotSplit: credentials and privileges are trouble of the
// output, and so is a proxy behind which nobody answers, however many documents
// there are.
func TestWhatNoDocumentCausedIsNotSplit(t *testing.T) {
	for status, body := range map[int]string{401: "", 403: "", 502: page, 503: page, 504: page} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			out := s.connect(t, r, nil)
			smaller := make(chan int, 100)
			s.Fault(elasticsearchtest.Fault{Status: status, Body: body, Match: func(body []byte) bool {
				select {
				case smaller <- strings.Count(string(body), `"create"`):
				default:
				}
				return true
			}})
			b, done := newBatch(0, 20, 0), make(chan struct{})
			go func() { defer close(done); publish(t, out, b) }()
			<-r.Changed
			for range 20 {
				compare(t, "documents in a request", 20, <-smaller)
			}
			s.Heal()
			<-done
			compare(t, "result", inputs.Result{Stored: 20}, b.Result)
		})
	}
}

// TestThrottlingIsNoRefusal: a proxy that says 429 or 408, and says so with a page
// of its own, never makes a document the cause.
func TestThrottlingIsNoRefusal(t *testing.T) {
	for _, status := range []int{408, 429} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			s.Fault(elasticsearchtest.Fault{Status: status, Body: page, Times: 20, Match: func(body []byte) bool {
				return bytes.Contains(body, []byte(`"doc-7"`)) // a lesser form of it would get through
			}})
			b := newBatch(0, 20, 0)
			publish(t, s.connect(t, r, nil), b)
			compare(t, "result", inputs.Result{Stored: 20}, b.Result)
		})
	}
}
