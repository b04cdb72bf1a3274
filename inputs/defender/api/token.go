package api

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	opToken = "get a token"

	// renewBefore is how long before its end a token is replaced, if it lives
	// long enough: else after half of its life.
	renewBefore = 5 * time.Minute
	// renewAgain is when to try again after that did not work; the old token
	// is used meanwhile.
	renewAgain = time.Minute
	// endMargin of a token are not used: it might end on its way.
	endMargin = 10 * time.Second
	// shortLife is assumed where expires_in is missing: the least that Entra
	// lets an admin set.
	shortLife = 10 * time.Minute

	// consentAge is the age from which a token is replaced when a role is
	// missing in it: consent may have been given since.
	consentAge = time.Minute

	tokenLimit = 1 << 20 // bytes read of the endpoint's answer
)

// token is a bearer token and when to replace it.
type token struct {
	text                 inputs.Secret
	issued, renew, until time.Time
}

func (t token) fresh(now time.Time) bool  { return now.Before(t.renew) }
func (t token) usable(now time.Time) bool { return now.Before(t.until) }

// tokenPatience bounds the request for a token, regardless of the timeout of the API's
// calls: its answer is short.
const tokenPatience = 30 * time.Second

// tokens gets and keeps the one token that all callers share.
type tokens struct {
	source  tokenSource
	timeout time.Duration
	secrets *redactor

	// turn is held by the caller that asks the endpoint. A channel, because waiting
	// for it must obey the waiter's context.
	turn chan struct{}

	mu     sync.Mutex
	cached token
	round  int   // failures so far
	err    error // of the last round

	looked time.Time // when end was read
	end    time.Time // of the credentials; zero where it is not known
}

func newTokens(c Config, login *url.URL, wires wires, secrets *redactor) *tokens {
	return &tokens{
		source:  newTokenSource(c, login, wires, secrets),
		timeout: min(c.Timeout, tokenPatience),
		secrets: secrets,
		turn:    make(chan struct{}, 1),
	}
}

// get returns the cached token while it is fresh, and asks for a new one
// otherwise. Anyone who waits for another caller's request shares its outcome.
func (t *tokens) get(ctx context.Context) (token, error) {
	old, round, _ := t.look()
	now := time.Now()
	if old.fresh(now) {
		return old, nil
	}
	if old.usable(now) {
		return t.renewEarly(ctx, old)
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return token{}, interrupted(ctx, opToken)
	}
	found, reached, err := t.look()
	if found.usable(time.Now()) {
		return found, nil
	}
	if reached != round {
		return token{}, err
	}
	return t.fetch(ctx)
}

// renewEarly replaces a token that is about to end. One caller does it, the
// others continue with the old one, and so does that caller if it does not work.
func (t *tokens) renewEarly(ctx context.Context, old token) (token, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	default:
		return old, nil
	}
	if found, _, _ := t.look(); found.fresh(time.Now()) {
		return found, nil
	}
	fresh, err := t.fetch(ctx)
	if err == nil {
		return fresh, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cached.text == old.text {
		t.cached.renew = time.Now().Add(renewAgain)
	}
	return old, nil
}

// lookAgain is after how long the end of the credentials is read again.
const lookAgain = 10 * time.Second

// ends is when the credentials end, as far as that is known. While a file is being
// replaced it is what was known before.
func (t *tokens) ends() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.looked.IsZero() || now.Sub(t.looked) >= lookAgain {
		t.looked = now
		if end, err := t.source.ends(); err == nil {
			t.end = end
		}
	}
	return t.end
}

func (t *tokens) look() (cached token, round int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cached, t.round, t.err
}

// refuse forgets a token that the API did not take, unless it was already
// replaced.
func (t *tokens) refuse(used token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cached.text == used.text {
		t.cached = token{}
	}
}

// replace gets a newer token than the one used, which stays where that does not
// work: other calls may get on well with it.
func (t *tokens) replace(ctx context.Context, used token) token {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return used
	}
	if found, _, _ := t.look(); found.text != used.text && found.usable(time.Now()) {
		return found
	}
	fresh, err := t.fetch(ctx)
	if err != nil {
		return used
	}
	return fresh
}

// fetch asks for a token once. The caller has the turn.
func (t *tokens) fetch(ctx context.Context) (token, error) {
	got, err := t.request(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.cached = got
	case ctx.Err() == nil: // who gave up has nothing to share
		t.round++
		t.err = err
	}
	return got, err
}

func (t *tokens) request(ctx context.Context) (token, error) {
	limited, cancel := context.WithTimeoutCause(ctx, t.timeout, errSilent)
	defer cancel()
	began := time.Now()
	got, err := t.source.ask(ctx, limited)
	if err != nil {
		return token{}, err
	}
	life := got.life
	if life == 0 {
		life = shortLife
	}
	t.secrets.add(got.text)
	return token{
		text:   got.text,
		issued: began,
		renew:  began.Add(max(life-renewBefore, life/2)),
		until:  began.Add(max(life-endMargin, life/2)),
	}, nil
}
