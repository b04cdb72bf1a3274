package elasticsearch_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestConnectionThatBreaksWhileSending: Elasticsearch answers a request that is too
// large with 413 and closes at once. The rest of the request then breaks the
// connection, at times before the answer was read, and with some proxies always.
// All the same what fits is stored, and one document that never does goes in a
// lesser form.
func TestConnectionThatBreaksWhileSending(t *testing.T) {
	fake := elasticsearchtest.New(elasticsearchtest.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 100_000 {
			fake.ServeHTTP(w, r)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if err := c.(*net.TCPConn).SetLinger(0); err != nil { // what the client sends is not read
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	s, r := &sink{Server: fake, url: server.URL}, newReporter()
	out := s.connect(t, r, map[string]any{"compression_level": 0.0})
	many, one := newBatch(0, 40, 20_000), newBatch(40, 3, 100)
	big := newBatch(43, 1, 300_000)
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() { // get through meanwhile, as they do where one document is the cause
		for i := 100; ctx.Err() == nil; i++ {
			if err := out.Publish(ctx, newBatch(i, 1, 0)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-r.Changed:
			case <-ctx.Done():
			}
		}
	})
	defer others.Wait()
	defer cancel()
	publish(t, out, many)
	publish(t, out, one)
	publish(t, out, big)
	compare(t, "result", inputs.Result{Stored: 40}, many.Result)
	compare(t, "result of small ones", inputs.Result{Stored: 3}, one.Result)
	compare(t, "result of a large one", inputs.Result{Minimal: 1}, big.Result)
	compare(t, "refusals", []output.Refusal{refusalOf("doc-43", inputs.Refusal{Type: "request_refused"})}, r.Refusals())
}
