package inputs_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestBatchKeepsARecordOnce: an alert of 155 KB with 500 items makes 500
// documents of one text.
func TestBatchKeepsARecordOnce(t *testing.T) {
	const limit = 1 << 20
	record := []byte(strings.Repeat("x", 155<<10))
	b := inputs.NewBatch(inputs.Target{}, 1600, limit)
	for !b.Full() {
		d := &ecs.Document{ID: "a"}
		d.Set("message", ecs.Text(strings.Repeat("y", 1000)))
		b.Add(d, record)
	}
	if n := b.Len(); n < 800 || n > 900 {
		t.Errorf("full at %d documents of 1 KB and one record of 155 KB, want %d bytes in all", n, limit)
	}
	other := []byte(strings.Repeat("z", len(record)))
	copy(record, "overwritten by the next one")
	b.Add(&ecs.Document{ID: "b"}, other)
	if got := b.Original(0); string(got) != strings.Repeat("x", len(record)) {
		t.Error("the first record's text is not kept")
	}
	if got := b.Original(b.Len() - 1); string(got) != string(other) {
		t.Error("the next record has the text of the one before")
	}
	b.Reset()
	b.Add(&ecs.Document{ID: "c"}, other)
	if got := b.Original(0); string(got) != string(other) {
		t.Error("after Reset the text is missing")
	}
}

// TestBatchOfAHugeRecord: a record that is larger than a batch has as many documents in
// each as another one, and its text is not looked at for each of them.
func TestBatchOfAHugeRecord(t *testing.T) {
	b := inputs.NewBatch(inputs.Target{}, 1600, 1<<20)
	record := []byte(strings.Repeat("x", 11<<20))
	began := time.Now()
	for range 20 {
		for !b.Full() {
			b.Add(&ecs.Document{ID: "a"}, record)
		}
		if b.Len() != 1600 {
			t.Fatalf("full at %d documents, want 1600", b.Len())
		}
		b.Reset()
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("32,000 documents took %s", took)
	}
	copy(record, "the next one, in the same memory")
	b.Add(&ecs.Document{ID: "a"}, record)
	b.NextRecord()
	copy(record, "one more")
	b.Add(&ecs.Document{ID: "b"}, record)
	if string(b.Original(0)[:12]) != "the next one" || string(b.Original(1)[:8]) != "one more" {
		t.Errorf("originals %.20q and %.20q", b.Original(0), b.Original(1))
	}
}

// TestBatchGivesMemoryBack: one huge document does not make every batch of the
// process huge for as long as it runs.
func TestBatchGivesMemoryBack(t *testing.T) {
	b := inputs.NewBatch(inputs.Target{}, 1600, inputs.BatchBytes)
	var before, after runtime.MemStats
	held := func(m *runtime.MemStats) uint64 {
		runtime.GC()
		runtime.ReadMemStats(m)
		return m.HeapAlloc
	}
	held(&before)
	func() { // what it holds itself is let go with it
		huge := strings.Repeat("x", 12<<20)
		d := &ecs.Document{ID: "huge"}
		d.Set("message", ecs.Text(huge))
		b.Add(d, []byte(huge))
		b.Reset()
	}()
	if n := held(&after) - min(before.HeapAlloc, after.HeapAlloc); n > 2<<20 {
		t.Errorf("an empty batch has %d bytes after a document of 12 MiB", n)
	}
	d := &ecs.Document{ID: "small"}
	record := []byte(strings.Repeat("y", 3<<20))
	d.Set("message", ecs.Text(string(record)))
	if n := testing.AllocsPerRun(10, func() { b.Add(d, record); b.Reset() }); n > 1 {
		t.Errorf("a batch that was full allocates %v times to be full again", n)
	}
}
