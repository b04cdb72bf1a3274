package api

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Priority orders the callers of one pace when calls are scarce: 0 goes first,
// a higher number leaves calls over for the lower ones.
type Priority int

const (
	// reserve is the share of a budget's burst that each step of priority leaves
	// to those before it.
	reserve = 0.2
	// aging is how long a call waits until it counts one step more urgent, so
	// that a long backlog of the first does not stop the last altogether.
	aging = time.Minute
	// leastShare of the limits is used however often the API throttles.
	leastShare = 0.125
)

// Limit is how many calls the service takes in any minute and any hour.
type Limit struct{ PerMinute, PerHour int }

// Family is a set of calls that the service limits together, beside the limit of
// all calls. The zero Family has no limit of its own.
type Family struct {
	Name  string // in the ledger
	Limit Limit
}

// Quota is what is left of the pace.
type Quota struct {
	MinuteLeft, HourLeft int       // calls not made within the last minute, the last hour
	HeldUntil            time.Time // after a 429: a list is not asked before, the last one if several; zero when free
}

// Pace keeps all calls of one tenant and application inside the API's quota,
// and makes them wait together after a 429. It is meant to be shared by all
// clients of that pair, and to outlive them. It is safe for concurrent use.
type Pace struct {
	mu  sync.Mutex
	all budgets
	own map[string]budgets // of families, by name

	holds map[string]*hold // by path, of those that were throttled

	held   time.Time // when anything was last throttled
	share  float64   // of the limits that is used; the rest seems to be somebody else's
	raised time.Time

	saved  map[string][]spentBudget // of the process before, of families not asked yet
	ledger ledger
}

// NewPace makes a pace whose whole limit is left.
func NewPace(l Limit) *Pace {
	return &Pace{all: newBudgets(l), own: map[string]budgets{}, holds: map[string]*hold{}, share: 1, ledger: ledger{ahead: map[string]int{}}}
}

// hold is what the API asked for one path. It says of no other: those are held
// when they are throttled, too.
type hold struct {
	until   time.Time // nothing is sent before
	held    time.Time // when until was last set
	strikes int       // 429s in a row
}

// SetLimit changes the limit; what was spent stays spent.
func (p *Pace) SetLimit(l Limit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.all[0].set(now, l.PerMinute, p.share)
	p.all[1].set(now, l.PerHour, p.share)
}

// call is what the pace must know of a call.
type call struct {
	op, path string
	priority Priority
	family   Family
	waits    func() // see Request.Waits
}

// wait blocks until a call may be made. A hold that the server asked for is
// waited out only up to throttlePatience: a longer one is an error of
// Throttled that says how long it lasts.
func (p *Pace) wait(ctx context.Context, c call) error {
	p.recall(ctx)
	began := time.Now()
	for {
		if ctx.Err() != nil {
			return interrupted(ctx, c.op)
		}
		now := time.Now()
		aged := c
		aged.priority -= Priority(now.Sub(began) / aging)
		d, held := p.take(now, aged)
		if d <= 0 {
			p.account(ctx, c)
			return nil
		}
		if held && (d > throttlePatience || outlasts(ctx, d)) {
			return &Error{Op: c.op, Kind: Throttled, RetryAfter: d,
				Message: "not sent: an earlier call was throttled", Hint: hintThrottled}
		}
		if !held {
			d = min(d, aging)
		}
		reportWait(c.waits, d)
		if sleep(ctx, d) != nil {
			return interrupted(ctx, c.op)
		}
	}
}

// take spends a call and returns 0, or returns how long to wait before asking
// again and whether that is because of a 429.
func (p *Pace) take(now time.Time, c call) (d time.Duration, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.holds[c.path]; h != nil && h.until.After(now) {
		return h.until.Sub(now), true
	}
	own := p.ofFamily(now, c.family)
	for _, b := range p.all {
		d = max(d, b.missing(now, c.priority))
	}
	for _, b := range own {
		d = max(d, b.missing(now, 0)) // members of a family are equals
	}
	if d > 0 {
		return d, false
	}
	for _, b := range slices.Concat(p.all, own) {
		b.spend(now)
	}
	return 0, false
}

// ofFamily are the budgets of a family.
func (p *Pace) ofFamily(now time.Time, f Family) budgets {
	if f == (Family{}) {
		return nil
	}
	own, ok := p.own[f.Name]
	if !ok {
		own = newBudgets(f.Limit)
		own.scale(now, p.share)
		own.thaw(now, p.saved[f.Name])
		delete(p.saved, f.Name)
		p.own[f.Name] = own
	}
	return own
}

