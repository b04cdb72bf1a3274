package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstBackoff  = time.Second
	longestWait   = 30 * time.Second // between attempts, unless throttled
	firstThrottle = time.Minute      // after a 429 that does not say how long
	longestHold   = time.Hour        // after any 429: the hourly quota is whole again by then
	longestOutage = 5 * time.Minute  // after any other answer that says how long

	// patience is how long one call is tried, all attempts included, before it is
	// an error that shows and the rest is left to the caller's schedule.
	patience = 30 * time.Second
	// throttlePatience is how long one call waits for the API to take calls again.
	throttlePatience = time.Minute
)

// attempts is how often a call is made at most. This is the one place where a
// kind decides about making the same call again, but for a new token (attempt); whether
// another one may help, a smaller page for one, is a matter of the pager (odata).
func attempts(k Kind) int {
	switch k {
	case Transient, Throttled:
		return 5
	case Malformed:
		return 2 // a proxy's page or a node in trouble, perhaps only this once
	case Auth, Permission, Misconfigured, Other:
		return 1
	}
	return 1
}

// retry reports whether to try again after the given attempt (from 1) ended in err.
func retry(attempt int, err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && attempt < attempts(e.Kind)
}

// wait is how long to wait after the given attempt (from 1) ended in e: what
// the server asked for, else full jitter over an exponential ceiling. random
// gives a number in [0, 1).
func wait(attempt int, e *Error, random func() float64) time.Duration {
	if e.Kind == Throttled {
		if e.RetryAfter > 0 {
			return min(e.RetryAfter, longestHold)
		}
		return ceiling(firstThrottle, longestHold, attempt)
	}
	d := time.Duration(random() * float64(ceiling(firstBackoff, longestWait, attempt)))
	return max(d, min(e.RetryAfter, longestOutage))
}

// ceiling doubles first with every attempt and stops at limit.
func ceiling(first, limit time.Duration, attempt int) time.Duration {
	d := first
	for ; attempt > 1 && d < limit; attempt-- {
		d *= 2
	}
	return min(d, limit)
}

// repeat calls f until it succeeds, fails for good, or waiting longer would
// try the caller's patience or outlast its deadline; the last error is then
// returned.
func repeat(ctx context.Context, waits func(), f func() error) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || !retry(attempt, err) {
			return err
		}
		e, _ := errors.AsType[*Error](err)
		d := wait(attempt, e, rand.Float64)
		limit := patience
		if e.Kind == Throttled {
			limit = throttlePatience
		}
		if time.Since(began)+d > limit || outlasts(ctx, d) {
			return err
		}
		reportWait(waits, d)
		if sleep(ctx, d) != nil {
			return interrupted(ctx, e.Op)
		}
	}
}

// longWait is the shortest wait that is reported (Request.Waits).
const longWait = time.Second

// reportWait reports a long wait (Request.Waits).
func reportWait(waits func(), d time.Duration) {
	if waits != nil && d >= longWait {
		waits()
	}
}

// outlasts reports whether a wait would end behind the caller's deadline: why it is
// long says more than that the time was up.
func outlasts(ctx context.Context, d time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) < d
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryAfter reads a Retry-After header, seconds or date. A date is read by the
// answer's own Date, by our clock where there is none. 0 means that it is absent
// or unreadable; a moment in the past is as soon as sensible, a second.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		if !(s >= 0) {
			return 0
		}
		return max(time.Duration(min(s, longestHold.Seconds())*float64(time.Second)), time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, ok := dateOf(h); ok {
		now = date
	}
	return min(max(at.Sub(now), time.Second), longestHold)
}
