package defendertest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const firstPage = "/api/alerts?$orderby=lastUpdateTime&$top=10000&$expand=evidence"

// sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	bytes  int64
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.bytes += int64(len(b)); return len(b), nil }

// BenchmarkServe is a page of 10,000 alerts with three evidence items each:
// alone, over a connection, and out of the middle of a million.
func BenchmarkServe(b *testing.B) {
	b.Run("generate", func(b *testing.B) { benchmarkHandler(b, 10_000, firstPage) })
	b.Run("million", func(b *testing.B) {
		benchmarkHandler(b, 1_000_000, "/api/alerts?$filter=lastUpdateTime+ge+2026-03-01T18:00:00Z&$orderby=lastUpdateTime&$top=10000&$expand=evidence")
	})
	b.Run("connection", func(b *testing.B) {
		tenant := defendertest.New(defendertest.Options{Alerts: 10_000, EvidencePerAlert: 3, Now: midnight})
		server := httptest.NewServer(tenant)
		defer server.Close()
		request, _ := http.NewRequest(http.MethodGet, server.URL+firstPage, nil)
		request.Header.Set("Authorization", "Bearer "+token(b, tenant))
		for b.Loop() {
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, response.Body)
			if err != nil {
				b.Fatal(err)
			}
			_ = response.Body.Close()
			b.SetBytes(n)
		}
	})
}

func benchmarkHandler(b *testing.B, alerts int, url string) {
	tenant := defendertest.New(defendertest.Options{Alerts: alerts, EvidencePerAlert: 3, Now: midnight})
	request := httptest.NewRequest(http.MethodGet, url, nil)
	request.Header.Set("Authorization", "Bearer "+token(b, tenant))
	b.ReportAllocs()
	for b.Loop() {
		s := &sink{header: http.Header{}}
		tenant.ServeHTTP(s, request)
		b.SetBytes(s.bytes)
	}
}
