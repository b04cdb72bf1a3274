package checkpoint_test

import (
	"bytes"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
)

// BenchmarkSave saves a cursor of the size that 50,000 alerts in the overlap
// make, durably.
func BenchmarkSave(b *testing.B) {
	files, err := checkpoint.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer files.Close()
	value := append([]byte(`{"seen":"`), bytes.Repeat([]byte("A"), 800_000)...)
	value = append(value, `"}`...)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := files.Save(b.Context(), key, value); err != nil {
			b.Fatal(err)
		}
	}
}
