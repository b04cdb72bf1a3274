package collect

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

var errDamaged = errors.New("the seen set is damaged")

// fingerprints is a set of records' fingerprints, each with a time in Unix seconds. It
// is two sorted lists: 12 bytes a record where a map takes three times as much,
// and nothing needs to be sorted to be saved. The zero value is an empty set.
type fingerprints struct {
	sums  []uint64 // ascending
	times []uint32
	fresh []uint64 // scratch of add
}

// find returns the time of a fingerprint.
func (p *fingerprints) find(sum uint64) (time uint32, found bool) {
	i, found := slices.BinarySearch(p.sums, sum)
	if !found {
		return 0, false
	}
	return p.times[i], true
}

// add puts fingerprints in, or changes their times. What it costs is that of the
// set, not of what is added.
func (p *fingerprints) add(more map[uint64]uint32) {
	p.fresh = p.fresh[:0]
	for sum, time := range more {
		if i, found := slices.BinarySearch(p.sums, sum); found {
			p.times[i] = time
		} else {
			p.fresh = append(p.fresh, sum)
		}
	}
	slices.Sort(p.fresh)
	// Merged from the end, so that it can be done in place.
	old, to := len(p.sums)-1, len(p.sums)+len(p.fresh)-1
	p.sums = slices.Grow(p.sums, len(p.fresh))[:to+1]
	p.times = slices.Grow(p.times, len(p.fresh))[:to+1]
	for i := len(p.fresh) - 1; i >= 0; to-- {
		if old >= 0 && p.sums[old] > p.fresh[i] {
			p.sums[to], p.times[to] = p.sums[old], p.times[old]
			old--
			continue
		}
		p.sums[to], p.times[to] = p.fresh[i], more[p.fresh[i]]
		i--
	}
}

// prune forgets fingerprints with a time before limit, and then the oldest ones
// until there are at most so many, or a few more of the same second.
func (p *fingerprints) prune(limit uint32, most int) {
	if limit > 0 {
		p.retain(limit, math.MaxUint32)
	}
	if len(p.sums) > most {
		times := slices.Sorted(slices.Values(p.times))
		p.retain(times[len(times)-most], math.MaxUint32)
	}
}

// truncate forgets fingerprints with a time from limit on.
func (p *fingerprints) truncate(limit uint32) {
	if limit == 0 {
		p.reset()
		return
	}
	p.retain(0, limit-1)
}

// retain forgets fingerprints with other times than from first to last.
func (p *fingerprints) retain(first, last uint32) {
	kept := 0
	for i, time := range p.times {
		if first <= time && time <= last {
			p.sums[kept], p.times[kept] = p.sums[i], time
			kept++
		}
	}
	p.sums, p.times = p.sums[:kept], p.times[:kept]
}

// reset empties the set and keeps its memory.
func (p *fingerprints) reset() { p.sums, p.times = p.sums[:0], p.times[:0] }

// AppendText implements encoding.TextAppender: base64 of 12 bytes for each
// fingerprint, itself and its time, little endian, in ascending order.
func (p *fingerprints) AppendText(b []byte) ([]byte, error) {
	b = slices.Grow(b, p.textLen())
	part := make([]byte, 0, 12<<8) // a multiple of three: no padding but at the end
	for i, sum := range p.sums {
		part = binary.LittleEndian.AppendUint64(part, sum)
		part = binary.LittleEndian.AppendUint32(part, p.times[i])
		if len(part) == cap(part) || i == len(p.sums)-1 {
			b = base64.StdEncoding.AppendEncode(b, part)
			part = part[:0]
		}
	}
	return b, nil
}

// textLen is how many bytes AppendText appends.
func (p *fingerprints) textLen() int { return base64.StdEncoding.EncodedLen(12 * len(p.sums)) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *fingerprints) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b)%12 != 0 {
		return errDamaged
	}
	p.sums, p.times = make([]uint64, 0, len(b)/12), make([]uint32, 0, len(b)/12)
	for entry := range slices.Chunk(b, 12) {
		p.sums = append(p.sums, binary.LittleEndian.Uint64(entry))
		p.times = append(p.times, binary.LittleEndian.Uint32(entry[8:]))
	}
	if !slices.IsSorted(p.sums) {
		return errDamaged
	}
	return nil
}
