package odata

import "time"

const (
	// minTop is the smallest page that is asked for when larger ones fail.
	minTop = 10
	// sizeTTL is how long a size counts as too large after pages of it failed
	// without being refused: that may have been a bad hour of the server.
	sizeTTL = 10 * time.Minute
	// usualCut is the smallest page that a server is believed to cut, until it
	// shows otherwise: see proves.
	usualCut = 1000
	// doubtEvery is how often, in sweeps, a page is not believed to be the last.
	doubtEvery = 10
)

// pageSize is how many records are asked for in a page: as many as the server
// shows to give.
type pageSize struct {
	now   func() time.Time
	most  int       // as configured
	top   int       // asked for
	limit int       // the largest that came, while until has not come
	until time.Time // of limit
	// failed is the size of the page that did not come, 0 after one that came, and
	// probing says that it was refused.
	failed  int
	probing bool
	cut     int // the smallest page that was not full and that another followed; 0 = none
	sweeps  int
}

// probe asks for the smallest page after one was refused, to find out whether it is
// the size that the server refuses.
func (s *pageSize) probe() bool {
	if s.probing || s.top <= minTop {
		return false
	}
	s.failed, s.probing, s.top = s.top, true, minTop
	return true
}

// endProbe ends a probe that was refused too: the size is not the cause.
func (s *pageSize) endProbe() {
	if s.probing {
		s.top, s.failed, s.probing = s.failed, 0, false
	}
}

// shrink asks for smaller pages after one that did not come.
func (s *pageSize) shrink() {
	s.failed = s.top
	s.top = min(s.top, max(minTop, s.top/4))
}

// noteWhole takes note of a whole page. One that is full and smaller than the one
// that failed shows where the limit is.
func (s *pageSize) noteWhole(records int) {
	if s.failed > s.top && (s.probing || records >= s.top) {
		s.limit, s.until = max(s.top, s.failed/2), s.now().Add(sizeTTL)
		if s.probing {
			s.until = s.now().Add(refusalTTL)
		}
	}
	s.failed, s.probing = 0, false
	if records >= s.top {
		s.grow()
	}
}

// noteCame takes note of the largest page that came of a list of which a larger one
// failed before. With failed, one after it failed, too: then largest is the limit.
func (s *pageSize) noteCame(largest int, failed bool) {
	s.top, s.failed, s.probing = min(max(largest, minTop), s.most), 0, false
	if s.limit = 0; failed {
		s.limit, s.until = s.top, s.now().Add(sizeTTL)
	}
}

// grow asks for larger pages, up to the largest there may be.
func (s *pageSize) grow() {
	most := s.most
	if s.limited() {
		most = min(most, s.limit)
	}
	s.top = max(s.top, min(2*s.top, most))
}

func (s *pageSize) limited() bool { return s.now().Before(s.until) }

// enlarge asks for the largest page there is, regardless of the configuration, and
// reports whether that is more than before: more records share one time than may
// be skipped.
func (s *pageSize) enlarge() bool {
	if s.top >= MaxPage || s.limited() {
		return false
	}
	s.top = MaxPage
	return true
}

// noteFollowed takes note of a page of so many records, of so many that were asked
// for, behind which another one brought new ones.
func (s *pageSize) noteFollowed(records, asked, fresh int) {
	if records > 1 && records < asked && fresh >= records/2 {
		s.noteCut(records)
	}
}

// noteCut takes note that the server may cut a page behind so many records.
func (s *pageSize) noteCut(records int) {
	if s.cut == 0 || records < s.cut {
		s.cut = records
	}
}

// short reports whether a page is so much shorter than asked, and than the
// server ever cut one, that nothing follows it. The first sweep, and every tenth,
// believes no more than a few records to be the end.
func (s *pageSize) short(records, asked int) bool {
	cut := s.cut
	if cut == 0 {
		cut = usualCut
	}
	if s.doubts() && 100*records >= asked {
		return false
	}
	return records < asked && 2*records < cut
}

func (s *pageSize) doubts() bool { return s.sweeps%doubtEvery == 1 }
