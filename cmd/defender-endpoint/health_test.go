package main_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// faultCase is one way to bring a condition about and to end it.
type faultCase struct {
	row  string // of the health truth table
	name string // where a row has several cases
	says string // part of the message, beside what the row says
	// options and settings shape tenant and input; output replaces Elasticsearch.
	options  defendertest.Options
	settings func(*faultRig) map[string]any
	output   func(*faultRig) agenttest.Unit
	// late starts the component first and then brings the trouble.
	late  bool
	slow  bool // takes more than ten seconds: left out of the short form
	spoil func(*faultRig)
	heal  func(*faultRig)
	// stream is the one that shows it; default log-1. healthy is another stream
	// that must not.
	stream, healthy string
}

// faultRig is a rig for one case.
type faultRig struct {
	*rig
	gate        *gate
	es          *elasticsearchtest.Server
	shipper     *shippertest.Server
	logstash    *logstashtest.Server
	kafka       *kafkatest.Cluster
	kafkaReader *kafkatest.Reader
	tls         *httptest.Server
	proxy       string

	certificate *identitytest.Certificate
	service     *identitytest.Service
}

// restartWithoutCalls kills the process and starts one that knows of no calls, and so
// does not wait for the limits.
func (r *rig) restartWithoutCalls() {
	r.Helper()
	r.agent.Kill()
	r.forgetCalls()
	r.start()
}

