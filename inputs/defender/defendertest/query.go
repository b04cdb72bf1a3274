package defendertest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxTop is the largest $top, and the page of an answer without it.
const maxTop = 10_000

// query is what a list request asks for.
type query struct {
	filter filter
	order  []term
	top    int // -1 when absent
	skip   int
	expand bool

	// How rules bend it.
	clamp    int    // largest page; 0 = none
	within   []term // the order within the page
	shuffled bool
	endless  bool
	empty    bool
}

type term struct {
	property   string
	descending bool
}

// refusal is what the service says about a query that it does not accept.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// parseQuery reads the OData options. Its errors are refusals.
func parseQuery(raw string, kind *resource) (query, error) {
	q := query{top: -1}
	options, err := url.ParseQuery(raw)
	if err != nil {
		return q, refuse("The query string is not well formed.")
	}
	for name, values := range options {
		if len(values) > 1 {
			return q, refuse("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
		if err := q.set(name, values[0], kind); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (q *query) set(name, text string, kind *resource) (err error) {
	switch name {
	case "$filter":
		q.filter, err = parseFilter(text, kind)
	case "$orderby":
		q.order, err = parseOrder(text, kind)
	case "$top":
		if q.top, err = parseCount(name, text); err == nil && q.top > maxTop {
			err = refuse("The limit of '%d' for Top query has been exceeded. The value from the incoming request is '%d'.", maxTop, q.top)
		}
	case "$skip":
		q.skip, err = parseCount(name, text)
	case "$expand":
		if q.expand = text == kind.expand && text != ""; !q.expand {
			err = unknownProperty(text, kind)
		}
	default:
		err = refuse("The query parameter '%s' is not supported.", name)
	}
	return err
}

func parseCount(name, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, refuse("Invalid value '%s' for %s query option found. The %s query option requires a non-negative integer value.", text, name, name)
	}
	return int(n), nil
}

func parseOrder(text string, kind *resource) ([]term, error) {
	var order []term
	for part := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(part)
		if len(fields) == 0 || len(fields) > 2 {
			return nil, syntaxError(len(text), text)
		}
		t := term{property: fields[0]}
		if _, known := kind.properties[t.property]; !known {
			return nil, unknownProperty(t.property, kind)
		}
		if len(fields) == 2 {
			if fields[1] != "asc" && fields[1] != "desc" {
				return nil, syntaxError(strings.LastIndex(text, fields[1]), text)
			}
			t.descending = fields[1] == "desc"
		}
		order = append(order, t)
	}
	return order, nil
}

// found is the answer to a query, not yet encoded.
type found struct {
	rows []source
	any  bool // something matched, if only before $skip
	more bool // something follows
}

// count is how many of the rows are of this id; of any where it is empty.
func (f found) count(kind *resource, w *world, id string) int {
	if id == "" {
		return len(f.rows)
	}
	n := 0
	for _, row := range f.rows {
		if row.is(kind, w, id) {
			n++
		}
	}
	return n
}

// find selects at most limit records. Ordered by time or id, as collectors ask
// for it, it reads no more of the index than it has to.
func (c *collection) find(q query, limit int) found {
	order, sorted := c.base(q)
	rows := &scan{collection: c, filter: q.filter}
	var f found
	if !sorted {
		numbers := make([]uint32, 0, len(order))
		for _, n := range order {
			if rows.pass(n) {
				numbers = append(numbers, n)
			}
		}
		rows.sort(numbers, q.order)
		f.any = len(numbers) > 0
		numbers = numbers[min(q.skip, len(numbers)):]
		f.more = len(numbers) > limit
		for _, n := range numbers[:min(limit, len(numbers))] {
			f.rows = append(f.rows, c.source(n))
		}
		return f
	}
	descending := len(q.order) > 0 && q.order[0].descending
	passed := 0
	for i := range order {
		if descending {
			i = len(order) - 1 - i
		}
		if !rows.pass(order[i]) {
			continue
		}
		f.any = true
		if passed++; passed <= q.skip {
			continue
		}
		if f.more = len(f.rows) == limit; f.more {
			break
		}
		f.rows = append(f.rows, c.source(order[i]))
	}
	return f
}

// base is the part of an index that can hold matches, and whether reading it
// from one of its ends is the order asked for.
func (c *collection) base(q query) (order []uint32, sorted bool) {
	one := len(q.order) == 1
	switch {
	case q.shuffled:
		return shuffle(c.byTime), true
	case len(q.order) == 0, one && q.order[0].property == "id":
		return c.ids(), true
	case one && q.order[0].property == c.version,
		slices.Equal(q.order, []term{{c.version, false}, {"id", false}}):
		sorted = true
	}
	from, to := q.filter.bounds(c.version)
	i, _ := slices.BinarySearchFunc(c.byTime, from, func(n uint32, t ticks) int {
		if c.records[n].time < t {
			return -1
		}
		return 1
	})
	j, _ := slices.BinarySearchFunc(c.byTime, to, func(n uint32, t ticks) int {
		if c.records[n].time <= t {
			return -1
		}
		return 1
	})
	return c.byTime[i:max(i, j)], sorted
}

// scan reads the properties of records, encoding a record into its buffer when
// the index does not have the property.
type scan struct {
	*collection
	filter filter
	buffer []byte
	number int64 // whose encoding the buffer holds, plus one
}

func (s *scan) pass(n uint32) bool {
	for _, all := range s.filter {
		if s.all(all, n) {
			return true
		}
	}
	return len(s.filter) == 0
}

func (s *scan) all(comparisons []comparison, n uint32) bool {
	for _, c := range comparisons {
		if !c.holds(s.value(c.property, n)) {
			return false
		}
	}
	return true
}

func (s *scan) value(name string, n uint32) value {
	r := s.records[n]
	switch name {
	case s.version:
		return value{kind: kindDate, time: r.time}
	case "id":
		if id := s.id(r); id != "" {
			return value{kind: kindText, text: id}
		}
		return value{}
	}
	if s.number != int64(n)+1 {
		s.buffer = s.source(n).append(s.resource, s.world, s.buffer[:0], false)
		s.number = int64(n) + 1
	}
	return property(s.buffer, name, s.properties[name])
}

// sort orders by the terms, then by id. Nulls come first, as in SQL.
func (s *scan) sort(numbers []uint32, order []term) {
	type keyed struct {
		keys   []value
		number uint32
	}
	rows := make([]keyed, len(numbers))
	for i, n := range numbers {
		rows[i].number = n
		for _, t := range order {
			rows[i].keys = append(rows[i].keys, s.value(t.property, n))
		}
	}
	slices.SortFunc(rows, func(a, b keyed) int {
		for i, t := range order {
			d := int(a.keys[i].kind - b.keys[i].kind)
			if d == 0 {
				d = a.keys[i].compare(b.keys[i])
			}
			if t.descending {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return s.inID(a.number, b.number)
	})
	for i := range rows {
		numbers[i] = rows[i].number
	}
}
