package collect

// leftBehind answers for the records that the last snapshot could not have: were they
// published before? Which fingerprints are theirs is not known, so it keeps all of the
// time before, and answers for ids of records that were left behind only. Any other
// record was met by the last snapshot: one that is what it was before that one has
// changed back, and has to be published. It is not saved: after a restart such a record
// is published once more.
type leftBehind struct {
	leaving []Between    // by the snapshot under way
	ids     []Between    // by the last complete one
	former  fingerprints // from before it, as published; empty where nothing was left behind
}

// begin starts a sweep.
func (l *leftBehind) begin() { l.leaving = l.leaving[:0] }

// find returns when a record that was left behind was published.
func (l *leftBehind) find(fingerprint uint64, id string) (entry uint32, met bool) {
	for _, ids := range l.ids {
		if ids.holds(id) {
			return l.former.find(fingerprint)
		}
	}
	return 0, false
}

// complete ends a snapshot. It takes the fingerprints from before, and gives back a set
// that is not needed any more. Those of an earlier time are kept where they are young
// and records are left behind still.
func (l *leftBehind) complete(published fingerprints, young func(entry uint32) bool) (unused fingerprints) {
	l.ids, l.leaving = l.leaving, l.ids[:0]
	if len(l.ids) == 0 {
		l.former = fingerprints{}
		return published
	}
	more := map[uint64]uint32{}
	for i, sum := range l.former.sums {
		if _, there := published.find(sum); !there && young(l.former.times[i]) {
			more[sum] = l.former.times[i]
		}
	}
	published.add(more)
	unused, l.former = l.former, published
	return unused
}
