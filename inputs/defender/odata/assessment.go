package odata

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// MaxAssessmentPage is the largest pageSize of the assessment lists (API.md 3.1).
const MaxAssessmentPage = 200_000

const (
	// changeSlot is the time by which the service rounds what changes are asked from
	// (API.md 8.2), and how often it makes the whole list (API.md 8.1).
	changeSlot = 6 * time.Hour
	// maxSince is how long ago that time may be: 14 days (API.md 8.2), less the hour
	// by which clocks and waiting may be off.
	maxSince = 14*24*time.Hour - time.Hour
	// minAssessmentPage is the smallest page that is asked for when larger ones fail.
	minAssessmentPage = 1000
)

// Epoch says for how long a record that a whole read brings unchanged is the
// same document.
type Epoch uint8

// The epochs.
const (
	Once     Epoch = iota // always: the record has a version of its own
	Daily                 // on the day, by UTC, on which the read began
	EachRead              // in one read
)

// assessment reads lists that the service computes every few hours: all of it
// each time or, where there is a list of changes, all of it now and then.
type assessment struct {
	Options
	place assessmentPlace
	size  int // of a page

	changing bool          // the sweep reads changes
	paused   collect.Pager // of a read that broke off, and can be continued
	pausedAt time.Time
}

// assessmentVersion is that of an assessment's place.
const assessmentVersion = 1

// assessmentPlace is what is saved of an assessment.
type assessmentPlace struct {
	Version int `json:"version"`
	// Started is when the last whole read began, by our clock: it is the time of its
	// documents and makes their ids. Complete says that it ended.
	Started  time.Time `json:"started,omitzero"`
	Complete bool      `json:"complete,omitzero"`
	// Since is the time from which changes are asked for next.
	Since time.Time `json:"since,omitzero"`
	// Refused says that the last whole read was made because changes were refused.
	Refused bool `json:"refused,omitzero"`
	// Read is what the last complete read of files read; see fileSet.
	Read  string  `json:"read,omitzero"`
	Files fileSet `json:"files,omitzero"`
}

// Assessment pages through a list of Options.List by the links that its pages
// give, through the files that Options.Files names, or through one of both by the
// number of devices. With Options.Changes it reads all once in a
// FullInterval, and between that the changes; else all once in an Interval.
//
// The records of a whole read are not kept as seen (collect.Sweep.Whole): their
// ids say by Options.Epoch when one is stored again. Changes are; how long, says
// collect.Retention.For, since a server may repeat one of any time.
func Assessment(o Options) collect.Strategy { return &assessment{Options: o, size: o.PageSize} }

// Restore implements collect.Strategy.
func (a *assessment) Restore(saved jsontext.Value) error {
	a.place, a.paused = assessmentPlace{Version: assessmentVersion}, nil
	if saved == nil {
		return nil
	}
	var p assessmentPlace
	if err := json.Unmarshal(saved, &p); err != nil {
		return err
	}
	if p.Version != assessmentVersion {
		return fmt.Errorf("place: version %d", p.Version)
	}
	a.place = p
	return nil
}

// Rewind implements collect.Strategy. Everything is read again at once, under the
// ids that it had where the epoch allows.
func (a *assessment) Rewind(time.Time) {
	a.place, a.paused = assessmentPlace{Version: assessmentVersion}, nil
}

// Place implements collect.Strategy.
func (a *assessment) Place() collect.Place {
	b, err := json.Marshal(a.place)
	if err != nil {
		panic(err) // a year above 9999: all times are those of clocks
	}
	p := collect.Place{JSON: b}
	if a.Changes == "" && a.place.Complete {
		p.Due = a.place.Started.Add(a.Interval)
	}
	if !a.changing {
		p.Sweep = collect.Sweep{Whole: true, Started: a.place.Started, Epoch: a.epoch()}
	}
	return p
}

func (a *assessment) epoch() []byte {
	switch a.Epoch {
	case Daily:
		return []byte(a.day())
	case EachRead:
		return strconv.AppendInt(nil, a.place.Started.UnixNano(), 10)
	case Once:
	}
	return nil
}

