package defendertest

import (
	"cmp"
	"fmt"
	"slices"
)

// collection holds the records of one resource. Its caller holds the tenant's
// lock; records copied out of it may be encoded without the lock, because what
// they are encoded from never changes.
type collection struct {
	*resource
	world   *world
	records []record
	raws    []*raw
	byTime  []uint32          // by version time, then id
	byID    []uint32          // nil until asked for
	numbers map[string]uint32 // from id to index in records; nil until asked for
	old     []record          // versions that another one replaced
	pending []change          // versions not visible yet, in the order they were made
	sent    numberSet         // records whose present version went out whole
}

// change is a version that becomes visible later.
type change struct {
	visible ticks
	number  int // index in records; -1 for a record that is not there yet
	record  record
}

// load takes records in the order of their times, as the first content.
func (c *collection) load(records []record) {
	c.records = records
	c.byTime = make([]uint32, len(records))
	for i := range records {
		c.byTime[i] = uint32(i)
	}
	for from := 0; from < len(records); {
		to := from + 1
		for to < len(records) && records[to].time == records[from].time {
			to++
		}
		c.sortByID(c.byTime[from:to])
		from = to
	}
}

// sortByID makes each id once, which matters with many.
func (c *collection) sortByID(numbers []uint32) {
	if len(numbers) < 2 {
		return
	}
	type keyed struct {
		id     string
		number uint32
	}
	keys := make([]keyed, len(numbers))
	for i, n := range numbers {
		keys[i] = keyed{c.id(c.records[n]), n}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.number, b.number))
	})
	for i, k := range keys {
		numbers[i] = k.number
	}
}

func (c *collection) id(r record) string {
	if r.written {
		return c.raws[r.sequence].id
	}
	var b [64]byte
	return string(c.appendID(c.world, b[:0], r.sequence))
}

// inTime orders records by time, then id.
func (c *collection) inTime(a, b uint32) int {
	if d := cmp.Compare(c.records[a].time, c.records[b].time); d != 0 {
		return d
	}
	return c.inID(a, b)
}

func (c *collection) inID(a, b uint32) int {
	if a == b {
		return 0
	}
	return cmp.Or(cmp.Compare(c.id(c.records[a]), c.id(c.records[b])), cmp.Compare(a, b))
}

// ids is the order by id.
func (c *collection) ids() []uint32 {
	if c.byID == nil {
		c.byID = slices.Clone(c.byTime)
		c.sortByID(c.byID)
	}
	return c.byID
}

// number finds a record by its id.
func (c *collection) number(id string) (int, bool) {
	if c.numbers == nil {
		c.numbers = make(map[string]uint32, len(c.records))
		for i, r := range c.records {
			c.numbers[c.id(r)] = uint32(i)
		}
	}
	n, found := c.numbers[id]
	return int(n), found
}

// schedule makes a version visible at a time, which may have come already.
func (c *collection) schedule(ch change, now ticks) {
	if ch.visible <= now {
		c.apply(ch)
		return
	}
	c.pending = append(c.pending, ch)
}

// settle applies the versions that have become visible.
func (c *collection) settle(now ticks) {
	c.pending = slices.DeleteFunc(c.pending, func(ch change) bool {
		due := ch.visible <= now
		if due {
			c.apply(ch)
		}
		return due
	})
}

func (c *collection) apply(ch change) {
	if id := c.id(ch.record); ch.number < 0 && ch.record.written && id != "" {
		if n, found := c.number(id); found {
			ch.number = n
		}
	}
	if ch.number >= 0 {
		c.replace(uint32(ch.number), ch.record)
		return
	}
	n := uint32(len(c.records))
	c.records = append(c.records, ch.record)
	c.byTime = insert(c.byTime, n, c.inTime)
	if c.byID != nil {
		c.byID = insert(c.byID, n, c.inID)
	}
	if c.numbers != nil {
		c.numbers[c.id(ch.record)] = n
	}
}

func (c *collection) replace(n uint32, r record) {
	i, found := slices.BinarySearchFunc(c.byTime, n, c.inTime)
	if !found {
		panic(fmt.Sprintf("record %d is not in the order by time", n))
	}
	c.byTime = slices.Delete(c.byTime, i, i+1)
	c.old = append(c.old, c.records[n])
	c.records[n] = r
	c.sent.clear(n)
	c.byTime = insert(c.byTime, n, c.inTime)
}

func insert(order []uint32, n uint32, compare func(a, b uint32) int) []uint32 {
	i, _ := slices.BinarySearchFunc(order, n, compare)
	return slices.Insert(order, i, n)
}

// latest is the newest version of a record, visible or not.
func (c *collection) latest(n int) record {
	for i := len(c.pending) - 1; i >= 0; i-- {
		if c.pending[i].number == n {
			return c.pending[i].record
		}
	}
	return c.records[n]
}

// source encodes one record; it needs no lock.
type source struct {
	record
	number uint32 // in the collection
	raw    *raw   // hand-written
}

func (c *collection) source(n uint32) source {
	r := c.records[n]
	if r.written {
		return source{r, n, c.raws[r.sequence]}
	}
	return source{r, n, nil}
}

// is reports whether the record has this id.
func (s source) is(kind *resource, w *world, id string) bool {
	if s.raw != nil {
		return s.raw.id == id
	}
	return string(kind.appendID(w, nil, s.sequence)) == id
}

func (s source) append(kind *resource, w *world, b []byte, expand bool) []byte {
	if s.raw != nil {
		return s.raw.append(b, expand)
	}
	return kind.appendRecord(w, b, s.record, expand)
}
