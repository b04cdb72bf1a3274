package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestKindDecidesAboutTryingAgain(t *testing.T) {
	want := map[Kind]int{Other: 1, Auth: 1, Permission: 1, Throttled: 5, Transient: 5, Malformed: 2, Misconfigured: 1}
	if len(want) != len(kindNames) {
		t.Fatalf("%d kinds are tested, there are %d", len(want), len(kindNames))
	}
	for kind, n := range want {
		for attempt := 1; attempt <= 6; attempt++ {
			err := fmt.Errorf("wrapped: %w", &Error{Kind: kind})
			if got := retry(attempt, err); got != (attempt < n) {
				t.Errorf("%v after attempt %d: %v", kind, attempt, got)
			}
		}
	}
	if retry(1, errors.New("context ended")) {
		t.Error("tried again without an *Error")
	}
}

func TestWait(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, test := range []struct {
		attempt int
		err     Error
		random  float64
		want    time.Duration
	}{
		{1, Error{Kind: Transient}, 0, 0},
		{1, Error{Kind: Transient}, 0.5, s / 2},
		{3, Error{Kind: Transient}, 0.5, 2 * s},
		{9, Error{Kind: Transient}, 0.5, 15 * s},
		{1000, Error{Kind: Malformed}, 0.5, 15 * s},
		{1, Error{Kind: Transient, RetryAfter: 20 * s}, 0.5, 20 * s},
		{1, Error{Kind: Transient, RetryAfter: 100 * time.Hour}, 0.5, 5 * m},
		{1, Error{Kind: Throttled, RetryAfter: 7 * s}, 0, 7 * s},
		{1, Error{Kind: Throttled, RetryAfter: 100 * time.Hour}, 0, time.Hour},
		{1, Error{Kind: Throttled}, 0, m},
		{2, Error{Kind: Throttled}, 0, 2 * m},
		{5, Error{Kind: Throttled}, 0, 16 * m},
		{50, Error{Kind: Throttled}, 0, time.Hour},
	} {
		if got := wait(test.attempt, &test.err, func() float64 { return test.random }); got != test.want {
			t.Errorf("attempt %d, %v, retry after %v: wait %v, want %v", test.attempt, test.err.Kind, test.err.RetryAfter, got, test.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"30":                            30 * time.Second,
		" 30 ":                          30 * time.Second,
		"0":                             time.Second,
		"1.5":                           1500 * time.Millisecond,
		"-5":                            0,
		"NaN":                           0,
		"1e300":                         time.Hour,
		"99999999999999999999":          time.Hour,
		"soon":                          0,
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": time.Second,
		"Mon, 02 Mar 2026 12:00:00 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		// A date is one of the server's clock.
		ahead := now.Add(50 * time.Minute)
		if got := retryAfter(http.Header{"Retry-After": {text}, "Date": {now.Format(http.TimeFormat)}}, ahead); got != want {
			t.Errorf("%q, our clock ahead: %v, want %v", text, got, want)
		}
		// A Date of an impossible year is none.
		if got := retryAfter(http.Header{"Retry-After": {text}, "Date": {"Sat, 01 Jan 0000 00:00:00 GMT"}}, now); got != want {
			t.Errorf("%q with a Date of the year 0: %v, want %v", text, got, want)
		}
	}
}

// TestNoWaitBehindTheDeadline: a caller that has little time learns that calls are
// throttled, and not that the time was up.
func TestNoWaitBehindTheDeadline(t *testing.T) {
	for _, wait := range []time.Duration{50 * time.Second, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			began, calls := time.Now(), 0
			err := repeat(ctx, nil, func() error {
				if calls++; calls == 2 {
					return nil
				}
				return &Error{Kind: Throttled, Status: http.StatusTooManyRequests, RetryAfter: wait}
			})
			e, refused := errors.AsType[*Error](err)
			if taken := time.Since(began); wait > 20*time.Second && (!refused || e.Kind != Throttled || taken != 0) || wait <= 20*time.Second && (err != nil || taken != wait) {
				t.Errorf("wait of %s: %v after %s and %d calls", wait, err, taken, calls)
			}
		})
	}
}

// TestNoWaitForAHoldBehindTheDeadline of an earlier call, either.
func TestNoWaitForAHoldBehindTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(DefaultLimit)
		p.throttled(t.Context(), time.Now(), "/api/alerts", &Error{Kind: Throttled, RetryAfter: 50 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		err := p.wait(ctx, call{op: "get /api/alerts", path: "/api/alerts"})
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Throttled || time.Since(began) != 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
