package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/httpcommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// DefaultLimit is the API's own limit for a tenant and application, and that of
// most of its lists (API.md 3.1).
var DefaultLimit = Limit{PerMinute: 100, PerHour: 1500}

// Defaults of a Config, for fields left zero.
const (
	defaultTimeout = 30 * time.Second
	// The decoder doubles its buffer when three quarters are full. This is where
	// one of 16 MiB does not become one of 32.
	defaultMaxRecord = 12<<20 - 1<<10
	defaultUserAgent = "defender-endpoint"
)

// Config says which tenant to read, as whom, and how.
type Config struct {
	URL      string // base of the API: scheme, host and an optional path
	LoginURL string // base of the token service, such as https://login.microsoftonline.com
	TenantID string // GUID or verified domain
	ClientID string // may be empty with a managed identity
	// FileHosts are hosts, beside the storage service's, that exported files may be
	// read from: names, or *.domain for all below one.
	FileHosts []string
	// Cloud is the name of the cloud that the settings belong to: its hosts may see the
	// token, and errors name it. Empty for private hosts.
	Cloud string
	// Credentials are how the application proves who it is.
	Credentials Credentials
	Scopes      []string   // normally one, ending in /.default
	TokenParams url.Values // further fields of the token request of a client secret

	// Transport gives TLS and proxy; its timeouts and its authorization are
	// not used.
	Transport httpcommon.HTTPTransportSettings
	// RoundTripper, if set, is used in place of Transport: a recorder, or a
	// simulated API that needs no network.
	RoundTripper http.RoundTripper

	// Timeout is how long to wait for the head of an answer, and for the next
	// byte of its body while somebody reads it. It never limits a whole body.
	// Default 30s.
	Timeout   time.Duration
	UserAgent string // default "defender-endpoint"

	// Pace is that of the tenant and application, shared with whoever else
	// reads as them. Default: one of its own with the DefaultLimit.
	Pace      *Pace
	MaxRecord int // bytes of the longest record that is read; default 12 MiB

	// TraceFile, if set, is where every request and answer is written to, without
	// secrets: files of that name with a date and .ndjson, five at most.
	TraceFile string

	// Observe, if set, is called for every HTTP call when it is over. It is
	// called from several goroutines and must not block.
	Observe func(Call)
}

// Call is one HTTP call that is over.
type Call struct {
	Method, Path string        // never a query
	Status       int           // 0 when no answer came
	Duration     time.Duration // until the head of the answer
	Bytes        int64         // read of the body
}

// Client reads one tenant's API as one application. All streams of that pair
// should share one Client, and with it the token, connections and pace. It is
// safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	tokens    *tokens
	pace      *Pace
	timeout   time.Duration
	maxRecord int
	fileHosts []string
	observe   func(Call)
	recent    *recent
	trace     io.Closer // nil without Config.TraceFile
	scrub     func(string) string
	cloud     Cloud // the zero value for private hosts
}

// New makes a client. It neither connects nor starts anything. The error joins
// all faults, each beginning with the name of its setting.
func New(c Config) (*Client, error) {
	c.setDefaults()
	base, baseErr := parseBase("url", c.URL)
	login, loginErr := parseBase("login_url", c.LoginURL)
	if err := errors.Join(baseErr, loginErr, c.check()); err != nil {
		return nil, err
	}
	rt, err := c.roundTripper()
	if err != nil {
		return nil, inputs.SSLFault(c.Transport.TLS, err)
	}
	var trace *tracer
	if c.TraceFile != "" {
		if trace, err = newTracer(rt, c.TraceFile); err != nil {
			return nil, err
		}
		rt = trace
	}
	rt = &dressed{RoundTripper: rt, agent: c.UserAgent}
	client := &Client{
		recent:    &recent{},
		base:      base,
		http:      &http.Client{Transport: rt, CheckRedirect: sameHostOnly},
		pace:      c.Pace,
		timeout:   c.Timeout,
		maxRecord: c.MaxRecord,
		fileHosts: c.FileHosts,
	}
	client.cloud, _ = CloudNamed(c.Cloud)
	client.observe = remembering(client.recent, c.Observe)
	secrets := newRedactor(c)
	client.tokens = newTokens(c, login, wires{
		entra: &whole{RoundTripper: rt, observe: client.observe},
		host:  &whole{RoundTripper: &dressed{RoundTripper: c.hostRoundTripper(), agent: c.UserAgent}, observe: client.observe},
	}, secrets)
	client.scrub = secrets.scrub
	if trace != nil {
		trace.scrub, client.trace = client.scrub, trace.out
	}
	return client, nil
}

