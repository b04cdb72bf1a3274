package defender_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// hostile is a server that refuses, ignores or misleads, and what is promised all
// the same: every record that it still returns is published, once.
type hostile struct {
	name     string
	resource tenant.Resource
	beside   []tenant.Resource // collected by streams of the same input, but not looked at
	options  tenant.Options
	settings map[string]any
	rules    []tenant.Rule
	// before runs before the stream starts: a record of long ago that is added
	// beside the first poll may or may not be visible to it.
	before func(h *hostileRun)
	// during runs beside the stream, which has started; run is over when it
	// returns and length has passed.
	during func(h *hostileRun)
	length time.Duration // of the run, by a clock that costs no time; default 30m
	ahead  time.Duration // of the server's clock, against ours

	unreadable bool                                      // nothing can be read: an error must say so, and nothing else is asked
	poisoned   bool                                      // records whose ids begin with "poison" cannot be served: pipeline_error documents represent them
	network    func(http.RoundTripper) http.RoundTripper // what is between us and the server
	front      func(http.Handler) http.Handler           // what is in front of the server

	http2 bool // the server speaks it
	ids   bool // records are told apart by their ids alone

	healthy bool // at the end, although the server is as it is
	calls   int  // at most so many for the list; 0 = as many as it takes
	twin    bool // the same in kind as another row: left out of short runs
}

// hostileRun is one run of a stream against a tenant.
//
// The stream runs in a bubble whose clock jumps over every wait. The server runs
// outside, because a bubble's clock stands while anything in it waits for the
// network; its tenant has the bubble's clock all the same. What must pass time
// while the server is at work, as silence must, is done to hostile.network.
type hostileRun struct {
	*testing.T
	row       hostile
	tenant    *tenant.Tenant
	url       string
	publisher inputstest.Publisher
	cursors   inputstest.Cursors
	reporter  lastReport
	settings  map[string]any
	stream    string // id of the stream

	become func(http.Handler) // makes it the server
	stop   func()
}

// lastReport is a Reporter that remembers the last report.
type lastReport struct {
	mu  sync.Mutex
	err error
	any bool
}

func (r *lastReport) Count(inputs.Counts) {}
func (r *lastReport) Report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.any = err, true
}

func (r *lastReport) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.any:
		return "no report"
	case r.err == nil:
		return "HEALTHY"
	}
	return r.err.Error()
}

// serve starts the server outside of the bubble. Connections are not kept: an
// idle one would be waited for.
func serve(t *testing.T, http2 bool) (server *httptest.Server, become func(http.Handler)) {
	var handler atomic.Pointer[http.Handler]
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		(*handler.Load()).ServeHTTP(w, r)
	}))
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server, func(h http.Handler) { handler.Store(&h) }
}

// bubbleClock is the bubble's time for those outside of it, a second
// behind at most.
func bubbleClock(ctx context.Context) func() time.Time {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case at := <-tick.C:
				now.Store(at.UnixNano())
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() time.Time { return time.Unix(0, now.Load()) }
}

// start runs the stream until halt.
func (h *hostileRun) start() {
	source := map[string]any{
		"tenant_id": tenant.TenantID, "client_id": tenant.ClientID, "client_secret": tenant.ClientSecret,
		"url": h.url, "login_url": h.url, "evidence": "whole", "preserve_original_event": true,
		"calls_per_minute": 100_000, "calls_per_hour": 1_000_000, "interval": "1m",
	}
	if h.row.resource == tenant.Machines {
		source["interval"] = "10m" // a snapshot costs more, and is asked for once an hour
	}
	var list []any
	for i, res := range append([]tenant.Resource{h.row.resource}, h.row.beside...) {
		list = append(list, map[string]any{"id": h.stream + strings.Repeat("+", i), "data_stream": map[string]any{"dataset": datasets[res]}})
	}
	source["streams"] = list
	for name, v := range h.settings {
		source[name] = v
	}
	in := defender.New("test")
	if h.row.network != nil {
		in.RoundTripper = h.row.network(&http.Transport{DisableKeepAlives: true})
	}
	streams, err := in.Streams(inputs.Unit{ID: "in", Source: source})
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.Context())
	var all sync.WaitGroup
	for i, stream := range streams {
		env := inputs.Env{
			Publisher: &h.publisher, Cursors: &h.cursors, Reporter: &h.reporter,
			Log: slog.New(slog.DiscardHandler), Grace: time.Second,
		}
		if i > 0 {
			env.Reporter = &lastReport{}
		}
		all.Go(func() {
			if err := stream.Run(ctx, env); err != nil {
				h.Errorf("a stream ended: %v", err)
			}
		})
	}
	h.stop = func() {
		cancel()
		all.Wait()
	}
}

var datasets = map[tenant.Resource]string{
	tenant.Alerts: logDataset, tenant.Machines: machineDataset, tenant.MachineActions: actionDataset,
}

// ids are those that the tenant shows, in the order of time.
func (h *hostileRun) ids() []string {
	var ids []string
	for v := range h.tenant.Records(h.row.resource) {
		ids = append(ids, v.ID)
	}
	return ids
}

