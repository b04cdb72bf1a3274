package main_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	inputID    = "microsoft_defender_endpoint-default-defender-1"
	outputID   = "microsoft_defender_endpoint-default"
	dataStream = "logs-microsoft_defender_endpoint.log-default"
)

var (
	inputKey  = agenttest.UnitKey{Type: client.UnitTypeInput, ID: inputID}
	outputKey = agenttest.UnitKey{Type: client.UnitTypeOutput, ID: outputID}
)

var long = flag.Bool("long", false, "long forms: 200 kills, pages of 100,000 alerts, a million alerts, a minute of load")

// binary is the real program, built once.
var binary string

func TestMain(m *testing.M) {
	if options := os.Getenv(peerVariable); options != "" {
		servePeer(options)
		return
	}
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "defender-endpoint-test")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "defender-endpoint")
		if os.PathSeparator == '\\' {
			binary += ".exe"
		}
		build := exec.Command("go", "build", "-tags", "grpcnotrace", fmt.Sprintf("-race=%t", raced), "-o", binary, ".")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// leaveOut skips a test that takes long in the short form of the tests. quick is
// the test that holds the same promise there.
func leaveOut(t *testing.T, quick string) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of the short form, where " + quick + " holds the promise")
	}
}

// measured skips a test of memory or time in a program with the race detector,
// which costs several times as much of both. The run without it has the test.
func measured(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("memory and time are measured without the race detector")
	}
}

// rig is a tenant, an agent and what the outputs lead to.
type rig struct {
	*testing.T
	ctx        context.Context
	tenant     *defendertest.Tenant
	agent      *agenttest.Agent
	dir        string // path.data
	es         *elasticsearchtest.Server
	environ    []string // beside that of the test
	api, esURL string
}

func newRig(t *testing.T, o defendertest.Options) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, tenant: defendertest.New(o)}
	r.api = listen(t, r.tenant)
	r.es, r.esURL = newElasticsearch(t)
	r.dir = filepath.Join(t.TempDir(), "run")
	agent, err := agenttest.New(agenttest.Options{Dir: r.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Close()
		if raced && strings.Contains(strings.Join(agent.Log(), "\n"), "WARNING: DATA RACE") {
			t.Errorf("the program has a data race:\n%s", strings.Join(agent.Log(), "\n"))
		}
	})
	r.agent = agent
	return r
}

func newElasticsearch(t *testing.T) (*elasticsearchtest.Server, string) {
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key"})
	return es, listen(t, es)
}

func listen(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// input is the input unit, with settings over the usual ones.
func (r *rig) input(settings map[string]any) agenttest.Unit {
	config := map[string]any{
		"id": "defender-1", "type": "microsoft_defender_endpoint", "revision": 1.0,
		"policy":      map[string]any{"revision": 1.0},
		"data_stream": map[string]any{"namespace": "default"},
		"tenant_id":   defendertest.TenantID, "client_id": defendertest.ClientID, "client_secret": defendertest.ClientSecret,
		"url": r.api, "login_url": r.api, "interval": "1s", "batch_size": 50.0,
		"calls_per_minute":            100_000.0, // the pace has tests of its own
		"__mark_redact_client_secret": true,
		"streams": []any{map[string]any{
			"id": "log-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.log"},
		}},
	}
	maps.Copy(config, settings)
	return agenttest.Unit{ID: inputID, Type: client.UnitTypeInput, Config: config}
}

func elasticsearchUnit(url string) agenttest.Unit {
	return agenttest.Unit{ID: outputID, Type: client.UnitTypeOutput, Config: map[string]any{
		"type": "elasticsearch", "hosts": []any{url}, "api_key": "id:key",
		"backoff": map[string]any{"init": "50ms", "max": "200ms"},
	}}
}

func (r *rig) set(units ...agenttest.Unit) {
	r.Helper()
	if err := r.agent.SetUnits(units...); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) start() {
	r.Helper()
	if err := r.agent.Start(r.ctx, r.command()); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) wait(what string, until func(agenttest.States) bool) {
	r.Helper()
	if err := r.agent.Wait(r.ctx, until); err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (r *rig) waitHealthy() {
	r.Helper()
	r.wait("healthy", func(s agenttest.States) bool { return s.All(client.UnitStateHealthy) })
}

// eventually asks until it is so, as often as something can have changed.
func (r *rig) eventually(what string, so func() bool) {
	r.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.Fatalf("%s: not in time; states %v; log:\n%s", what, r.agent.States(), strings.Join(r.agent.Log(), "\n"))
		}
	}
}

