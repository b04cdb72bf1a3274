package elasticsearch_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

const (
	dataset    = "microsoft_defender_endpoint.log"
	dataStream = "logs-" + dataset + "-default"
	canary     = outputtest.Canary // in every document and credential: must not show
	apiKey     = "id:" + canary
)

// What the tests of all outputs share.
var (
	newReporter = outputtest.NewReporter
	compare     = outputtest.Compare
)

// sink is a fake Elasticsearch behind a server.
type sink struct {
	*elasticsearchtest.Server
	url string
	log bytes.Buffer
}

func newSink(t testing.TB, o elasticsearchtest.Options) *sink {
	e := elasticsearchtest.New(o)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Cleanup(e.Heal)
	return &sink{Server: e, url: server.URL}
}

// connect makes an output to the sink that waits only milliseconds.
func (s *sink) connect(t testing.TB, r output.Reporter, settings map[string]any) output.Output {
	t.Helper()
	source := map[string]any{"hosts": s.url, "backoff": map[string]any{"init": "1ms", "max": "5ms"}}
	maps.Copy(source, settings)
	out, err := elasticsearch.New(source, r, slog.New(slog.NewJSONHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

func newBatch(first, n, size int) *inputs.Batch {
	stream := inputs.DataStream{Type: "logs", Dataset: dataset, Namespace: "default"}
	b := inputs.NewBatch(inputs.Target{DataStream: stream}, n+1, 64<<20)
	b.Fallback = inputstest.Forms{}
	for i := range n {
		d := ecs.Document{ID: fmt.Sprintf("doc-%d", first+i), Timestamp: time.UnixMilli(1_700_000_000_000)}
		d.Set("data_stream.type", ecs.Text(stream.Type))
		d.Set("data_stream.dataset", ecs.Text(stream.Dataset))
		d.Set("data_stream.namespace", ecs.Text(stream.Namespace))
		d.Set("message", ecs.Text(canary))
		for k := 0; k < size; k += 100 {
			d.Set(fmt.Sprintf("microsoft.defender_endpoint.field_%d", k), ecs.Text(fmt.Sprintf("%080d", (first+i)*7919*(k+1))))
		}
		b.Add(&d, []byte(`{"id":"`+canary+`"}`))
	}
	return b
}

func publish(t testing.TB, out output.Output, b *inputs.Batch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	if err := out.Publish(ctx, b); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	inputstest.RunPublisherContract(t, func(t *testing.T) inputstest.Subject {
		r := newReporter()
		var tried chan<- struct{}
		var mu sync.Mutex
		s := newSink(t, elasticsearchtest.Options{APIKey: apiKey, OnRequest: func(*http.Request) {
			mu.Lock()
			defer mu.Unlock()
			select {
			case tried <- struct{}{}:
			default:
			}
		}})
		return inputstest.Subject{
			Publisher: s.connect(t, r, map[string]any{"api_key": apiKey, "bulk_max_size": 20.0, "worker": 2.0}),
			Documents: s.published,
			Down: func(c chan<- struct{}) {
				mu.Lock()
				defer mu.Unlock()
				tried = c
				s.Fault(elasticsearchtest.Fault{Status: http.StatusServiceUnavailable})
			},
			Heal: s.Heal,
			Refuse: func(ids ...string) {
				for _, id := range ids {
					s.Fault(elasticsearchtest.Fault{Item: only(id, elasticsearchtest.ItemFault{Status: http.StatusBadRequest})})
				}
			},
			Refusals: r.RefusedIDs,
			KnowsIDs: true,
		}
	})
}

func (s *sink) published() (all []inputstest.Document) {
	for _, name := range s.DataStreams() {
		documents := s.Documents(name)
		for i, id := range s.IDs(name) {
			all = append(all, inputstest.Document{DataStream: name, ID: id, JSON: documents[i]})
		}
	}
	return all
}

func only(id string, f elasticsearchtest.ItemFault) func(elasticsearchtest.Document) elasticsearchtest.ItemFault {
	return func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
		if d.ID == id {
			return f
		}
		return elasticsearchtest.ItemFault{}
	}
}

func every(f elasticsearchtest.ItemFault) func(elasticsearchtest.Document) elasticsearchtest.ItemFault {
	return func(elasticsearchtest.Document) elasticsearchtest.ItemFault { return f }
}

// troubles are answers that are no verdict, and how each is reported.
var troubles = map[string]struct {
	fault elasticsearchtest.Fault
	want  string // report
}{
	"401":               {elasticsearchtest.Fault{Status: 401}, "bulk: credentials refused (HTTP 401): security_exception: check api_key, or username and password"},
	"403":               {elasticsearchtest.Fault{Status: 403}, "bulk: privilege missing (HTTP 403): security_exception: grant auto_configure and create_doc on the data streams"},
	"404":               {elasticsearchtest.Fault{Status: 404}, "bulk: request refused (HTTP 404): index_not_found_exception: check hosts, path and parameters"},
	"429":               {elasticsearchtest.Fault{Status: 429}, "bulk: busy (HTTP 429): es_rejected_execution_exception"},
	"500":               {elasticsearchtest.Fault{Status: 500}, "bulk: server error (HTTP 500): exception"},
	"503":               {elasticsearchtest.Fault{Status: 503}, "bulk: server error (HTTP 503): unavailable_shards_exception"},
	"redirect":          {elasticsearchtest.Fault{Status: 307}, "bulk: request refused (HTTP 307): exception: redirected: set hosts to the address of Elasticsearch itself"},
	"connection cut":    {elasticsearchtest.Fault{Drop: true}, "bulk: unreachable: connection closed before the answer"},
	"answer lost":       {elasticsearchtest.Fault{DropAnswer: true}, "bulk: unreachable: connection closed before the answer"},
	"answer is a page":  {elasticsearchtest.Fault{Status: 200, Body: "<html>sign in</html>"}, "bulk: request refused (HTTP 200): the answer is not that of Elasticsearch"},
	"answer is no JSON": {elasticsearchtest.Fault{Answer: answer("{sign in}")}, "bulk: server error: the answer is cut or is no bulk response"},
	"answer is empty":   {elasticsearchtest.Fault{Answer: answer("")}, "bulk: server error: the answer is cut or is no bulk response"},
	"answer of less":    {elasticsearchtest.Fault{Answer: answer(`{"items":[{"create":{"status":201}}]}`)}, "bulk: server error: the answer is cut or is no bulk response"},
	"no status":         {elasticsearchtest.Fault{Answer: answer(`{"items":[{"create":{}},{"create":{}},{"create":{}}]}`)}, "bulk: server error"},
	"answer too long":   {elasticsearchtest.Fault{Answer: answer(strings.Repeat(" ", 17<<20))}, "bulk: server error: the answer is too long"},
	"time-out":          {elasticsearchtest.Fault{Hang: true}, "bulk: silent: no answer in time"},
	"item 429":          {elasticsearchtest.Fault{Item: every(elasticsearchtest.ItemFault{Status: 429})}, "bulk: busy (HTTP 429): es_rejected_execution_exception"},
	"item 503":          {elasticsearchtest.Fault{Item: every(elasticsearchtest.ItemFault{Status: 503})}, "bulk: server error (HTTP 503): unavailable_shards_exception"},
	"item 403": {
		elasticsearchtest.Fault{Item: every(elasticsearchtest.ItemFault{Status: 403})},
		"bulk: privilege missing (HTTP 403): security_exception: grant auto_configure and create_doc on " + dataStream,
	},
}

// Trouble that lasts is reported, nothing is lost, and it heals by itself.
func TestTroubleIsReportedAndWaitedOut(t *testing.T) {
	for name, tt := range troubles {
		t.Run(name, func(t *testing.T) {
			s, r := newSink(t, elasticsearchtest.Options{APIKey: apiKey}), newReporter()
			settings := map[string]any{"api_key": apiKey}
			if tt.fault.Hang {
				settings["timeout"] = "50ms"
			}
			if tt.fault.DropAnswer { // what is stored and not reported: no lesser form in the time until it heals
				settings["backoff"] = map[string]any{"init": "200ms", "max": "200ms"}
			}
			out := s.connect(t, r, settings)
			s.Fault(tt.fault)
			b, done := newBatch(0, 3, 0), make(chan struct{})
			go func() { defer close(done); publish(t, out, b) }()
			report := fmt.Sprint(<-r.Changed)
			s.Heal()
			<-done
			compare(t, "report", tt.want, report)
			compare(t, "after it healed", nil, <-r.Changed)
			compare(t, "documents", 3, s.Count(dataStream))
			compare(t, "verdicts", 3, b.Result.Stored+b.Result.Existing)
			if strings.Contains(report+s.log.String(), canary) {
				t.Error("leaks a credential or a document")
			}
		})
	}
}

func answer(text string) func([]byte) []byte {
	return func([]byte) []byte { return []byte(text) }
}

// A decoder may take an item that is cut at its status for indexed.
func TestCutAnswerAcknowledgesNothing(t *testing.T) {
	for cut := 1; cut < 60; cut++ {
		s := newSink(t, elasticsearchtest.Options{})
		s.Fault(elasticsearchtest.Fault{Times: 1, Item: every(elasticsearchtest.ItemFault{Status: 429}), Answer: func(a []byte) []byte {
			return a[:len(a)-cut]
		}})
		b := newBatch(0, 1, 0)
		publish(t, s.connect(t, newReporter(), nil), b)
		compare(t, "result", inputs.Result{Stored: 1}, b.Result)
		compare(t, "documents", 1, s.Count(dataStream))
	}
}

// What an answer of too few or too many items says of which document is a guess.
func TestOtherNumberOfItemsAcknowledgesNothing(t *testing.T) {
	for name, items := range map[string]string{
		"none": "", "too few": `{"create":{"status":201}}`, "too many": `{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, elasticsearchtest.Options{})
			s.Fault(elasticsearchtest.Fault{Times: 1, Item: every(elasticsearchtest.ItemFault{Status: 429}), Answer: answer(`{"items":[` + items + `]}`)})
			b := newBatch(0, 2, 0)
			publish(t, s.connect(t, newReporter(), nil), b)
			compare(t, "result", inputs.Result{Stored: 2}, b.Result)
			compare(t, "documents", 2, s.Count(dataStream))
		})
	}
}

// A server that answers before it has read the body leaves net/http reading
// the exchange's buffer: it must not be filled again meanwhile.
func TestEarlyAnswerDoesNotSpoilTheNextRequest(t *testing.T) {
	var n atomic.Int32
	e := elasticsearchtest.New(elasticsearchtest.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		e.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s := &sink{Server: e, url: server.URL}
	out := s.connect(t, newReporter(), map[string]any{"compression_level": 0.0})
	for i := range 2 {
		publish(t, out, newBatch(i*2000, 2000, 2500))
	}
	compare(t, "documents", 4_000, s.Count(dataStream))
	compare(t, "rejected", 0, s.Stats().Rejected)
}

func TestRequest(t *testing.T) {
	var got *http.Request
	s := newSink(t, elasticsearchtest.Options{Username: "u", Password: canary, OnRequest: func(r *http.Request) { got = r.Clone(t.Context()) }})
	host := strings.Replace(s.url, "http://", "http://u:"+canary+"@", 1) + "/proxied/es/"
	out := s.connect(t, newReporter(), map[string]any{
		"hosts": []any{host}, "headers": map[string]any{"X-Own": "1"}, "parameters": map[string]any{"routing": "r"}, "pipeline": "p",
	})
	b := newBatch(0, 2, 0)
	publish(t, out, b)
	compare(t, "path", "/proxied/es/_bulk", got.URL.Path)
	compare(t, "routing", "r", got.URL.Query().Get("routing"))
	compare(t, "require_data_stream", "", got.URL.Query().Get("require_data_stream"))
	compare(t, "encoding", "gzip", got.Header.Get("Content-Encoding"))
	compare(t, "own header", "1", got.Header.Get("X-Own"))
	compare(t, "documents", string(b.At(0).JSON), string(s.Documents(dataStream)[0]))
}

func TestPipelineOfTheStreamWins(t *testing.T) {
	var pipelines []string
	s := newSink(t, elasticsearchtest.Options{OnDocument: func(d elasticsearchtest.Document) { pipelines = append(pipelines, d.Pipeline) }})
	out := s.connect(t, newReporter(), map[string]any{"pipeline": "output"})
	publish(t, out, newBatch(0, 1, 0))
	b := newBatch(1, 1, 0)
	b.Target.Options = map[string]string{"pipeline": "stream"}
	publish(t, out, b)
	compare(t, "pipelines", []string{"output", "stream"}, pipelines)
}

func TestCredentialsInTheHeader(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"api key": {"api_key": apiKey},
		"user":    {"username": "u", "password": canary},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, elasticsearchtest.Options{APIKey: apiKey, Username: "u", Password: canary})
			b := newBatch(0, 1, 0)
			publish(t, s.connect(t, newReporter(), settings), b)
			compare(t, "result", inputs.Result{Stored: 1}, b.Result)
		})
	}
}

func TestOtherHostTakesOver(t *testing.T) {
	for name, balance := range map[string]bool{"loadbalance": true, "one after the other": false} {
		t.Run(name, func(t *testing.T) {
			dead := httptest.NewServer(http.NotFoundHandler())
			dead.Close()
			s, r := newSink(t, elasticsearchtest.Options{}), newReporter()
			out := s.connect(t, r, map[string]any{"hosts": []any{dead.URL, s.url}, "loadbalance": balance})
			for i := range 4 {
				publish(t, out, newBatch(i, 1, 0))
			}
			compare(t, "documents", 4, s.Count(dataStream))
			r.ExpectWell(t)
		})
	}
}

func TestUnreachableNamesTheHost(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	s, r := &sink{url: strings.Replace(dead.URL, "//", "//u:"+canary+"@", 1)}, newReporter()
	out := s.connect(t, r, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- out.Publish(ctx, newBatch(0, 1, 0)) }()
	report := fmt.Sprint(<-r.Changed)
	cancel()
	<-done
	compare(t, "report", fmt.Sprintf("bulk: unreachable: dial tcp %s: connect: connection refused", dead.URL[len("http://"):]), report)
}

func TestTLS(t *testing.T) {
	e := elasticsearchtest.New(elasticsearchtest.Options{})
	server := httptest.NewUnstartedServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	s := &sink{Server: e, url: server.URL}
	b := newBatch(0, 1, 0)
	publish(t, s.connect(t, newReporter(), map[string]any{"ssl.certificate_authorities": pemOf(server)}), b)
	compare(t, "result", inputs.Result{Stored: 1}, b.Result)

	r := newReporter()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	stranger := s.connect(t, r, nil)
	go func() { done <- stranger.Publish(ctx, newBatch(0, 1, 0)) }()
	report := fmt.Sprint(<-r.Changed)
	cancel()
	<-done
	if !strings.HasPrefix(report, "bulk: unreachable: ") || !strings.Contains(report, "x509") {
		t.Errorf("report %q", report)
	}
}

func TestDeadLetterIndexIsNamedInTheLog(t *testing.T) {
	s := newSink(t, elasticsearchtest.Options{})
	s.connect(t, newReporter(), map[string]any{"non_indexable_policy": map[string]any{"dead_letter_index": map[string]any{"index": "x"}}})
	compare(t, "log lines", 1, strings.Count(s.log.String(), "\n"))
}

// BenchmarkPublish publishes 30,000 documents of 2.5 KB in batches of 1,600.
func BenchmarkPublish(b *testing.B) {
	const documents, size = 30_000, 2500
	var batches []*inputs.Batch
	for first := 0; first < documents; first += inputs.BatchDocuments {
		batches = append(batches, newBatch(first, min(inputs.BatchDocuments, documents-first), size))
	}
	bytes := 0
	for _, batch := range batches {
		for i := range batch.Len() {
			bytes += len(batch.At(i).JSON)
		}
	}
	for _, level := range []float64{0, 1, 5} {
		b.Run(fmt.Sprintf("gzip-%v", level), func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				s := newSink(b, elasticsearchtest.Options{CountOnly: true})
				out := s.connect(b, newReporter(), map[string]any{"compression_level": level})
				for _, batch := range batches {
					publish(b, out, batch)
				}
				if n := s.Count(dataStream); n != documents {
					b.Fatalf("%d documents stored", n)
				}
			}
		})
	}
}

func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
