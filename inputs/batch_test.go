package inputs_test

import (
	"strings"
	"testing"

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