func (r *rig) want() int {
	n := 0
	for v := range r.tenant.Versions(defendertest.Alerts) {
		n += max(1, v.Evidence)
	}
	return n
}

func (r *rig) waitStored() {
	r.Helper()
	r.eventually("all documents stored", func() bool { return r.es.Count(dataStream) >= r.want() })
}

// expectStored checks that every document arrived once.
func (r *rig) expectStored(es ...*elasticsearchtest.Server) {
	r.Helper()
	ids := map[string]int{}
	for _, e := range append(es, r.es) {
		for _, id := range e.IDs(dataStream) {
			ids[id]++
		}
	}
	if len(ids) != r.want() {
		r.Errorf("%d documents, want %d", len(ids), r.want())
	}
	if len(es) == 0 && r.es.Stats().Duplicates > 0 {
		r.Errorf("%d documents were stored twice", r.es.Stats().Duplicates)
	}
}

func (r *rig) stop() agenttest.Exit {
	r.Helper()
	exit, err := r.agent.Stop(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	if exit.Code != 0 || exit.Duration > stopWithin {
		r.Errorf("exit code %d after %s, want 0 within %s", exit.Code, exit.Duration, stopWithin)
	}
	return exit
}

func TestElasticsearchLifecycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 1, Alerts: 300})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	var went []client.UnitState
	for _, s := range r.agent.History(inputKey) {
		if len(went) == 0 || went[len(went)-1] != s.State {
			went = append(went, s.State)
		}
	}
	// Quick changes are one report, so not every state need be seen; those that
	// are come in order. The component's own tests see every one.
	if !slices.IsSorted(went) || went[len(went)-1] != client.UnitStateHealthy {
		t.Errorf("the input went %v, want STARTING, CONFIGURING, HEALTHY", went)
	}
	r.stop()
	r.expectStored()
}

func TestConfigChangeKeepsThePlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 2, Alerts: 100})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	r.set(r.input(map[string]any{"tags": []any{"changed"}, "revision": 2.0}), elasticsearchUnit(r.esURL))
	// Until the stream is restarted, it publishes with the former settings.
	r.eventually("the stream is restarted", func() bool {
		return strings.Contains(strings.Join(r.agent.Log(), "\n"), `"stream restarted"`)
	})
	ids := r.alertIDs()
	if err := r.tenant.Touch(defendertest.Alerts, ids[0], ids[1]); err != nil {
		t.Fatal(err)
	}
	r.waitStored()
	documents := r.es.Documents(dataStream)
	r.eventually("the new tag is in a document", func() bool {
		documents = r.es.Documents(dataStream)
		return strings.Contains(string(documents[len(documents)-1]), `"changed"`)
	})
	r.stop()
	r.expectStored()
}

func (r *rig) alertIDs() []string {
	var ids []string
	for v := range r.tenant.Records(defendertest.Alerts) {
		ids = append(ids, v.ID)
	}
	return ids
}

// TestOutputChangeKeepsTheBatchInFlight swaps an output that hangs with a
// batch in hand for one that works.
func TestOutputChangeKeepsTheBatchInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 3, Alerts: 200})
	first, firstURL := newElasticsearch(t)
	first.Fault(elasticsearchtest.Fault{Hang: true})
	defer first.Heal()
	r.set(r.input(nil), elasticsearchUnit(firstURL))
	r.start()
	r.eventually("a bulk request hangs", func() bool { return first.Stats().Requests > 0 })
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.waitStored()
	r.waitHealthy()
	r.stop()
	r.expectStored()
}

func TestOutputChangeToShipper(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 4, Alerts: 150})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	before := r.want()
	shipper, unit := r.shipper()
	r.set(r.input(nil), unit)
	// Until the output is swapped, documents go to the former one: alerts change
	// one by one until some arrive by the new one.
	ids, changed := r.alertIDs(), time.Time{}
	r.eventually("new documents arrive by the shipper", func() bool {
		stats, _ := shipper.Stats()
		if stats.Stored == 0 && len(ids) > 0 && time.Since(changed) > 200*time.Millisecond {
			if err := r.tenant.Touch(defendertest.Alerts, ids[0]); err != nil {
				t.Fatal(err)
			}
			ids, changed = ids[1:], time.Now()
		}
		return stats.Stored > 0 && r.es.Count(dataStream)+stats.Stored >= r.want()
	})
	if before == r.want() {
		t.Fatal("the test changed nothing")
	}
	r.stop()
}

func (r *rig) shipper() (*shippertest.Server, agenttest.Unit) {
	r.Helper()
	return r.newShipper(shippertest.Options{TLS: true, Name: outputID})
}

