package defender

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// largest is the largest capture of a resource.
func largest(b *testing.B, r *resource) raw {
	b.Helper()
	files, _ := filepath.Glob(filepath.Join(captures, r.name, "*.json"))
	var record []byte
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		if !strings.HasSuffix(f, ".golden.json") && len(content) > len(record) {
			record = content
		}
	}
	return compact(b, record)
}

// BenchmarkDecode takes a record apart.
func BenchmarkDecode(b *testing.B) {
	for _, r := range resources {
		b.Run(r.name, func(b *testing.B) {
			record := largest(b, r)
			m := newMapper(r, configOf(r), someAgent, time.Now, nil)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				if id, _ := m.Read(record, nil); id == "" {
					b.Fatal("no id")
				}
			}
		})
	}
}

// BenchmarkContent takes a record apart and makes its content, as the loop does for
// bytes that it did not meet before.
func BenchmarkContent(b *testing.B) {
	for _, r := range resources {
		b.Run(r.name, func(b *testing.B) {
			record := largest(b, r)
			m := newMapper(r, configOf(r), someAgent, time.Now, nil)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				m.Read(record, nil)
				if len(m.Content()) == 0 {
					b.Fatal("no content")
				}
			}
		})
	}
}

// BenchmarkMap decodes, maps and encodes a record.
func BenchmarkMap(b *testing.B) {
	for _, r := range resources {
		b.Run(r.name, func(b *testing.B) { benchmarkMap(b, r) })
	}
}

func benchmarkMap(b *testing.B, r *resource) {
	record := largest(b, r)
	m := newMapper(r, configOf(r), someAgent, time.Now, nil)
	batch := inputs.NewBatch(inputs.Target{}, 1<<30, 1<<30)
	documents := 0
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		m.Read(record, nil)
		if _, err := m.Documents(func(d *ecs.Document) error { batch.Add(d, record); documents++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(documents), "ns/doc")
}

// BenchmarkEncode encodes one document.
func BenchmarkEncode(b *testing.B) {
	for _, r := range resources {
		b.Run(r.name, func(b *testing.B) {
			m := newMapper(r, configOf(r), someAgent, time.Now, nil)
			m.Read(largest(b, r), nil)
			var last *ecs.Document
			if _, err := m.Documents(func(d *ecs.Document) error { last = d; return nil }); err != nil {
				b.Fatal(err)
			}
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body = last.AppendJSON(body[:0])
			}
			b.SetBytes(int64(len(body)))
		})
	}
}
