package defendertest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a tenant is called unless Options say otherwise.
const (
	Domain       = "simulated.onmicrosoft.com" // of any tenant
	TenantID     = "a839b112-1253-4432-9bf6-94542403f21c"
	ClientID     = "7b3f8a52-90e1-4c53-8d38-0d4f3a1c6a10"
	ClientSecret = "Zk8Q~demo.secret/with+odd=characters&%"
)

// Options describe a tenant. The zero value is a tenant without records.
type Options struct {
	Seed                             uint64
	TenantID, ClientID, ClientSecret string
	Now                              func() time.Time // the clock; default time.Now

	Alerts, Machines, Actions int // how many there are at the start
	EvidencePerAlert          int // exactly so many; 0 = from 0 to 6
	// Vulnerabilities, Configurations and Baselines are rows of the assessment lists
	// for each machine. RowsPerFile is how many a file has; default 5,000.
	Vulnerabilities, Configurations, Baselines, RowsPerFile int
	Span                                                    time.Duration // update times lie within so long before the start; default 12h
	TieRun                                                  int           // so many neighbours share an update time; 0 = a few now and then
	Live                                                    float64       // alerts that appear a second from the start on
	VisibilityDelay                                         time.Duration // from a change to its being visible

	Roles         []string      // default what all lists need
	TokenLifetime time.Duration // default 3599s

	PageSize                     int // page without $top; default 10,000
	CallsPerMinute, CallsPerHour int // quota of the API, all resources together; 0 = none
	RequestLog                   int // how many requests are remembered; default 10,000
}

// Tenant is a simulated tenant, an http.Handler. Its methods may be called at
// any time from any goroutine.
type Tenant struct {
	options Options
	moved   atomic.Int64 // how far the clock was moved, in nanoseconds
	world   world
	started ticks

	mu          sync.Mutex
	collections []*collection // by Resource
	tables      []*table      // by Assessment
	linkEpoch   int           // links to files of an earlier one are not good any more
	delays      [len(resources)]ticks
	interval    float64 // ticks from one live alert to the next; 0 = none
	arrived     int     // live alerts so far
	entra       entra
	quota       []quota
	rules       []*rule
	afterPage   func(Request)
	log         []Request
	oldest      int // in log, once it is full
	counts      [len(resources)]Counts
}

// New makes a tenant. The times of its records end at Options.Now.
func New(o Options) *Tenant {
	o = withDefaults(o)
	t := &Tenant{
		options: o,
		world: world{
			seed: o.Seed, tenant: quote(o.TenantID), evidence: o.EvidencePerAlert,
			machines: o.Machines,
		},
		started: toTicks(o.Now()),
		entra:   entra{secrets: []string{o.ClientSecret}, roles: o.Roles, granted: map[string]grant{}},
	}
	t.tables = newTables(o, &t.world, t.started)
	t.SetVisibilityDelay(o.VisibilityDelay)
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
	o.RowsPerFile = or(o.RowsPerFile, 5000)
	o.PageSize = or(o.PageSize, maxTop)
	o.RequestLog = or(o.RequestLog, 10_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Roles == nil {
		o.Roles = AllRoles()
	}
	return o
}

// AllRoles are the application permissions that all lists together need.
func AllRoles() []string {
	return []string{"Alert.Read.All", "Machine.Read.All", "Vulnerability.Read.All", "SecurityBaselinesAssessment.Read.All"}
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
		if visible := at + t.delays[res]; visible > t.started {
			c.pending = append(c.pending, change{visible, -1, r})
			continue
		}
		records = append(records, r)
	}
	c.load(records)
}

// SetVisibilityDelay changes the delay of changes made from now on, of the
// resources named or of all. How late the service shows a record is not known;
// minutes were reported.
func (t *Tenant) SetVisibilityDelay(d time.Duration, of ...Resource) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(of) == 0 {
		of = Resources()
	}
	for _, res := range of {
		t.delays[res] = toDelay(d)
	}
}

// Now is the tenant's time: it decides which records exist, is in the Date
// of every answer and in tokens.
func (t *Tenant) Now() time.Time { return t.options.Now().Add(time.Duration(t.moved.Load())) }

// MoveClock moves the tenant's clock against the one it was given: on, or with a
// negative d back. What was visible stays so. Clocks of customers are off by
// minutes as a rule, by years after a battery ran out.
func (t *Tenant) MoveClock(d time.Duration) { t.moved.Add(int64(d)) }

// AfterPage sets a function that runs after each page of records was written
// and before the answer ends, nil for none. It may change the tenant.
func (t *Tenant) AfterPage(f func(Request)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.afterPage = f
}

// ServeHTTP serves the token endpoint, the API and the files of its exports.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := t.Now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	e := &exchange{ResponseWriter: w, tenant: t, request: r}
	e.entry = Request{
		Time: now, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Authorized: r.Header.Get("Authorization") != "",
	}
	path := e.path()
	i := slices.IndexFunc(resources[:], func(kind resource) bool { return path == "/api/"+kind.path })
	if i >= 0 {
		e.kind, e.asked = &resources[i], readAsked(r.URL.RawQuery)
	}
	defer func() { t.remember(e.entry, Resource(i), e.asked.options) }()

	e.rules = t.matching(e)
	switch {
	case e.spoil(e.rules):
	case strings.HasSuffix(path, TokenPath):
		t.serveToken(e)
	case strings.HasSuffix(path, DiscoveryPath):
		t.serveDiscovery(e)
	case e.kind != nil:
		t.serveList(e, Resource(i))
	case strings.HasPrefix(path, filesPath):
		t.serveFile(e)
	case strings.HasPrefix(path, assessmentsPath):
		t.serveAssessment(e, path[len(assessmentsPath):])
	case slices.Contains(definitionPaths, path):
		t.serveDefinitions(e, path)
	default:
		e.fail(http.StatusNotFound, "NotFound", "No HTTP resource was found that matches the request URI.")
	}
}
