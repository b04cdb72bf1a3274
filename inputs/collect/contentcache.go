package collect

import (
	"cmp"
	"slices"
)

// contentCache tells what content a record has from its bytes, so that the
// canonical content (Mapper.Content) need not be made again for a record that comes
// with the same bytes as before. It holds fingerprints of the sweep before and of
// the one under way, 16 bytes a record, and is not saved.
type contentCache struct {
	known  []cachedContent // of the sweep before, in the order in which they were met
	next   int             // where in known the next record is, if it comes in that order
	sorted []int32         // places in known, by bytes; empty until it is needed
	met    []cachedContent // by the sweep under way
}

// cachedContent is the fingerprint of a record's bytes and that of its content.
type cachedContent struct{ bytes, content uint64 }

// find returns the fingerprint of the content. It looks first where the record is
// if nothing changed, or only the record before it: most sweeps are like the one
// before, and need no search and no order.
func (c *contentCache) find(bytes uint64) (content uint64, found bool) {
	for i := c.next; i < min(c.next+2, len(c.known)); i++ {
		if c.known[i].bytes == bytes {
			c.next = i + 1
			return c.known[i].content, true
		}
	}
	if len(c.sorted) != len(c.known) {
		c.sorted = c.sorted[:0]
		for i := range c.known {
			c.sorted = append(c.sorted, int32(i))
		}
		slices.SortFunc(c.sorted, func(a, b int32) int { return cmp.Compare(c.known[a].bytes, c.known[b].bytes) })
	}
	i, found := slices.BinarySearchFunc(c.sorted, bytes, func(place int32, sum uint64) int {
		return cmp.Compare(c.known[place].bytes, sum)
	})
	if !found {
		return 0, false
	}
	c.next = int(c.sorted[i]) + 1
	return c.known[c.next-1].content, true
}

// add remembers a record. At the limit all of this sweep are forgotten: they are
// those of a backlog, which is not read again.
func (c *contentCache) add(bytes, content uint64, limit int) {
	if len(c.met) >= limit {
		c.met = c.met[:0]
	}
	c.met = append(c.met, cachedContent{bytes, content})
}

// begin begins a sweep.
func (c *contentCache) begin() { c.met, c.next = c.met[:0], 0 }

// complete ends a sweep: what it did not meet is forgotten.
func (c *contentCache) complete() {
	c.known, c.met, c.sorted = c.met, c.known, c.sorted[:0]
	c.begin()
}
