package collect

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// Retention says how long a record that was published counts as seen.
type Retention struct {
	// Snapshot keeps what the last complete snapshot held, regardless of its time.
	// Without it a record is kept while the next sweep can meet it again, by its
	// time: from Place.From on.
	Snapshot bool
	// Refresh is how long after it was published a record of a snapshot is
	// published again although nothing changed.
	Refresh time.Duration
	// For is how long a record counts as seen after it was last met, where its time
	// does not show whether the next sweep can meet it again.
	For time.Duration
	// Limit is the number of records above which those with the oldest times are
	// forgotten. Each takes 12 bytes in the saved set, as much in memory while a
	// snapshot is under way, and again behind one that left a record behind, and 44 in
	// the cache of contents. 0 means 1<<20, a
	// tenant of a million machines.
	Limit int
}

const (
	defaultLimit = 1 << 20
	// minPending is how many acknowledged records wait to be merged into the set,
	// or more where the set is large: see crowded.
	minPending = 1 << 12
	// smallPage is how many records of a page are left pending at its end.
	smallPage = 1 << 8
)

// seenSet answers for every record: was it published, and until when is that
// remembered? It keeps the fingerprints of records' contents with a time: of the record
// itself or, in snapshots, of when it was published.
type seenSet struct {
	retention Retention
	now       func() time.Time
	seed      uint64 // of the fingerprints, drawn with the first checkpoint
	hash      xxhash.Digest

	contents  contentCache
	published fingerprints      // this is what is saved
	pending   map[uint64]uint32 // met, and not merged yet: published or in the batch
	met       fingerprints      // by the snapshot under way, as published
	changed   bool              // a record was published since the set was saved
	former    bool              // published may have fingerprints of bytes; see meet

	left leftBehind
}

func newSeenSet(r Retention, now func() time.Time) *seenSet {
	if r.Limit == 0 {
		r.Limit = defaultLimit
	}
	return &seenSet{retention: r, now: now, pending: map[uint64]uint32{}}
}

// fingerprint identifies a record, or a content, with a seed that nobody outside
// knows.
func (s *seenSet) fingerprint(of []byte) uint64 {
	s.hash.ResetWithSeed(s.seed)
	_, _ = s.hash.Write(of) // never fails
	return s.hash.Sum64()
}

// meet returns the fingerprint of a record's content, and what find says of it.
// record is the fingerprint of its bytes; the content is asked for only where those
// are not known. Earlier versions saved the fingerprints of bytes: they count until
// all that can be met again was met once, and is kept by its content.
func (s *seenSet) meet(record uint64, id string, content func() []byte) (sum uint64, entry uint32, met bool) {
	sum, known := s.contents.find(record)
	if !known {
		sum = s.fingerprint(content())
	}
	s.contents.add(record, sum, s.cacheLimit())
	if entry, met = s.find(sum); !met && !known && s.former {
		entry, met = s.find(record)
	}
	if !met {
		if entry, met = s.left.find(sum, id); met {
			met = s.young(entry)
		}
	}
	return sum, entry, met
}

// cacheLimit is as many records as a sweep can meet again.
func (s *seenSet) cacheLimit() int {
	return max(minPending, 2*(len(s.published.sums)+len(s.pending)))
}

// find reports whether a record need not be published. The time is for remember.
func (s *seenSet) find(fingerprint uint64) (entry uint32, met bool) {
	if entry, met = s.pending[fingerprint]; met {
		return entry, true
	}
	entry, met = s.published.find(fingerprint)
	if met && s.retention.Snapshot {
		met = s.young(entry)
	}
	return entry, met
}

// young reports whether a record of a snapshot that was published at this time need
// not be published again.
func (s *seenSet) young(entry uint32) bool {
	return s.now().Sub(time.Unix(int64(entry), 0)) < s.retention.Refresh
}

// remember adds a record after find gave entry and met. Its time is zero where
// it has none; it is met again for as long as from is asked for.
func (s *seenSet) remember(fingerprint uint64, entry uint32, met bool, updated, from time.Time) {
	switch {
	case s.retention.Snapshot && met: // since it was published
	case s.retention.Snapshot, s.retention.For > 0, updated.IsZero(): // without a time it can be met again for as long
		entry = unix32(s.now())
	default:
		entry = unix32(later(updated, from))
	}
	s.pending[fingerprint] = entry
	s.changed = s.changed || !met
}

// crowded bounds what is pending, by what it costs to merge it: that grows with
// the set.
func (s *seenSet) crowded() bool {
	return len(s.pending) >= max(minPending, len(s.published.sums)/32)
}

// settle merges a large page at its end, and gives back what that took: many
// streams wait between two pages at the same time. Without it 200 tenants hold
// 50 MB more.
func (s *seenSet) settle() {
	if len(s.pending) < max(smallPage, len(s.published.sums)/32) {
		return
	}
	s.merge()
	s.pending = map[uint64]uint32{}
	s.published.fresh, s.met.fresh = nil, nil
}

// merge puts what is pending into the set: all of its documents are published.
func (s *seenSet) merge() {
	s.published.add(s.pending)
	if s.retention.Snapshot {
		s.met.add(s.pending)
	}
	s.published.prune(0, s.retention.Limit)
	clear(s.pending)
}

// discard forgets what is pending, where it could not be published.
func (s *seenSet) discard() { clear(s.pending) }

// begin starts a sweep.
func (s *seenSet) begin() {
	s.met.reset()
	s.left.begin()
	s.contents.begin()
}

// leave notes that the snapshot under way could not have the records of some ids; nil
// where those are not known.
func (s *seenSet) leave(ids *Between) {
	if ids != nil {
		s.left.leaving = append(s.left.leaving, *ids)
	}
}

// complete ends a snapshot: what it did not meet is forgotten, unless it is of records
// that were left behind. One that was empty says nothing about the records that were
// there before.
func (s *seenSet) complete() {
	s.merge()
	s.contents.complete()
	s.former = false
	if s.retention.Snapshot && len(s.met.sums) > 0 {
		s.published, s.met = s.met, s.left.complete(s.published, s.young)
		s.left.former.prune(0, s.retention.Limit)
	}
}

// forget drops what cannot be met again, where records are kept by their times.
func (s *seenSet) forget(before time.Time) {
	if s.retention.For > 0 {
		before = s.now().Add(-s.retention.For)
	}
	if !s.retention.Snapshot {
		s.merge()
		s.published.prune(unix32(before), s.retention.Limit)
	}
}

// rewind forgets what was met since a time; of a snapshot everything, which is
// read as a whole.
func (s *seenSet) rewind(from time.Time) {
	s.merge()
	if s.retention.Snapshot {
		from = time.Time{}
		s.left = leftBehind{}
	}
	s.published.truncate(unix32(from))
}

func unix32(t time.Time) uint32 { return uint32(max(0, min(t.Unix(), 1<<32-1))) }
