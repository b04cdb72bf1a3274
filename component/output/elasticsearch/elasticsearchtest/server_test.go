package elasticsearchtest_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
)

const (
	stream     = "logs-a.b-default"
	elasticDoc = `{"@timestamp":"2024-01-02T03:04:05.678Z","data_stream":{"type":"logs","dataset":"a.b","namespace":"default"}}`
)

func create(id, document string) string {
	return `{"create":{"_index":"` + stream + `","_id":"` + id + `"}}` + "\n" + document + "\n"
}

// bulk sends a body and returns status and answer; status 0 is a cut connection.
func bulk(t *testing.T, url, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/_bulk?filter_path=items", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(answer)
}

func newElasticsearch(t *testing.T, o elasticsearchtest.Options) (*elasticsearchtest.Server, string) {
	e := elasticsearchtest.New(o)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return e, server.URL
}

func TestElasticsearchItems(t *testing.T) {
	long := strings.Replace(elasticDoc, "{", `{"message":"`+strings.Repeat("x", 1<<20)+`",`, 1)
	tests := map[string]struct{ body, want string }{
		"stored":              {create("1", elasticDoc), `"status":201}`},
		"long line":           {create("1", long), `"status":201}`},
		"same id in one body": {create("1", elasticDoc) + create("1", elasticDoc), `"status":409,"error":{"type":"version_conflict_engine_exception"`},
		"no timestamp":        {create("1", `{"data_stream":{"type":"logs","dataset":"a.b","namespace":"default"}}`), `"status":400`},
		"other data stream":   {create("1", strings.Replace(elasticDoc, "a.b", "b.c", 1)), `"type":"document_parsing_exception"`},
		"no JSON":             {create("1", elasticDoc[:40]), `"status":400`},
		"repeated member":     {create("1", elasticDoc[:len(elasticDoc)-1]+`,"a":1,"a":2}`), `"status":400`},
		"index":               {strings.Replace(create("1", elasticDoc), "create", "index", 1), `"type":"illegal_argument_exception"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, url := newElasticsearch(t, elasticsearchtest.Options{})
			if status, answer := bulk(t, url, tt.body, nil); status != 200 || !strings.Contains(answer, tt.want) {
				t.Errorf("%d %s, want %s", status, answer, tt.want)
			}
		})
	}
}

func TestElasticsearchForgetsIdsAtRollover(t *testing.T) {
	e, url := newElasticsearch(t, elasticsearchtest.Options{})
	bulk(t, url, create("1", elasticDoc)+create("2", elasticDoc), nil)
	bulk(t, url, create("1", elasticDoc), nil)
	e.Rollover(stream)
	bulk(t, url, create("1", elasticDoc), nil)
	want := elasticsearchtest.Stats{Requests: 3, Stored: 3, Duplicates: 1, Conflicts: 1}
	if d := cmp.Diff(want, e.Stats()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"1", "2", "1"}, e.IDs(stream)); d != "" {
		t.Error(d)
	}
}

func TestElasticsearchRequests(t *testing.T) {
	basic := func(r *http.Request) { r.SetBasicAuth("u", "p") }
	tests := map[string]struct {
		options elasticsearchtest.Options
		fault   elasticsearchtest.Fault
		body    string
		change  func(*http.Request)
		status  int
		stored  int
	}{
		"api key": {options: elasticsearchtest.Options{APIKey: "id:key"}, status: 200, stored: 1, change: func(r *http.Request) {
			r.Header.Set("Authorization", "ApiKey "+base64.StdEncoding.EncodeToString([]byte("id:key")))
		}},
		"user":            {options: elasticsearchtest.Options{Username: "u", Password: "p"}, change: basic, status: 200, stored: 1},
		"wrong password":  {options: elasticsearchtest.Options{Username: "u", Password: "x"}, change: basic, status: 401},
		"no credentials":  {options: elasticsearchtest.Options{APIKey: "id:key"}, status: 401},
		"too large":       {options: elasticsearchtest.Options{MaxBody: 10}, status: 413},
		"behind a path":   {change: func(r *http.Request) { r.URL.Path = "/any/_bulk" }, status: 200, stored: 1},
		"unknown path":    {change: func(r *http.Request) { r.URL.Path = "/_search" }, status: 404},
		"no last newline": {body: strings.TrimSpace(create("1", elasticDoc)), status: 400},
		"gzip": {change: func(r *http.Request) {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(w, create("1", elasticDoc))
			_ = w.Close()
			r.Body, r.ContentLength = io.NopCloser(&zipped), int64(zipped.Len())
			r.Header.Set("Content-Encoding", "gzip")
		}, status: 200, stored: 1},
		"status":      {fault: elasticsearchtest.Fault{Status: 503}, status: 503},
		"drop":        {fault: elasticsearchtest.Fault{Drop: true}},
		"drop answer": {fault: elasticsearchtest.Fault{DropAnswer: true}, stored: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, url := newElasticsearch(t, tt.options)
			e.Fault(tt.fault)
			if tt.body == "" {
				tt.body = create("1", elasticDoc)
			}
			if status, answer := bulk(t, url, tt.body, tt.change); status != tt.status {
				t.Errorf("status %d, want %d: %s", status, tt.status, answer)
			}
			if n := e.Count(stream); n != tt.stored {
				t.Errorf("%d documents, want %d", n, tt.stored)
			}
		})
	}
}

func TestElasticsearchFaultsEnd(t *testing.T) {
	e, url := newElasticsearch(t, elasticsearchtest.Options{})
	e.Fault(elasticsearchtest.Fault{Status: 429, Times: 2})
	e.Fault(elasticsearchtest.Fault{Status: 503})
	var got []int
	for i := range 4 {
		if i == 3 {
			e.Heal()
		}
		status, _ := bulk(t, url, create("1", elasticDoc), nil)
		got = append(got, status)
	}
	if d := cmp.Diff([]int{429, 429, 503, 200}, got); d != "" {
		t.Error(d)
	}
}