// forgetCalls removes what is saved of calls, and of how long to wait for the next.
func (r *rig) forgetCalls() {
	r.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "cursors", "*.json"))
	if err != nil {
		r.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err == nil && bytes.Contains(b, []byte("|calls|")) {
			err = os.Remove(file)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
}

// gate is before the tenant and can cut connections.
type gate struct {
	http.Handler
	closed atomic.Bool
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.closed.Load() {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
		return
	}
	g.Handler.ServeHTTP(w, r)
}

// configure gives the input its settings and the output its own.
func (f *faultRig) configure(settings map[string]any, output agenttest.Unit) {
	f.Helper()
	f.set(f.input(settings), output)
}

func (f *faultRig) reset() { f.configure(nil, f.usualOutput()) }

func (f *faultRig) usualOutput() agenttest.Unit { return elasticsearchUnit(f.esURL) }

func (f *faultRig) rule(rules ...defendertest.Rule) { f.tenant.Fail(rules...) }

func healTenant(f *faultRig) { f.tenant.Heal() }
func healES(f *faultRig)     { f.es.Heal(); f.touch(3) }
func reset(f *faultRig)      { f.reset() }

func token(code int, kind, text string) defendertest.Rule {
	return defendertest.Rule{Path: defendertest.TokenPath, Status: http.StatusUnauthorized, Body: defendertest.TokenError(kind, code, text)}
}

func after(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }

func setting(name string, value any) func(*faultRig) map[string]any {
	return func(*faultRig) map[string]any { return map[string]any{name: value} }
}

// stream is a stream's entry in a policy.
func stream(id, name string) map[string]any {
	return map[string]any{"id": id, "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + name}}
}

// bothStreams polls one often and the other seldom: with polls of alerts a
// second apart the pace would leave the machines no calls.
func bothStreams(alerts, machines string) func(*faultRig) map[string]any {
	log, machine := stream("log-1", "log"), stream("machine-1", "machine")
	log["interval"], machine["interval"] = alerts, machines
	return setting("streams", []any{log, machine})
}

var shortTokens = defendertest.Options{Alerts: 20, Machines: 5, TokenLifetime: 4 * time.Second}

// notDriven are the rows that no fault from outside brings about, each with the
// test that does.
var notDriven = map[string]string{"other trouble": "health.TestOtherTroubleShows"}

func TestHealthTruthTable(t *testing.T) {
	t.Parallel()
	rows := map[string]health.Row{}
	for _, c := range component.Conditions(defender.New("test")) {
		rows[c.Name] = c
	}
	// Those that take longest begin first.
	cases := slices.Concat(identityCases, outputCases, networkCases, logstashCases, kafkaCases, collectingCases, consentCases, credentialCases)
	driven, quick := map[string]bool{}, map[string]bool{}
	sideBySide(t, func(yield func(string, faultCase) bool) {
		for _, c := range cases {
			driven[c.row] = true
			_, known := rows[c.row]
			if !known {
				t.Errorf("the table has no row %q", c.row)
			}
			if !known || testing.Short() && (c.slow || quick[c.row]) { // the short form has one case of a row
				continue
			}
			if quick[c.row] = true; !yield(strings.TrimSpace(c.row+" "+c.name), c) {
				return
			}
		}
	}, func(t *testing.T, c faultCase) { c.drive(t, rows[c.row]) })
	for name := range rows {
		if !driven[name] && notDriven[name] == "" {
			t.Errorf("row %q is not driven", name)
		}
	}
}

func newFaultRig(t *testing.T, c *faultCase) *faultRig {
	options := c.options
	if options.Alerts == 0 {
		options.Alerts = 20
	}
	options.Seed = 21
	f := &faultRig{rig: newRig(t, options)}
	f.gate = &gate{Handler: f.tenant}
	f.api = listen(t, f.gate)
	f.es = f.rig.es
	f.tls = httptest.NewUnstartedServer(f.tenant)
	f.tls.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail by intent
	f.tls.StartTLS()
	t.Cleanup(f.tls.Close)
	f.proxy = listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	return f
}

// drive brings a condition about, looks at what units show, ends it and waits
// until all is well again.
func (c *faultCase) drive(t *testing.T, row health.Row) {
	f := newFaultRig(t, c)
	settings := map[string]any{}
	if c.settings != nil {
		settings = c.settings(f)
	}
	output := f.usualOutput()
	if c.output != nil {
		output = c.output(f)
	}
	if c.spoil != nil && !c.late {
		c.spoil(f)
	}
	f.configure(settings, output)
	f.start()
	if c.late {
		f.waitHealthy()
		f.waitStored()
		c.spoil(f)
	}
	unit, other := inputKey, outputKey
	if row.Unit == health.OnOutput {
		unit, other = outputKey, inputKey
	}
	f.wait(row.Name, func(s agenttest.States) bool { return c.shows(row, s[unit]) })
	shown := f.agent.States()
	if s := shown[other].State; s == client.UnitStateDegraded || s == client.UnitStateFailed {
		t.Errorf("%s is %s too: %s", other, s, shown[other].Message)
	}
	if row.Unit == health.OnStream {
		c.checkStreams(t, row, shown[unit])
	}
	c.heal(f)
	f.waitHealthy()
	c.checkHistory(t, f, unit, row)
	f.stop()
}

// shows reports whether a unit is in the row's state with the row's text.
func (c *faultCase) shows(row health.Row, s agenttest.UnitState) bool {
	if s.State.String() != row.State().String() || !strings.Contains(s.Message, c.says) {
		return false
	}
	rest := s.Message
	for part := range strings.SplitSeq(row.Message, "{") {
		if _, fixed, ok := strings.Cut(part, "}"); ok {
			part = fixed
		}
		part = strings.Trim(part, " ();")
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return true
}

// checkStreams looks at the payload: the stream in trouble says so, another does
// not.
func (c *faultCase) checkStreams(t *testing.T, row health.Row, s agenttest.UnitState) {
	streams, _ := s.Payload["streams"].(map[string]any)
	status := func(id string) (any, string) {
		entry, _ := streams[id].(map[string]any)
		text, _ := entry["error"].(string)
		return entry["status"], text
	}
	id := c.stream
	if id == "" {
		id = "log-1"
	}
	if state, text := status(id); state != row.State().String() || text == "" || !strings.HasSuffix(s.Message, text) {
		t.Errorf("stream %s: %v %q in the payload, the unit says %q", id, state, text, s.Message)
	}
	if state, text := status(c.healthy); c.healthy != "" && text != "" {
		t.Errorf("stream %s is %v %q, nothing is wrong with it", c.healthy, state, text)
	}
}

// checkHistory looks at everything that was said: one text for one cause, and
// nothing that must not be seen.
func (c *faultCase) checkHistory(t *testing.T, f *faultRig, unit agenttest.UnitKey, row health.Row) {
	texts := map[string]bool{}
	for _, s := range f.agent.History(unit) {
		if c.shows(row, s) {
			texts[s.Message] = true
		}
	}
	if len(texts) != 1 {
		t.Errorf("the text changed while its cause stayed: %v", slices.Collect(maps.Keys(texts)))
	}
	for _, key := range []agenttest.UnitKey{inputKey, outputKey} {
		for _, s := range f.agent.History(key) {
			all := s.Message + fmt.Sprint(s.Payload)
			for _, hidden := range []string{defendertest.ClientSecret, defendertest.TenantID, defendertest.ClientID, "Contoso", "id:key", "Bearer"} {
				if strings.Contains(all, hidden) {
					t.Errorf("%q shows in a state: %s", hidden, all)
				}
			}
		}
	}
	if lines := strings.Join(f.agent.Log(), "\n"); strings.Contains(lines, defendertest.ClientSecret) || strings.Contains(lines, "id:key") {
		t.Error("a secret is in the log")
	}
}
