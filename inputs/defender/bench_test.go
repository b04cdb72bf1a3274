package defender

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// benchmarkMap decodes, maps and encodes the first capture of a resource.
func benchmarkMap(b *testing.B, r *resource) {
	files, _ := filepath.Glob(filepath.Join(captures, r.name, "every-*[a-z].golden.json"))
	record, err := os.ReadFile(strings.Replace(files[0], ".golden", "", 1))
	if err != nil {
		b.Fatal(err)
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
