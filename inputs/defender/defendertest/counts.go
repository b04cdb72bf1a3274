package defendertest

import "maps"

// Counts are what was asked of one list since the start, regardless of what
// Options.RequestLog remembers.
type Counts struct {
	Calls    int            // answered in any way
	Options  map[Option]int // calls that had this one option
	Statuses map[int]int    // calls by status; 0 where none was sent
	Largest  int            // most records in one answer
	Records  int            // in all answers
}

// Counts are those of a list.
func (t *Tenant) Counts(res Resource) Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[res]
	c.Options, c.Statuses = maps.Clone(c.Options), maps.Clone(c.Statuses)
	return c
}

// count takes in one answer.
func (c *Counts) count(r Request, options Option) {
	if c.Options == nil {
		c.Options, c.Statuses = map[Option]int{}, map[int]int{}
	}
	c.Calls++
	c.Statuses[r.Status]++
	c.Records += r.Records
	c.Largest = max(c.Largest, r.Records)
	for o := Filter; o <= IDAfter; o <<= 1 {
		if options&o != 0 {
			c.Options[o]++
		}
	}
}

// Unread are the ids of the records, in their present version, that were in no
// answer that was sent whole.
func (t *Tenant) Unread(res Resource) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	c := t.collections[res]
	var ids []string
	for _, n := range c.byTime {
		if !c.sent.has(n) {
			ids = append(ids, c.id(c.records[n]))
		}
	}
	return ids
}

// sent notes that an answer with these records went out whole. A version that
// was replaced meanwhile is not the present one.
func (t *Tenant) sent(res Resource, rows []source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.collections[res]
	for _, row := range rows {
		if c.records[row.number] == row.record {
			c.sent.set(row.number)
		}
	}
}

// numberSet is a set of record numbers, a bit for each.
type numberSet []uint64

func (b numberSet) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *numberSet) set(n uint32) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b numberSet) clear(n uint32) {
	if b.has(n) {
		b[n/64] &^= 1 << (n % 64)
	}
}