// throttled holds a path back after the call sent at that moment was answered
// with the 429 e, and returns for how long. Several calls that were under way
// together count as one. Throttled calls within the limits mean that
// others use up the quota: from then on half as many are made, of all paths.
func (p *Pace) throttled(ctx context.Context, sent time.Time, path string, e *Error) time.Duration {
	defer p.keepHolds(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	h := p.holds[path]
	if h == nil {
		h = &hold{}
		p.holds[path] = h
	}
	if sent.After(h.held) {
		h.strikes++
		h.held = now
	}
	if sent.After(p.held) {
		p.held = now
		p.adapt(now, max(p.share/2, leastShare))
	}
	until := now.Add(wait(h.strikes, e, nil))
	if until.After(h.until) {
		h.until = until
	}
	return h.until.Sub(now)
}

// accepted notes that the call sent at that moment was answered. If that was
// after the last 429 the API takes calls again, and each minute in which it does
// gives an eighth of the limits back.
func (p *Pace) accepted(sent time.Time, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.holds[path]; h != nil && sent.After(h.held) {
		delete(p.holds, path)
	}
	if now := time.Now(); sent.After(p.held) && p.share < 1 && now.Sub(p.raised) >= time.Minute {
		p.adapt(now, min(p.share+leastShare, 1))
	}
}

func (p *Pace) adapt(now time.Time, share float64) {
	p.share, p.raised = share, now
	p.all.scale(now, share)
	for _, own := range p.own {
		own.scale(now, share)
	}
}

// Quota returns what is left of the common limit.
func (p *Pace) Quota() Quota {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	q := Quota{MinuteLeft: p.all[0].left(now), HourLeft: p.all[1].left(now)}
	for _, h := range p.holds {
		if h.until.After(now) && h.until.After(q.HeldUntil) {
			q.HeldUntil = h.until
		}
	}
	return q
}

// Families returns what is left of the limits of families, by name, of those that
// were asked for.
func (p *Pace) Families() map[string]Quota {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := make(map[string]Quota, len(p.own))
	for name, own := range p.own {
		left[name] = Quota{MinuteLeft: own[0].left(time.Now()), HourLeft: own[1].left(time.Now())}
	}
	return left
}

// budgets are those of a minute and of an hour.
type budgets []*budget

func newBudgets(l Limit) budgets {
	return budgets{newBudget(l.PerMinute, time.Minute), newBudget(l.PerHour, time.Hour)}
}

func (bs budgets) scale(now time.Time, share float64) {
	for _, b := range bs {
		b.scale(now, share)
	}
}

// slots is into how many parts a budget's window is cut for counting.
const slots = 60

// budget allows so many calls in any window of its length.
//
// A token bucket lets burst calls through at once and refills while a window
// passes, so a window sees at most burst + refill of them. A tenth of the
// limit is burst, the rest is refilled: sums to the limit exactly, and keeps
// nine tenths of the quota for a long backlog.
type budget struct {
	limiter *rate.Limiter
	limit   int
	window  time.Duration
	burst   float64 // of the share in use

	used [slots]int // calls per slot; display only
	last int64      // number of the newest slot
}

func newBudget(limit int, window time.Duration) *budget {
	b := &budget{limiter: rate.NewLimiter(0, burstOf(limit)), window: window}
	b.set(time.Now(), limit, 1)
	return b
}

// burstOf is the part of a limit that may be used at once: a tenth, but of small
// limits as many calls as there are streams that share one, if half allows.
func burstOf(limit int) int { return max(limit/10, min(limit/2, 4), 1) }

// set changes the limit, of which a share is let through.
func (b *budget) set(now time.Time, limit int, share float64) {
	b.limit = limit
	b.scale(now, share)
}

// scale lets only a share of the calls through from now on.
func (b *budget) scale(now time.Time, share float64) {
	burst := burstOf(b.limit)
	// A limit of 1 leaves nothing to refill; half a call a window keeps it.
	refill := max(float64(b.limit-burst), 0.5) / b.window.Seconds()
	b.burst = math.Floor(max(float64(burst)*share, 1))
	b.limiter.SetBurstAt(now, int(b.burst))
	b.limiter.SetLimitAt(now, rate.Limit(refill*share))
}

// missing is how long until a call of that priority may be made; 0 for now.
func (b *budget) missing(now time.Time, priority Priority) time.Duration {
	need := min(1+reserve*b.burst*float64(max(priority, 0)), b.burst)
	lack := need - b.limiter.TokensAt(now)
	if lack <= 0 {
		return 0
	}
	seconds := lack / float64(b.limiter.Limit())
	// A millisecond more than computed, against rounding.
	return time.Duration(math.Ceil(seconds*1000)+1) * time.Millisecond
}

func (b *budget) spend(now time.Time) {
	b.limiter.AllowN(now, 1)
	b.forget(now)
	b.used[b.last%slots]++
}

func (b *budget) left(now time.Time) int {
	b.forget(now)
	n := b.limit
	for _, u := range b.used {
		n -= u
	}
	return max(n, 0)
}

// forget clears the slots that time has left behind.
func (b *budget) forget(now time.Time) {
	at := now.UnixNano() / int64(b.window/slots)
	if at-b.last >= slots {
		b.used = [slots]int{}
		b.last = at
	}
	for b.last < at {
		b.last++
		b.used[b.last%slots] = 0
	}
}
