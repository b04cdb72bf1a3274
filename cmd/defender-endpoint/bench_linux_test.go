package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// job is what is measured: all of a stream once, from the API to Elasticsearch.
type job struct {
	stream string // last part of the dataset
	tenant defendertest.Options
	page   string // all of it
}

// jobs come to 30,000 documents each, the alerts to 35 MB from the API.
var jobs = map[string]job{
	"alerts": {"log", defendertest.Options{Alerts: 10_000, EvidencePerAlert: 3},
		"/api/alerts?$orderby=lastUpdateTime&$top=10000&$expand=evidence"},
	"machines": {"machine", defendertest.Options{Machines: jobDocuments, PageSize: jobDocuments}, "/api/machines"},
}

const jobDocuments = 30_000

// BenchmarkFloor does only what cannot be avoided: it reads the answer over
// HTTP, scans it as JSON tokens, and writes the bytes that the pipeline would
// write, gzip-compressed at the same level, over HTTP.
func BenchmarkFloor(b *testing.B) {
	for name, j := range jobs {
		b.Run(name, func(b *testing.B) { benchmarkFloor(b, j) })
	}
}

func benchmarkFloor(b *testing.B, j job) {
	p := startPeer(b, j.tenant)
	requests := bulkRequests(b, j, p)
	token := p.token(b)
	var zipped bytes.Buffer
	zip, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	measure(b, func() {
		body := p.get(b, j.page, token)
		dec := jsontext.NewDecoder(body)
		var err error
		for err == nil {
			_, err = dec.ReadToken()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		_ = body.Close()
		for _, request := range requests {
			zipped.Reset()
			zip.Reset(&zipped)
			_, _ = zip.Write(request)
			_ = zip.Close()
			response, err := http.Post(p.URL+"/drain", "application/x-ndjson", bytes.NewReader(zipped.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			_ = response.Body.Close()
		}
	})
}

// BenchmarkPipeline does the whole job.
func BenchmarkPipeline(b *testing.B) {
	for name, j := range jobs {
		b.Run(name, func(b *testing.B) {
			benchmarkPipeline(b, j, func(p *peer) (output.Output, error) {
				settings := map[string]any{"hosts": []any{p.URL}, "api_key": "id:key"}
				return elasticsearch.New(settings, trouble{b}, slog.New(slog.DiscardHandler))
			})
		})
	}
	b.Run("alerts-shipper", func(b *testing.B) {
		benchmarkPipeline(b, jobs["alerts"], func(p *peer) (output.Output, error) {
			return shipper.New(p.Shipper, "unit", trouble{b}, slog.New(slog.DiscardHandler))
		})
	})
	// Without compression, for what the outputs themselves cost.
	for name, connect := range map[string]func(*peer) (output.Output, error){
		"elasticsearch": func(p *peer) (output.Output, error) {
			settings := map[string]any{"hosts": []any{p.URL}, "api_key": "id:key", "compression_level": 0}
			return elasticsearch.New(settings, trouble{b}, slog.New(slog.DiscardHandler))
		},
		"logstash": func(p *peer) (output.Output, error) {
			p.Logstash["compression_level"] = 0
			return logstash.New(p.Logstash, trouble{b}, slog.New(slog.DiscardHandler))
		},
		"kafka": func(p *peer) (output.Output, error) {
			p.Kafka["compression"] = "none"
			return kafka.New(p.Kafka, trouble{b}, slog.New(slog.DiscardHandler))
		},
	} {
		b.Run("alerts-plain-"+name, func(b *testing.B) { benchmarkPipeline(b, jobs["alerts"], connect) })
	}
}

func benchmarkPipeline(b *testing.B, j job, connect func(*peer) (output.Output, error)) {
	p := startPeer(b, j.tenant)
	measure(b, func() {
		// Another index each time, so that the other side does not know the ids.
		namespace := fmt.Sprintf("n%d", time.Now().UnixNano())
		before := p.stored(b)
		out, err := connect(p)
		if err != nil {
			b.Fatal(err)
		}
		collect(b, j, p, namespace, out)
		if err := out.Close(); err != nil {
			b.Fatal(err)
		}
		if n := p.stored(b) - before; n != jobDocuments {
			b.Fatalf("%d documents stored, want %d", n, jobDocuments)
		}
	})
}

// measure runs f and tells what it cost per document: memory, and CPU time, user
// and system, which other work on the machine disturbs less than the time passed.
func measure(b *testing.B, f func()) {
	b.Helper()
	f() // connections, buffers
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, documents := cpuTime(), 0.0
	for b.Loop() {
		f()
		documents += jobDocuments
	}
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(cpu.Nanoseconds())/documents, "cpu-ns/doc")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/documents, "B/doc")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/documents, "allocs/doc")
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// collect runs a job's stream once from the peer's tenant to a publisher.
func collect(tb testing.TB, j job, p *peer, namespace string, out inputs.Publisher) {
	tb.Helper()
	streams, err := defender.New("bench").Streams(inputs.Unit{ID: "defender-1", Namespace: namespace, Source: map[string]any{
		"tenant_id": defendertest.TenantID, "client_id": defendertest.ClientID, "client_secret": defendertest.ClientSecret,
		"url": p.URL, "login_url": p.URL, "batch_size": 10_000,
		"streams": []any{map[string]any{"id": "s", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + j.stream}}},
	}})
	if err = errors.Join(err, streams[0].Fault); err != nil {
		tb.Fatal(err)
	}
	err = streams[0].Run(context.Background(), inputs.Env{
		Agent:     inputs.Agent{ID: "agent-id", Name: "collector.example", Type: "defender-endpoint", Version: "9.5.2", EphemeralID: "ephemeral-id"},
		Publisher: out, Cursors: &inputstest.Cursors{}, Reporter: silent{},
		Log: slog.New(slog.DiscardHandler), Once: true, Grace: time.Second,
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// bulkRequests are the bodies of the bulk requests that the job makes.
func bulkRequests(tb testing.TB, j job, p *peer) [][]byte {
	tb.Helper()
	recorder := &recorder{}
	collect(tb, j, p, "default", recorder)
	if n := recorder.documents.Load(); n != jobDocuments {
		tb.Fatalf("%d documents, want %d", n, jobDocuments)
	}
	return recorder.requests
}

// recorder is a Publisher that keeps what a bulk request would hold.
type recorder struct {
	requests  [][]byte
	documents atomic.Int64
}

func (r *recorder) Publish(_ context.Context, b *inputs.Batch) error {
	var request []byte
	for i := range b.Len() {
		d := b.At(i)
		request = fmt.Appendf(request, `{"create":{"_id":%q,"_index":%q}}`+"\n%s\n", d.ID, b.Target.Name(), d.JSON)
	}
	r.requests = append(r.requests, request)
	r.documents.Add(int64(b.Len()))
	b.Result.Stored = b.Len()
	return nil
}

// trouble fails a benchmark whose output is in trouble.
type trouble struct{ testing.TB }

func (t trouble) Report(err error) {
	if err != nil {
		t.Error(err)
	}
}
func (t trouble) Refused(r output.Refusal) { t.Errorf("refused: %+v", r) }
func (t trouble) Delivered(inputs.Result)  {}

// silent is a Reporter of a stream.
type silent struct{}

func (silent) Report(error)        {}
func (silent) Count(inputs.Counts) {}