func (h *hostileRun) try(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// zone is how a time ends, of which the zeros and what names UTC say nothing;
// addedByFront begins the names of members that a front adds.
var zone = regexp.MustCompile(`(:[0-9]{2}(?:\.[0-9]*[1-9])?)(?:\.?0*)(?:Z|\+00:00)"`)

const addedByFront = "_front"

// contentOf is a record's content whichever way it is written. Evidence is left
// out: it depends on what was asked.
func contentOf(record string) (id, content string) {
	var members map[string]any
	if json.Unmarshal([]byte(zone.ReplaceAllString(record, `$1"`)), &members) != nil {
		return "", record
	}
	delete(members, "evidence")
	for name, v := range members {
		if v == nil || strings.HasPrefix(name, addedByFront) {
			delete(members, name)
		}
	}
	if list, ok := members["ipAddresses"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	id, _ = members["id"].(string)
	if id != "" {
		members["id"] = strings.ToLower(id)
	}
	b, _ := json.Marshal(members) // sorts
	return id, string(b)
}

// published are the contents published, and how often; errors how many documents
// say that something was wrong.
func (h *hostileRun) published() (contents map[string]int, errors int) {
	contents = map[string]int{}
	for _, d := range h.publisher.Documents() {
		var hit struct {
			Event struct{ Original, Kind string } `json:"event"`
		}
		h.try(json.Unmarshal(d.JSON, &hit))
		if hit.Event.Kind == "pipeline_error" {
			errors++
		}
		id, content := contentOf(hit.Event.Original)
		if h.row.ids {
			content = id
		}
		contents[content]++
	}
	return contents, errors
}

// faults are the promises that the run broke.
func (h *hostileRun) faults(due []string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	health := h.reporter.String()
	contents, errors := h.published()
	if h.row.unreadable {
		if health == "HEALTHY" || health == "no report" {
			fault("%s while nothing can be read", health)
		}
		return faults
	}
	total, lost := 0, 0
	for _, body := range due {
		id, content := contentOf(body)
		if h.row.ids {
			content = id
		}
		total++
		if contents[content] == 0 && (!h.row.poisoned || !isPoison(id)) {
			lost++
		}
	}
	if lost > 0 {
		fault("lost %d of %d, %s", lost, total, health)
	}
	twice := 0
	for _, n := range contents {
		twice += n - 1
	}
	if twice > 0 {
		fault("published twice %d of %d", twice, total)
	}
	if h.row.poisoned && errors == 0 {
		fault("no document stands for the record that cannot be served")
	}
	if h.row.healthy && health != "HEALTHY" {
		fault("not healthy: %s", health)
	}
	if calls := h.tenant.Counts(h.row.resource).Calls; h.row.calls > 0 && calls > h.row.calls {
		fault("%d calls, want at most %d", calls, h.row.calls)
	}
	return faults
}

// skipTwin leaves out of a short run what another row is the same in kind as.
func (row hostile) skipTwin(t *testing.T) {
	if testing.Short() && row.twin {
		t.Skip("another row is the same in kind")
	}
}

// lastPolls is how long before the end a record must be visible to be due.
const lastPolls = 5 * time.Minute

// run plays a row and returns the promises broken.
func (row hostile) run(t *testing.T) (faults []string) {
	server, become := serve(t, row.http2)
	if row.http2 {
		row.network = func(http.RoundTripper) http.RoundTripper { return server.Client().Transport }
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		row.options.Seed = 77
		ours := bubbleClock(ctx)
		row.options.Now = func() time.Time { return ours().Add(row.ahead) }
		h := &hostileRun{T: t, row: row, url: server.URL, settings: row.settings, stream: "s", become: become, tenant: tenant.New(row.options)}
		become(h.tenant)
		if row.front != nil {
			become(row.front(h.tenant))
		}
		h.tenant.Fail(row.rules...)
		if row.before != nil {
			row.before(h)
		}
		h.start()
		began := time.Now()
		if row.during != nil {
			row.during(h)
		}
		length := row.length
		if length == 0 {
			length = 30 * time.Minute
		}
		time.Sleep(length - lastPolls - time.Since(began))
		due := slices.Collect(h.tenant.Bodies(row.resource))
		time.Sleep(lastPolls)
		h.stop()
		faults = h.faults(due)
	})
	return faults
}

// TestHostileServers holds the promises against servers that break what we know
// of them. A row that breaks one today is in knownGaps, and must break it:
// a gap that was closed has to leave the list.
func TestHostileServers(t *testing.T) {
	met := map[string]bool{}
	rows := slices.Concat(refusing(), misleading(), poisonous(), untimely(), versioned(), slow())
	always := len(rows)
	for i, row := range append(rows, slices.Concat(placedPoison(), fronts(), oddLists())...) {
		if met[row.name] {
			t.Errorf("two rows are called %q", row.name)
		}
		met[row.name] = true
		if raced && i > always && i%5 != 0 {
			continue // of what a front or an odd list does one in five finds the races there are
		}
		t.Run(row.name, func(t *testing.T) {
			row.skipTwin(t)
			t.Parallel()
			faults := row.run(t)
			gap, known := knownGaps[row.name]
			switch {
			case known && len(faults) == 0:
				t.Errorf("the gap is closed, remove it from knownGaps: %s", gap)
			case known:
				t.Logf("known gap, %s: %s", gap, strings.Join(faults, "; "))
			case len(faults) > 0:
				t.Error(strings.Join(faults, "; "))
			}
		})
	}
	for name := range knownGaps {
		if !met[name] {
			t.Errorf("knownGaps names no row: %q", name)
		}
	}
}
