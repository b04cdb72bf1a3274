package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

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

// claims are what is read of the payload of a JWT.
type claims struct {
	Roles  []string `json:"roles"`
	Tenant string   `json:"tid"`
}

// claims are empty where the token is no JWT. They are not verified.
func (t token) claims() (c claims) {
	_, rest, _ := strings.Cut(t.text.Reveal(), ".")
	payload, _, signed := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if !signed || err != nil {
		return claims{}
	}
	if json.Unmarshal(raw, &c, lenient) != nil {
		return claims{}
	}
	return c
}

// tokenPatience bounds the request for a token, whatever the timeout of the API's
// calls is: its answer is short.
const tokenPatience = 30 * time.Second

// tokens gets and keeps the one token that all callers share.
type tokens struct {
	config  clientcredentials.Config // without the secret, so that it can be printed
	secret  inputs.Secret
	http    *http.Client
	timeout time.Duration
	secrets *strings.Replacer

	// turn is held by whoever asks the endpoint. A channel, because waiting
	// for it must obey the waiter's context.
	turn chan struct{}

	mu     sync.Mutex
	cached token
	latest inputs.Secret // the newest token, also after it was refused
	round  int           // failures so far
	err    error         // of the last round
}

func newTokens(c Config, login *url.URL, rt http.RoundTripper, observe func(Call)) *tokens {
	endpoint := login.JoinPath(c.TenantID, "oauth2", "v2.0", "token")
	return &tokens{
		config: clientcredentials.Config{
			ClientID:       c.ClientID,
			TokenURL:       endpoint.String(),
			Scopes:         c.Scopes,
			EndpointParams: c.TokenParams,
			AuthStyle:      oauth2.AuthStyleInParams,
		},
		secret: c.ClientSecret,
		http: &http.Client{
			Transport:     &whole{RoundTripper: rt, observe: observe},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout: min(c.Timeout, tokenPatience),
		secrets: hide(c),
		turn:    make(chan struct{}, 1),
	}
}

// get returns the cached token while it is fresh, and asks for a new one
// otherwise. Whoever waits for another caller's request shares its outcome.
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
// others go on with the old one; so does he if it does not work.
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
		t.cached, t.latest = got, got.text
	case ctx.Err() == nil: // who gave up has nothing to share
		t.round++
		t.err = err
	}
	return got, err
}

func (t *tokens) request(ctx context.Context) (token, error) {
	limited, cancel := context.WithTimeoutCause(ctx, t.timeout, errSilent)
	defer cancel()
	config := t.config
	config.ClientSecret = t.secret.Reveal()
	began := time.Now()
	got, err := config.Token(context.WithValue(limited, oauth2.HTTPClient, t.http))
	if err == nil {
		life := shortLife
		if !got.Expiry.IsZero() {
			life = got.Expiry.Sub(began)
		}
		return token{
			text:   inputs.Secret(got.AccessToken),
			issued: began,
			renew:  began.Add(max(life-renewBefore, life/2)),
			until:  began.Add(max(life-endMargin, life/2)),
		}, nil
	}
	if isNetwork(err) || ctx.Err() != nil {
		return token{}, broken(ctx, limited, opToken, err)
	}
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return token{}, t.refusal(refusal)
	}
	return token{}, &Error{Op: opToken, Status: http.StatusOK, Kind: Malformed,
		Message: "the answer is not that of a token endpoint", Hint: hintStranger}
}

// isNetwork reports whether oauth2 got no answer: the rest of its errors are
// about what an answer holds.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

// whole reads an answer before it hands it on, so that an answer the network
// cut short is told from one that holds the wrong thing.
type whole struct {
	http.RoundTripper
	observe func(Call)
}

func (w *whole) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	call := Call{Method: r.Method, Path: r.URL.Path}
	defer func() { w.observe(call) }()
	response, err := w.RoundTripper.RoundTrip(r)
	call.Duration = time.Since(began)
	if err != nil {
		return nil, err
	}
	call.Status = response.StatusCode
	body, err := io.ReadAll(io.LimitReader(&unmarked{r: response.Body}, tokenLimit))
	call.Bytes = int64(len(body))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// refusal makes an Error of what oauth2 found out. That library's own text
// holds the body and is never used.
func (t *tokens) refusal(r *oauth2.RetrieveError) error {
	if status := r.Response.StatusCode; status >= 300 && status < 400 {
		return redirected(opToken, r.Response, "check login_url", t.scrub)
	}
	body := r.Body[:min(len(r.Body), errorBodyLimit)]
	return parseTokenError(r.Response.StatusCode, r.Response.Header, body, time.Now(), t.scrub)
}

// inJSON escapes what many encoders do.
var inJSON = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `\u0026`, `<`, `\u003c`, `>`, `\u003e`)

// secretParam is the name of a field of the token request that holds a secret.
// It is not token_format or the like: their values are words of any text.
var secretParam = regexp.MustCompile(`(?i)secret|assertion$|password|passcode|_token$|key$|^code$`)

// hide finds what must not be seen in the settings, as it is and as it stands
// in a form, a path or JSON.
func hide(c Config) *strings.Replacer {
	var pairs []string
	add := func(s string) {
		if s != "" {
			for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), inJSON.Replace(s)} {
				pairs = append(pairs, form, "[redacted]")
			}
		}
	}
	add(c.ClientSecret.Reveal())
	for name, values := range c.TokenParams {
		if secretParam.MatchString(name) {
			for _, v := range values {
				add(v)
			}
		}
	}
	if proxy := c.Transport.Proxy.URL; proxy != nil {
		password, _ := proxy.URI().User.Password()
		add(password)
	}
	for _, v := range c.Transport.Proxy.Headers {
		add(v)
	}
	return strings.NewReplacer(pairs...)
}

// scrub takes our secrets out of a text that the other side wrote.
func (t *tokens) scrub(s string) string {
	t.mu.Lock()
	latest := t.latest.Reveal()
	t.mu.Unlock()
	if latest != "" {
		s = strings.ReplaceAll(s, latest, "[redacted]")
	}
	return t.secrets.Replace(s)
}
