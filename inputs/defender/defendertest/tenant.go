package defendertest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// What a tenant is called unless Options say otherwise.
const (
	TenantID     = "a839b112-1253-4432-9bf6-94542403f21c"
	ClientID     = "7b3f8a52-90e1-4c53-8d38-0d4f3a1c6a10"
	ClientSecret = "Zk8Q~demo.secret/with+odd=characters&%"
)

// Options describe a tenant. The zero value is a tenant without records.
type Options struct {
	Seed                             uint64
	TenantID, ClientID, ClientSecret string
	Now                              func() time.Time // the clock; default time.Now

	Alerts, Machines, Actions int           // how many there are at the start
	EvidencePerAlert          int           // exactly so many; 0 = from 0 to 6
	Span                      time.Duration // update times lie within so long before the start; default 12h
	TieRun                    int           // so many neighbours share an update time; 0 = a few now and then
	Live                      float64       // alerts that appear a second from the start on
	VisibilityDelay           time.Duration // from a change to its being visible

	Roles         []string      // default Alert.Read.All and Machine.Read.All
	TokenLifetime time.Duration // default 3599s

	PageSize                     int // page without $top; default 10,000
	CallsPerMinute, CallsPerHour int // quota of the API, all resources together; 0 = none
	RequestLog                   int // how many requests are remembered; default 10,000
}

// Tenant is a simulated tenant, an http.Handler. Its methods may be called at
// any time from any goroutine.
type Tenant struct {
	options Options
	clock   func() time.Time
	world   world
	started ticks

	mu          sync.Mutex
	collections []*collection // by Resource
	delay       ticks
	interval    float64 // ticks from one live alert to the next; 0 = none
	arrived     int     // live alerts so far
	entra       entra
	quota       []quota
	rules       []*rule
	afterPage   func(Request)
	log         []Request
	oldest      int // in log, once it is full
}

// New makes a tenant. The times of its records end at Options.Now.
func New(o Options) *Tenant {
	o = withDefaults(o)
	t := &Tenant{
		options: o,
		clock:   o.Now,
		world: world{
			seed: o.Seed, tenant: quote(o.TenantID), evidence: o.EvidencePerAlert,
			machines: o.Machines,
		},
		started: toTicks(o.Now()),
		delay:   toDelay(o.VisibilityDelay),
		entra:   entra{secret: o.ClientSecret, roles: o.Roles, granted: map[string]grant{}},
	}
	if t.world.machines == 0 {
		t.world.machines = 200
	}
	if o.Live > 0 {
		t.interval = float64(second) / o.Live
	}
	if o.CallsPerMinute > 0 {
		t.quota = append(t.quota, quota{limit: o.CallsPerMinute, window: minute})
	}
	if o.CallsPerHour > 0 {
		t.quota = append(t.quota, quota{limit: o.CallsPerHour, window: hour})
	}
	for i, count := range []int{o.Alerts, o.Machines, o.Actions} {
		c := &collection{resource: &resources[i], world: &t.world}
		t.fill(c, Resource(i), count)
		t.collections = append(t.collections, c)
	}
	return t
}

func withDefaults(o Options) Options {
	o.TenantID = or(o.TenantID, TenantID)
	o.ClientID = or(o.ClientID, ClientID)
	o.ClientSecret = or(o.ClientSecret, ClientSecret)
	o.Span = or(o.Span, 12*time.Hour)
	o.TokenLifetime = or(o.TokenLifetime, 3599*time.Second)
	o.PageSize = or(o.PageSize, maxTop)
	o.RequestLog = or(o.RequestLog, 10_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Roles == nil {
		o.Roles = []string{"Alert.Read.All", "Machine.Read.All"}
	}
	return o
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func toDelay(d time.Duration) ticks { return ticks(d / 100) }

// fill makes a collection's first records: evenly spread over the span with
// some jitter, one in sixteen at the time of the one before it.
func (t *Tenant) fill(c *collection, res Resource, count int) {
	d := throw(t.options.Seed, streamTimes, uint64(res))
	span := float64(toDelay(t.options.Span))
	records := make([]record, 0, count)
	var at ticks
	for i := range count {
		step := span / float64(count)
		next := t.started - ticks(span) + ticks(float64(i)*step) + ticks(float64(d.below(1<<20))/(1<<20)*step)
		tied := d.one(16) && i > 0
		if t.options.TieRun > 0 {
			tied = i%t.options.TieRun > 0
		}
		if !tied {
			at = max(at, c.now(next))
		}
		r := record{time: at, created: at, sequence: uint32(i)}
		if visible := at + t.delay; visible > t.started {
			c.pending = append(c.pending, change{visible, -1, r})
			continue
		}
		records = append(records, r)
	}
	c.load(records)
}

// SetVisibilityDelay changes the delay of changes made from now on.
func (t *Tenant) SetVisibilityDelay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delay = toDelay(d)
}

// AfterPage sets a function that runs after each page of records was written
// and before the answer ends, nil for none. It may change the tenant.
func (t *Tenant) AfterPage(f func(Request)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.afterPage = f
}

// ServeHTTP serves the token endpoint and the API.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{ResponseWriter: w, tenant: t, request: r}
	e.entry = Request{
		Time: t.clock(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Authorized: r.Header.Get("Authorization") != "",
	}
	defer func() { t.remember(e.entry) }()

	e.rules = t.matching(e)
	if e.spoil() {
		return
	}
	path := e.path()
	if strings.HasSuffix(path, TokenPath) {
		t.serveToken(e)
		return
	}
	for i := range resources {
		if path == "/api/"+resources[i].path {
			t.serveList(e, Resource(i))
			return
		}
	}
	e.fail(http.StatusNotFound, "NotFound", "No HTTP resource was found that matches the request URI.")
}
