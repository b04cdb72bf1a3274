package api

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// spentVersion is the format of what is saved; other ones are not read.
	spentVersion = 1
	// ledgerPatience bounds how long a call waits for what was spent to be loaded
	// or saved, and ledgerPause how long nothing is tried after that did not work.
	ledgerPatience = 5 * time.Second
	ledgerPause    = time.Minute
	// maxAhead bounds how many calls are saved before they are made.
	maxAhead = 10
)

// ledger keeps what a pace has spent, for the next process.
type ledger struct {
	mu      sync.Mutex
	cursors inputs.Cursors // nil where nothing is kept
	key     inputs.Key
	loaded  bool
	rest    time.Time // nothing is tried before, after trouble

	// ahead is how many calls the saved state counts that were not made yet: of
	// all, by the name "", and of families by theirs.
	ahead map[string]int
}

// Keep makes the pace continue where the process before stopped, and save what
// it spends. Of several stores the last one is used. See "Why calls are saved
// before they are made" in the package's doc.
func (p *Pace) Keep(c inputs.Cursors, key inputs.Key) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	p.ledger.cursors, p.ledger.key = c, key
}

// spent is a pace as it is saved. It names families and no tenant.
type spent struct {
	Version int                      `json:"version"`
	All     []spentBudget            `json:"all"`
	Own     map[string][]spentBudget `json:"own,omitzero"` // by family
	Holds   map[string]savedHold     `json:"holds,omitempty"`
}

// savedHold is a hold of a path. Versions that do not know it read the rest.
type savedHold struct {
	Until   time.Time `json:"until"`
	Strikes int       `json:"strikes"`
}

// spentBudget is what is missing of a full budget at a moment.
type spentBudget struct {
	At    time.Time `json:"at"`
	Spent float64   `json:"spent"` // of the burst
	Last  int64     `json:"last"`  // see budget
	Used  []int     `json:"used"`
}

// recall takes over what was saved, once. While that does not work calls are
// made all the same, and it is tried again.
func (p *Pace) recall(ctx context.Context) {
	l := &p.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursors == nil || l.loaded || time.Now().Before(l.rest) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	b, err := l.cursors.Load(ctx, l.key)
	switch {
	case err == nil:
		p.thaw(b)
	case !errors.Is(err, inputs.ErrNoCursor):
		l.rest = time.Now().Add(ledgerPause)
		return
	}
	l.loaded = true
}

// account saves that a call is about to be made, with some more that need no
// saving then.
func (p *Pace) account(ctx context.Context, c call) {
	l := &p.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := []string{""}
	if c.family != (Family{}) {
		counted = append(counted, c.family.Name)
	}
	short := false
	for _, name := range counted {
		l.ahead[name]--
		short = short || l.ahead[name] < 0
	}
	if short {
		p.save(ctx, counted)
	}
}

// Settle gives back the calls that were saved and not made, so that the process
// that follows one that ended in order has them.
func (p *Pace) Settle(ctx context.Context) {
	l := &p.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	given := 0
	for _, n := range l.ahead {
		given += max(n, 0)
	}
	clear(l.ahead)
	if given > 0 {
		p.save(ctx, nil)
	}
}

// keepHolds saves that a path is held.
func (p *Pace) keepHolds(ctx context.Context) {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	p.save(ctx, nil)
}

// save saves the pace as it will be when some more calls of these families were
// made, unless nothing is tried. The ledger is locked.
func (p *Pace) save(ctx context.Context, more []string) {
	l := &p.ledger
	if l.cursors == nil || !l.loaded || time.Now().Before(l.rest) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	b, err := p.freeze(more)
	if err == nil {
		err = l.cursors.Save(ctx, l.key, b)
	}
	if err != nil {
		l.rest = time.Now().Add(ledgerPause)
		for _, name := range more {
			l.ahead[name] = 0
		}
	}
}

// freeze is the pace as it will be when some more calls of these families were made.
func (p *Pace) freeze(more []string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, ahead := time.Now(), p.ledger.ahead
	for _, name := range more {
		bs := p.own[name]
		if name == "" {
			bs = p.all
		}
		ahead[name] = bs.ahead()
	}
	s := spent{Version: spentVersion, All: p.all.freeze(now, max(ahead[""], 0)), Own: map[string][]spentBudget{}, Holds: map[string]savedHold{}}
	for path, h := range p.holds {
		if h.until.After(now) {
			s.Holds[path] = savedHold{h.until, h.strikes}
		}
	}
	for name, saved := range p.saved {
		s.Own[name] = saved
	}
	for name, own := range p.own {
		s.Own[name] = own.freeze(now, max(ahead[name], 0))
	}
	return json.Marshal(s)
}

// thaw takes over what was saved; what cannot be read says nothing.
func (p *Pace) thaw(b []byte) {
	var s spent
	if json.Unmarshal(b, &s) != nil || s.Version != spentVersion {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.all.thaw(now, s.All)
	p.saved = s.Own
	for path, h := range s.Holds {
		if latest := now.Add(longestHold); h.Until.After(latest) { // a clock was wrong
			h.Until = latest
		}
		if p.holds[path] == nil && h.Until.After(now) {
			p.holds[path] = &hold{until: h.Until, strikes: max(h.Strikes, 0)}
		}
	}
}

// ahead is how many calls are saved before they are made: half of the smallest
// burst, since a process that follows takes them for made, and few of many.
func (bs budgets) ahead() int {
	n := maxAhead
	for _, b := range bs {
		n = min(n, int(b.burst)/2)
	}
	return max(n, 1)
}

func (bs budgets) freeze(now time.Time, ahead int) []spentBudget {
	list := make([]spentBudget, 0, len(bs))
	for _, b := range bs {
		b.forget(now)
		used := b.used
		used[b.last%slots] += ahead
		list = append(list, spentBudget{now, b.burst - b.limiter.TokensAt(now) + float64(ahead), b.last, used[:]})
	}
	return list
}

// thaw spends what had been spent and was not refilled since.
func (bs budgets) thaw(now time.Time, saved []spentBudget) {
	if len(saved) != len(bs) {
		return
	}
	for i, s := range saved {
		b := bs[i]
		refilled := float64(b.limiter.Limit()) * max(now.Sub(s.At), 0).Seconds()
		for left := int(math.Ceil(min(s.Spent-refilled, float64(b.limit)))); left > 0; {
			n := min(left, int(b.burst))
			b.limiter.ReserveN(now, n) // more than there is makes the next calls wait
			left -= n
		}
		b.forget(now)
		for j, n := range s.Used {
			// A slot's number is the largest one up to Last that has its place.
			slot := s.Last - (s.Last-int64(j)%slots+slots)%slots
			if len(s.Used) == slots && slot > b.last-slots && slot <= b.last {
				b.used[slot%slots] += max(n, 0)
			}
		}
	}
}
