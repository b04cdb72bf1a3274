package odata

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// snapshot reads a whole list at every sweep.
type snapshot struct {
	Options
	caps *capabilities
	// completed is when the last complete snapshot ended. It is part of the ids
	// of the next one, and saved: a snapshot that is read again after a crash
	// gives the same ids, and a record that changes back, or is published again
	// after the retention's Refresh, is a new document.
	completed time.Time
}

// Snapshot pages through a list whose records have no time to be read by: by id,
// and by $skip where the server does not filter by ids.
func Snapshot(o Options) collect.Strategy {
	return &snapshot{Options: o, caps: newCapabilities(o, 0, idFilter, orderBy|idFilter)}
}

// Restore implements collect.Strategy.
func (s *snapshot) Restore(saved jsontext.Value) error {
	if saved == nil {
		s.completed = s.Now().UTC().Add(-s.InitialInterval)
		return nil
	}
	p, err := readPlace(saved)
	if err != nil {
		return err
	}
	s.completed = p.Cursor
	return nil
}

// Rewind implements collect.Strategy. Every sweep asks for everything, and the
// place stays: it gives the documents other ids than the last sweep's.
func (s *snapshot) Rewind(time.Time) {}

// Place implements collect.Strategy.
func (s *snapshot) Place() collect.Place {
	return collect.Place{
		JSON:  place{Cursor: s.completed}.write(),
		Sweep: collect.Sweep{Epoch: strconv.AppendInt(nil, s.completed.UnixNano(), 10)},
	}
}

// Begin implements collect.Strategy.
func (s *snapshot) Begin() collect.Pager {
	s.caps.begin()
	w := sweep{Options: s.Options, caps: s.caps}
	switch {
	case !s.caps.takes(orderBy):
		return &bySkip{sweep: w, snapshot: s}
	case !s.caps.takes(idFilter):
		return &bySkip{sweep: w, snapshot: s, order: "id"}
	default:
		return &byID{sweep: w, snapshot: s}
	}
}

// refuses begins a snapshot again without one of the options that were asked
// for, where that is another way.
func (s *snapshot) refuses(asked option, why error) (collect.Pager, error) {
	if !s.caps.refuse(asked) {
		return nil, s.caps.exhausted(why)
	}
	return s.Begin(), why
}

// ignores begins a snapshot again without an option.
func (s *snapshot) ignores(o option, why error) (collect.Pager, error) {
	if !s.caps.ignore(o) {
		return nil, why
	}
	return s.Begin(), why
}

// deeper begins a snapshot again with pages that need less skipping.
func (s *snapshot) deeper(why error) (collect.Pager, error) {
	if !s.caps.enlarge() {
		return nil, why
	}
	return s.Begin(), why
}

// complete ends a snapshot.
func (s *snapshot) complete() (collect.Pager, error) {
	s.completed = s.Now().UTC()
	s.caps.relax()
	return nil, nil
}
