package api

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Priority orders the callers of one client when calls are scarce: 0 goes
// first, a higher number leaves calls over for the lower ones.
type Priority int

// reserve is the share of a budget's burst that each step of priority leaves
// to those before it.
const reserve = 0.2

// Quota is what is left of the pace.
type Quota struct {
	MinuteLeft, HourLeft int       // calls not made within the last minute, the last hour
	HeldUntil            time.Time // after a 429: nothing is sent before; zero when free
}

// pace keeps all callers of a client inside the API's quota and makes them
// wait together after a 429.
type pace struct {
	mu           sync.Mutex
	minute, hour *budget
	until        time.Time // nothing is sent before
	held         time.Time // when until was last set
	strikes      int       // 429s in a row
}

func newPace(perMinute, perHour int) *pace {
	return &pace{minute: newBudget(perMinute, time.Minute), hour: newBudget(perHour, time.Hour)}
}

// wait blocks until a call may be made. A hold that the server asked for is
// waited out only up to the patience of a call: a longer one is an error of
// Throttled that says how long it lasts.
func (p *pace) wait(ctx context.Context, op string, priority Priority) error {
	for {
		if ctx.Err() != nil {
			return interrupted(ctx, op)
		}
		d, held := p.take(time.Now(), priority)
		if d <= 0 {
			return nil
		}
		if held && d > patience {
			return &Error{Op: op, Kind: Throttled, RetryAfter: d,
				Message: "not sent: an earlier call was throttled", Hint: hintThrottled}
		}
		if sleep(ctx, d) != nil {
			return interrupted(ctx, op)
		}
	}
}

// take spends a call and returns 0, or returns how long to wait before asking
// again and whether that is because of a 429.
func (p *pace) take(now time.Time, priority Priority) (d time.Duration, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.until.Sub(now); d > 0 {
		return d, true
	}
	if d := max(p.minute.missing(now, priority), p.hour.missing(now, priority)); d > 0 {
		return d, false
	}
	p.minute.spend(now)
	p.hour.spend(now)
	return 0, false
}

// throttled holds everyone back after the call sent at that moment was
// answered with the 429 e, and returns for how long. Several calls that were
// under way together count as one.
func (p *pace) throttled(sent time.Time, e *Error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.strikes == 0 || sent.After(p.held) {
		p.strikes++
		p.held = now
	}
	until := now.Add(wait(p.strikes, e, nil))
	if until.After(p.until) {
		p.until = until
	}
	return p.until.Sub(now)
}

// accepted tells that a call was answered, so the API takes calls again.
func (p *pace) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strikes = 0
}

func (p *pace) quota() Quota {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	q := Quota{MinuteLeft: p.minute.left(now), HourLeft: p.hour.left(now)}
	if p.until.After(now) {
		q.HeldUntil = p.until
	}
	return q
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
	burst   float64

	slot time.Duration
	used [slots]int // calls per slot; display only
	last int64      // number of the newest slot
}

func newBudget(limit int, window time.Duration) *budget {
	burst := max(limit/10, 1)
	// A limit of 1 leaves nothing to refill; half a call a window keeps it.
	refill := max(float64(limit-burst), 0.5)
	return &budget{
		limiter: rate.NewLimiter(rate.Limit(refill/window.Seconds()), burst),
		limit:   limit, burst: float64(burst), slot: window / slots,
	}
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
	at := now.UnixNano() / int64(b.slot)
	if at-b.last >= slots {
		b.used = [slots]int{}
		b.last = at
	}
	for b.last < at {
		b.last++
		b.used[b.last%slots] = 0
	}
}
