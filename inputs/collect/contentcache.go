package collect

import (
	"math/bits"
	"slices"
)

// contentCache finds a record's content by its bytes, so that the canonical content
// (Mapper.Content) need not be made again for a record that comes with the same bytes
// as before. It holds fingerprints of the sweep before and of the one under way, 16
// bytes a record, 12 more where the order changed. It is not saved.
type contentCache struct {
	known  []cachedContent // of the sweep before, in the order in which they were met
	next   int             // where in known the next record is, if it comes in that order
	places []int32         // places in known, from 1 on, by bytes; empty until it is needed
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
	place := c.search(bytes)
	if place == 0 {
		return 0, false
	}
	c.next = place
	return c.known[place-1].content, true
}

// search finds a record in any order it comes: its place in known, from 1 on, 0
// where it is not there. places is a table of which a third is in use, with a
// record at the first free entry from where its fingerprint points to.
func (c *contentCache) search(bytes uint64) (place int) {
	if len(c.known) == 0 {
		return 0
	}
	if len(c.places) == 0 {
		c.places = slices.Grow(c.places, 3*len(c.known))[:3*len(c.known)]
		clear(c.places)
		for i := range c.known {
			c.places[c.entry(c.known[i].bytes)] = int32(i + 1)
		}
	}
	return int(c.places[c.entry(bytes)])
}

// entry is where in places a record is, or belongs.
func (c *contentCache) entry(bytes uint64) int {
	first, _ := bits.Mul64(bytes, uint64(len(c.places))) // fingerprints are evenly spread
	for i := int(first); ; i++ {
		if i == len(c.places) {
			i = 0
		}
		if place := c.places[i]; place == 0 || c.known[place-1].bytes == bytes {
			return i
		}
	}
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
	c.known, c.met, c.places = c.met, c.known, c.places[:0]
	c.begin()
}
