package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Do makes one request and returns status and body. A body that is not a
// string, bytes or nil is encoded as JSON. The status is 0 where there was no
// answer.
func (e *Engine) Do(ctx context.Context, method, path string, body any) (int, []byte) {
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	case []byte:
		text = b
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return 0, []byte(err.Error())
		}
		text = encoded
	}
	r, err := http.NewRequestWithContext(ctx, method, e.URL+path, bytes.NewReader(text))
	if err != nil {
		return 0, []byte(err.Error())
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.Contains(path, "_bulk") {
		r.Header.Set("Content-Type", "application/x-ndjson")
	}
	if e.Kind == Secured {
		r.SetBasicAuth(superuser, password)
	}
	response, err := e.client.Do(r)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return response.StatusCode, answer
}

// Call makes one request that must succeed, and decodes the answer into *to
// unless that is nil.
func (e *Engine) Call(t testing.TB, method, path string, body, to any) {
	t.Helper()
	status, answer := e.Do(t.Context(), method, path, body)
	if status < 200 || status > 299 {
		t.Fatalf("%s %s: %d %.2000s", method, path, status, answer)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(answer, to); err != nil {
		t.Fatalf("%s %s: %v in %.2000s", method, path, err, answer)
	}
}

// Settings changes settings of an index or data stream; null takes one back.
func (e *Engine) Settings(t testing.TB, target string, settings map[string]any) {
	t.Helper()
	e.Call(t, http.MethodPut, "/"+target+"/_settings?expand_wildcards=all", settings, nil)
}

// Cluster changes settings of the cluster; null takes one back.
func (e *Engine) Cluster(t testing.TB, settings map[string]any) {
	t.Helper()
	e.Call(t, http.MethodPut, "/_cluster/settings", map[string]any{"persistent": settings}, nil)
}

// Rollover gives a data stream a new write index.
func (e *Engine) Rollover(t testing.TB, dataStream string) {
	t.Helper()
	e.Call(t, http.MethodPost, "/"+dataStream+"/_rollover", nil, nil)
}

// IDs are the ids of all documents of a data stream, with how often each is
// there. There may be 100,000 of them.
func (e *Engine) IDs(t testing.TB, dataStream string) map[string]int {
	t.Helper()
	ids := map[string]int{}
	e.search(t, dataStream, map[string]any{"_source": false}, func(h hit) { ids[h.ID]++ })
	return ids
}

// Count is the number of documents of a data stream, and 0 where there is none,
// or no answer.
func (e *Engine) Count(ctx context.Context, dataStream string) int {
	e.Do(ctx, http.MethodPost, "/"+dataStream+"/_refresh", nil)
	var answer struct{ Count int }
	if status, body := e.Do(ctx, http.MethodGet, "/"+dataStream+"/_count", nil); status != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return 0
	}
	return answer.Count
}

// exists reports whether there is a data stream or index.
func (e *Engine) exists(ctx context.Context, name string) bool {
	status, _ := e.Do(ctx, http.MethodHead, "/"+name, nil)
	return status == http.StatusOK
}

// hit is one document that a search found.
type hit struct {
	ID      string          `json:"_id"`
	Ignored []string        `json:"_ignored"`
	Source  json.RawMessage `json:"_source"`
}

// search calls found for each document that a query finds, page by page.
func (e *Engine) search(t testing.TB, dataStream string, query map[string]any, found func(hit)) {
	t.Helper()
	e.Call(t, http.MethodPost, "/"+dataStream+"/_refresh", nil, nil)
	query["size"] = 2000
	type page struct {
		Scroll string `json:"_scroll_id"`
		Hits   struct {
			Hits []hit `json:"hits"`
		} `json:"hits"`
	}
	var p page
	e.Call(t, http.MethodPost, "/"+dataStream+"/_search?scroll=1m", query, &p)
	for len(p.Hits.Hits) > 0 {
		for _, h := range p.Hits.Hits {
			found(h)
		}
		next := map[string]any{"scroll": "1m", "scroll_id": p.Scroll}
		p = page{}
		e.Call(t, http.MethodPost, "/_search/scroll", next, &p)
	}
	e.Call(t, http.MethodDelete, "/_search/scroll", map[string]any{"scroll_id": p.Scroll}, nil)
}