func (r *rig) newShipper(o shippertest.Options) (*shippertest.Server, agenttest.Unit) {
	r.Helper()
	shipper, err := shippertest.New(o)
	if err != nil {
		r.Fatal(err)
	}
	if err := shipper.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { shipper.Close() })
	settings, err := shipper.Settings()
	if err != nil {
		r.Fatal(err)
	}
	return shipper, agenttest.Unit{ID: outputID, Type: client.UnitTypeOutput, Config: settings}
}

func TestKillAndRestart(t *testing.T) {
	leaveOut(t, "TestCrashTable of inputs/defender")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 6, Alerts: 400})
	r.es.Fault(elasticsearchtest.Fault{Delay: 30 * time.Millisecond})
	r.set(r.input(map[string]any{"batch_size": 20.0}), elasticsearchUnit(r.esURL))
	for round := range 4 {
		r.start()
		r.eventually("some documents of this round", func() bool {
			return r.es.Stats().Requests > 2*(round+1) || r.es.Count(dataStream) >= r.want()
		})
		r.agent.Kill()
	}
	r.start()
	r.waitStored()
	r.waitHealthy()
	r.stop()
	r.expectStored()
}

func TestBadConfigurationFailsItsUnitOnly(t *testing.T) {
	leaveOut(t, "TestHealthTruthTable")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 7, Alerts: 20})
	r.set(r.input(map[string]any{"client_secret": "", "interval": "10ms"}), elasticsearchUnit(r.esURL))
	r.start()
	r.wait("the unit fails", func(s agenttest.States) bool {
		m := s[inputKey].Message
		return s[inputKey].State == client.UnitStateFailed && strings.Contains(m, "client_secret") && strings.Contains(m, "interval")
	})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.waitHealthy()
	r.waitStored()
	r.stop()
}

func TestBadOutputConfigurationFailsTheOutput(t *testing.T) {
	leaveOut(t, "TestHealthTruthTable")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 8, Alerts: 20})
	bad := elasticsearchUnit(r.esURL)
	bad.Config["username"] = "both"
	r.set(r.input(nil), bad)
	r.start()
	r.wait("the output fails", func(s agenttest.States) bool {
		return s[outputKey].State == client.UnitStateFailed && strings.Contains(s[outputKey].Message, "api_key")
	})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.waitHealthy()
	r.waitStored()
	r.stop()
}

func TestRemoteTroubleShowsOnTheRightUnit(t *testing.T) {
	leaveOut(t, "TestHealthTruthTable")
	t.Parallel()
	type trouble struct {
		spoil func(*rig)
		unit  agenttest.UnitKey
		state client.UnitState
		says  string
	}
	sideBySide(t, maps.All(map[string]trouble{
		"wrong secret":   {func(r *rig) { r.tenant.RotateSecret("other") }, inputKey, client.UnitStateFailed, "7000215"},
		"no consent":     {func(r *rig) { r.tenant.SetRoles() }, inputKey, client.UnitStateDegraded, "Alert.Read.All"},
		"wrong api key":  {func(r *rig) { r.es.Fault(elasticsearchtest.Fault{Status: 401}) }, outputKey, client.UnitStateDegraded, "api_key"},
		"key too narrow": {func(r *rig) { r.es.Fault(elasticsearchtest.Fault{Status: 403}) }, outputKey, client.UnitStateDegraded, "create_doc"},
	}), func(t *testing.T, c trouble) {
		r := newRig(t, defendertest.Options{Seed: 9, Alerts: 20})
		c.spoil(r)
		r.set(r.input(nil), elasticsearchUnit(r.esURL))
		r.start()
		r.wait("the unit tells", func(s agenttest.States) bool {
			return s[c.unit].State == c.state && strings.Contains(s[c.unit].Message, c.says)
		})
		if log := strings.Join(r.agent.Log(), "\n"); strings.Contains(log, defendertest.ClientSecret) || strings.Contains(log, "id:key") {
			t.Error("a secret is in the log")
		}
		r.stop()
	})
}

func TestRemovedUnitStops(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 10, Alerts: 20})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.set(elasticsearchUnit(r.esURL))
	r.eventually("the input is stopped", func() bool {
		h := r.agent.History(inputKey)
		return len(h) > 0 && h[len(h)-1].State == client.UnitStateStopped
	})
	requests := len(r.tenant.Requests())
	r.set(elasticsearchUnit(r.esURL), r.input(nil))
	r.eventually("the input is back", func() bool { return len(r.tenant.Requests()) > requests })
	r.stop()
}
