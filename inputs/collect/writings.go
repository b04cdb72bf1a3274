package collect

import (
	"cmp"
	"slices"
)

// writings tell what content a record has from its bytes, so that the content
// need not be written for a record that comes as it came before. They are of the
// sweep before and of the one under way, 16 bytes a record, and not saved.
type writings struct {
	known  []writing // in the order in which they were met
	next   int       // where in known the next record is, if it comes in that order
	places []int32   // in known, in the order of written; empty until it is needed
	met    []writing
}

// writing is the fingerprint of a record as it came and that of its content.
type writing struct{ written, content uint64 }

// find looks first where the record is if nothing changed, or only the record
// before it: most sweeps are like the one before, and need no search and no order.
func (w *writings) find(written uint64) (content uint64, found bool) {
	for i := w.next; i < min(w.next+2, len(w.known)); i++ {
		if w.known[i].written == written {
			w.next = i + 1
			return w.known[i].content, true
		}
	}
	if len(w.places) != len(w.known) {
		w.places = w.places[:0]
		for i := range w.known {
			w.places = append(w.places, int32(i))
		}
		slices.SortFunc(w.places, func(a, b int32) int { return cmp.Compare(w.known[a].written, w.known[b].written) })
	}
	i, found := slices.BinarySearchFunc(w.places, written, func(place int32, sum uint64) int {
		return cmp.Compare(w.known[place].written, sum)
	})
	if !found {
		return 0, false
	}
	w.next = int(w.places[i]) + 1
	return w.known[w.next-1].content, true
}

// note remembers a record; beyond the limit the first ones are forgotten: they
// are those of a backlog, which is not read again.
func (w *writings) note(written, content uint64, limit int) {
	if len(w.met) >= limit {
		w.met = w.met[:0]
	}
	w.met = append(w.met, writing{written, content})
}

// begin begins a sweep.
func (w *writings) begin() { w.met, w.next = w.met[:0], 0 }

// complete ends a sweep: what it did not meet is forgotten.
func (w *writings) complete() {
	w.known, w.met, w.places = w.met, w.known, w.places[:0]
	w.begin()
}
