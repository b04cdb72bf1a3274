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
	known []cachedContent // of the sweep before, ascending
	met   []cachedContent // by the sweep under way
	found int             // of met in known
}

// cachedContent is the fingerprint of a record's bytes and that of its content.
type cachedContent struct{ bytes, content uint64 }

// find returns the fingerprint of the content.
func (c *contentCache) find(bytes uint64) (content uint64, found bool) {
	i, found := slices.BinarySearchFunc(c.known, bytes, func(e cachedContent, sum uint64) int { return cmp.Compare(e.bytes, sum) })
	if !found {
		return 0, false
	}
	c.found++
	return c.known[i].content, true
}

// add remembers a record. At the limit all of this sweep are forgotten: they are
// those of a backlog, which is not read again.
func (c *contentCache) add(bytes, content uint64, limit int) {
	if len(c.met) >= limit {
		c.begin()
	}
	c.met = append(c.met, cachedContent{bytes, content})
}

// begin begins a sweep.
func (c *contentCache) begin() { c.met, c.found = c.met[:0], 0 }

// complete ends a sweep: what it did not meet is forgotten.
func (c *contentCache) complete() {
	if c.found == len(c.known) && c.found == len(c.met) {
		return // nothing is new
	}
	slices.SortFunc(c.met, func(a, b cachedContent) int { return cmp.Compare(a.bytes, b.bytes) })
	c.known, c.met = c.met, c.known
	c.begin()
}