func (c *Config) setDefaults() {
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.UserAgent, defaultUserAgent)
	setDefault(&c.MaxRecord, defaultMaxRecord)
	if c.Pace == nil {
		c.Pace = NewPace(DefaultLimit)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) check() error {
	var faults []error
	if strings.Trim(c.TenantID, ". ") == "" || strings.ContainsAny(c.TenantID, "/?#%\\") {
		faults = append(faults, errors.New("tenant_id: must be the tenant's id or domain"))
	}
	faults = append(faults, c.Credentials.Check(c.ClientID, c.TokenParams)...)
	if c.Timeout < 0 || c.MaxRecord < 0 {
		faults = append(faults, errors.New("http_client_timeout: limits must not be negative"))
	}
	return errors.Join(faults...)
}

// parseBase reads a base URL. Its errors do not repeat it: people put
// credentials there.
func parseBase(setting, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("%s: must be a URL such as https://host", setting)
	case u.User != nil:
		return nil, fmt.Errorf("%s: must not hold a user name or password", setting)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: must not have a query or a fragment", setting)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// roundTripper builds the transport. Timeouts of whole requests are left to
// the watchdog, connecting is bounded by the same time.
func (c *Config) roundTripper() (http.RoundTripper, error) {
	if c.RoundTripper != nil {
		return c.RoundTripper, nil
	}
	settings := c.Transport
	settings.Auth = nil
	settings.Timeout = c.Timeout
	return settings.RoundTripper(
		httpcommon.WithLogger(logp.NewNopLogger()),
		httpcommon.WithKeepaliveSettings{MaxIdleConnsPerHost: 8, IdleConnTimeout: settings.IdleConnTimeout},
		httpcommon.WithTransportFunc(func(t *http.Transport) { t.ReadBufferSize = 32 << 10 }),
		httpcommon.WithTransportFunc(noteProxy),
	)
}

// hostRoundTripper is the way to what runs on this host: without a proxy, and
// without a trace, since its answers are tokens.
func (c *Config) hostRoundTripper() http.RoundTripper {
	if c.RoundTripper != nil {
		return c.RoundTripper
	}
	return &http.Transport{ResponseHeaderTimeout: min(c.Timeout, tokenPatience), IdleConnTimeout: time.Second, MaxResponseHeaderBytes: 64 << 10}
}

// dressed adds the headers that every request carries. It sets no
// Accept-Encoding: the transport then asks for gzip and decodes it.
type dressed struct {
	http.RoundTripper
	agent string
}

func (d *dressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", d.agent)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache") // a cache's answer may be one to another question
	return d.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections passes the wish on; http.Client looks for this method.
func (d *dressed) CloseIdleConnections() {
	if c, ok := d.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Close closes idle connections and the trace. Calls under way are ended by
// their contexts.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	if c.trace != nil {
		_ = c.trace.Close() // of a file that is only read by people
	}
}

// Quota returns what is left of the pace.
func (c *Client) Quota() Quota { return c.pace.Quota() }

// CredentialsEnd is when the secret or certificate ends, as far as it is known now;
// zero where it is not.
func (c *Client) CredentialsEnd() time.Time { return c.tokens.ends() }

// Facts are what may be shown of the credentials, for people.
func (c *Client) Facts() []string { return c.tokens.source.facts() }

// Families returns what is left of the limits of families of calls, by name.
func (c *Client) Families() map[string]Quota { return c.pace.Families() }

// Roles gets a token if there is none and returns the application roles in it,
// for diagnostics: a role missing here is a 403 later. The token is not
// verified; one that cannot be read has no roles.
func (c *Client) Roles(ctx context.Context) ([]string, error) {
	claims, err := c.claims(ctx)
	return claims.Roles, err
}

// Tenant gets a token if there is none and returns the id of the tenant that it
// is for, empty where the token does not say.
func (c *Client) Tenant(ctx context.Context) (string, error) {
	claims, err := c.claims(ctx)
	return claims.Tenant, err
}

func (c *Client) claims(ctx context.Context) (found claims, err error) {
	err = repeat(ctx, nil, func() error {
		t, err := c.tokens.get(ctx)
		found = t.claims()
		return c.named(err)
	})
	return found, err
}
