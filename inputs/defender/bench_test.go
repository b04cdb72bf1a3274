package defender

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
			m := r.newMapper(newEnvelope(configOf(r), someAgent))
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := m.read(record); err != nil {
					b.Fatal(err)
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
	e := newEnvelope(configOf(r), someAgent)
	m := r.newMapper(e)
	batch := inputs.NewBatch(inputs.Target{}, 1<<30, 1<<30)
	documents := 0
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		if _, _, err := m.read(record); err != nil {
			b.Fatal(err)
		}
		if err := m.documents(func() error { batch.Add(&e.doc, record); documents++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(documents), "ns/doc")
}

// BenchmarkEncode encodes one document.
func BenchmarkEncode(b *testing.B) {
	for _, r := range resources {
		b.Run(r.name, func(b *testing.B) {
			e := newEnvelope(configOf(r), someAgent)
			m := r.newMapper(e)
			if _, _, err := m.read(largest(b, r)); err != nil {
				b.Fatal(err)
			}
			if err := m.documents(func() error { return nil }); err != nil {
				b.Fatal(err)
			}
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body = e.doc.AppendJSON(body[:0])
			}
			b.SetBytes(int64(len(body)))
		})
	}
}

// BenchmarkSeen is the seen set at size: a page of 1,000 records is looked up
// and added, old ones are forgotten and the state is encoded.
func BenchmarkSeen(b *testing.B) {
	for _, size := range []int{10_000, 50_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			now := time.Now()
			s, page, record := state{cursor: now}, map[uint64]uint32{}, 0
			meet := func(records int) {
				clear(page)
				for range records {
					sum := uint64(record) * 0x9e3779b97f4a7c15
					if _, seen := s.seen.find(sum); seen {
						b.Fatal("seen")
					}
					page[sum] = uint32(record)
					record++
				}
				s.seen.add(page)
				s.seen.prune(uint32(max(0, record-size)), maxSeen)
			}
			meet(size)
			b.ReportAllocs()
			for b.Loop() {
				meet(1000)
				if _, err := s.marshal("alert"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
