package collect

import (
	"cmp"
	"slices"
)

// writings tell what content a record has from its bytes, so that the content
// need not be written for a record that comes as it came before. They are of the
// sweep before and of the one under way, 16 bytes a record, and not saved.
type writings struct {
	known []writing // ascending
	met   []writing
	found int // of met in known
}

// writing is the fingerprint of a record as it came and that of its content.
type writing struct{ written, content uint64 }

func (w *writings) find(written uint64) (content uint64, found bool) {
	i, found := slices.BinarySearchFunc(w.known, written, func(e writing, sum uint64) int { return cmp.Compare(e.written, sum) })
	if !found {
		return 0, false
	}
	w.found++
	return w.known[i].content, true
}

// note remembers a record; beyond the limit the first ones are forgotten: they
// are those of a backlog, which is not read again.
func (w *writings) note(written, content uint64, limit int) {
	if len(w.met) >= limit {
		w.begin()
	}
	w.met = append(w.met, writing{written, content})
}

// begin begins a sweep.
func (w *writings) begin() { w.met, w.found = w.met[:0], 0 }

// complete ends a sweep: what it did not meet is forgotten.
func (w *writings) complete() {
	if w.found == len(w.known) && w.found == len(w.met) {
		return // nothing is new
	}
	slices.SortFunc(w.met, func(a, b writing) int { return cmp.Compare(a.written, b.written) })
	w.known, w.met = w.met, w.known
	w.begin()
}
