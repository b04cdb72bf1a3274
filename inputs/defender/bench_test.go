package defender

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// benchmarkMap decodes, maps and encodes the largest capture of a resource.
func benchmarkMap(b *testing.B, r *resource) {
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
	record = compact(b, record)
	e := newEnvelope(configOf(r), someAgent)
	m := r.newMapper(e)
	batch := inputs.NewBatch(inputs.Target{}, 1<<30, 1<<30)
	documents := 0
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		if _, err := m.read(record); err != nil {
			b.Fatal(err)
		}
		if err := m.documents(func() error { batch.Add(&e.doc); documents++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(documents), "ns/document")
}