func (a *assessment) day() string { return a.place.Started.Format(time.DateOnly) }

// Begin implements collect.Strategy.
func (a *assessment) Begin() collect.Pager {
	now := a.Now().UTC()
	if a.Show != nil {
		a.Show(Ways{PageSize: a.size})
	}
	if paused := a.paused; paused != nil {
		if a.paused = nil; now.Sub(a.pausedAt) < linkTTL {
			return paused
		}
	}
	switch p := &a.place; {
	case !p.Complete:
	case a.Changes == "" && !due(now, p.Started, a.Interval):
		return nil
	case a.Changes != "" && now.Sub(p.Since) > maxSince:
		a.Log.Warn("changes cannot be asked for from so long ago, reading everything")
	case a.Changes != "" && !due(now, p.Started, a.FullInterval):
		return a.changes()
	}
	return a.whole(now)
}

// pause keeps a pager whose read breaks off here: the next poll continues it, where
// that is soon enough.
func (a *assessment) pause(p collect.Pager) { a.paused, a.pausedAt = p, a.Now().UTC() }

// due reports whether so long has passed, by a clock that may have been set.
func due(now, then time.Time, after time.Duration) bool {
	passed := now.Sub(then)
	return passed >= after-after/100 || passed < 0
}

// whole begins to read everything. A read that was broken off not long ago is
// continued: its documents have the ids that they had.
func (a *assessment) whole(now time.Time) collect.Pager {
	a.changing = false
	p := &a.place
	if p.Complete || p.Started.IsZero() || due(now, p.Started, changeSlot) {
		p.Started, p.Complete, p.Files = now, false, fileSet{}
	}
	switch {
	case a.List == "":
		return &byFiles{assessment: a}
	case a.Files == "":
		return a.list()
	case a.FilesAbove == 0:
		return &byFiles{assessment: a}
	}
	return &byDevices{a}
}

// list reads the whole list.
func (a *assessment) list() collect.Pager {
	return &byNextLink{assessment: a, path: a.List, query: url.Values{"pageSize": {strconv.Itoa(a.size)}}}
}

// changes reads what changed since the place.
func (a *assessment) changes() collect.Pager {
	a.changing = true
	return &byNextLink{assessment: a, path: a.Changes, query: url.Values{
		"pageSize":  {strconv.Itoa(a.size)},
		"sinceTime": {a.place.Since.UTC().Format("2006-01-02T15:04:05.000Z")},
	}}
}

// refuseChanges reads everything in place of changes, which the server refuses.
// Where it refuses them again after that, the error is reported instead, until a
// whole read is due anyway.
func (a *assessment) refuseChanges(why error) (collect.Pager, error) {
	if a.place.Refused {
		return nil, why
	}
	a.place.Refused, a.place.Complete = true, false
	a.place.Started = time.Time{}
	return a.whole(a.Now().UTC()), why
}

// complete ends a sweep. Changes are asked for next from where this one began,
// less the slot by which the server rounds and is late.
func (a *assessment) complete(asked time.Time) (collect.Pager, error) {
	p := &a.place
	p.Since = asked.UTC().Add(-changeSlot)
	if a.changing {
		p.Refused = false
	} else {
		p.Complete, p.Files = true, fileSet{}
	}
	a.size = min(2*a.size, a.PageSize)
	return nil, nil
}

// byDevices asks how many devices there are, to choose between list and files.
// Where the number is not known, because the application may not read machines, it is
// the list, which serves any number.
type byDevices struct{ *assessment }

// Request implements collect.Pager.
func (p *byDevices) Request() collect.Request {
	return collect.Request{Path: p.Devices, Form: collect.Count}
}

// Next implements collect.Pager.
func (p *byDevices) Next(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil && !isAnswer(page.Err) {
		return nil, page.Err
	}
	if page.Err == nil && page.Total > p.FilesAbove {
		return &byFiles{assessment: p.assessment}, nil
	}
	return p.list(), nil
}
