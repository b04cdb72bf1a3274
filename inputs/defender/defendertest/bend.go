package defendertest

import "slices"

// Shuffled is a Rule.Sort: an order that is always the same and has to do with
// neither time nor id, as of a database that was not asked to sort.
const Shuffled = "shuffled"

// bend makes of a query what a misbehaving server makes of it.
func (r *Rule) bend(q *query, kind *resource) error {
	q.filter = r.bendFilter(q.filter)
	if r.Ignore&OrderBy != 0 {
		q.order = nil
	}
	if r.Ignore&Top != 0 {
		q.top = -1
	}
	if r.Ignore&Skip != 0 {
		q.skip = 0
	}
	if r.Ignore&Expand != 0 {
		q.expand = false
	}
	if r.ClampSkip > 0 {
		q.skip = min(q.skip, r.ClampSkip)
	}
	if r.ClampTop > 0 {
		q.clamp = r.ClampTop
	}
	if r.SortPage {
		q.within, q.order = q.order, nil
	}
	q.endless = q.endless || r.Endless
	q.empty = q.empty || r.EmptyPage
	switch r.Sort {
	case "":
	case Shuffled:
		q.order, q.shuffled = nil, true
	default:
		order, err := parseOrder(r.Sort, kind)
		q.order = order
		return err
	}
	return nil
}

func (r *Rule) bendFilter(f filter) filter {
	if r.Ignore&Filter != 0 {
		return nil
	}
	var bent filter
	for _, all := range f {
		var kept []comparison
		for _, c := range all {
			if r.Ignore&IDAfter != 0 && c.property == "id" && (c.operator == "gt" || c.operator == "ge") {
				continue
			}
			if r.WholeSeconds && c.literal.kind == kindDate {
				c.literal.time -= c.literal.time % second
			}
			kept = append(kept, c)
		}
		if len(kept) == 0 {
			return nil // nothing is left to hold: all pass
		}
		bent = append(bent, kept)
	}
	return bent
}

// look finds the page for a query, as bent.
func (c *collection) look(q query, limit int) found {
	if q.empty {
		return found{any: true}
	}
	f := c.find(q, limit)
	if q.endless && len(f.rows) == 0 {
		q.skip = 0
		if f = c.find(q, limit); len(f.rows) == 0 {
			q.filter = nil
			f = c.find(q, limit)
		}
	}
	if len(q.within) > 0 {
		numbers := make([]uint32, len(f.rows))
		for i, row := range f.rows {
			numbers[i] = row.number
		}
		(&scan{collection: c}).sort(numbers, q.within)
		for i, n := range numbers {
			f.rows[i] = c.source(n)
		}
	}
	return f
}

// shuffle is the order of Shuffled.
func shuffle(numbers []uint32) []uint32 {
	shuffled := slices.Clone(numbers)
	slices.SortFunc(shuffled, func(a, b uint32) int {
		if scatter(uint64(a)) < scatter(uint64(b)) {
			return -1
		}
		return 1
	})
	return shuffled
}
