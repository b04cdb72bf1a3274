package main_test

import (
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// newLogstash starts a Logstash and makes the unit that leads to it.
func (r *rig) newLogstash(o logstashtest.Options) (*logstashtest.Server, agenttest.Unit) {
	r.Helper()
	s, err := logstashtest.New(o)
	if err != nil {
		r.Fatal(err)
	}
	if err := s.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(s.Stop)
	settings, err := s.Settings()
	if err != nil {
		r.Fatal(err)
	}
	settings["backoff"] = map[string]any{"init": "50ms", "max": "200ms"}
	return s, agenttest.Unit{ID: outputID, Type: client.UnitTypeOutput, Config: settings}
}

// viaLogstash is the way through a Logstash with certificates.
func viaLogstash(settings map[string]any) func(*faultRig) agenttest.Unit {
	return func(f *faultRig) agenttest.Unit {
		s, unit := f.newLogstash(logstashtest.Options{Security: logstashtest.ClientCertificates, Keepalive: 50 * time.Millisecond, Limit: 16 << 10})
		f.logstash = s
		for name, v := range settings {
			unit.Config[name] = v
		}
		return unit
	}
}

func logstashFault(fault logstashtest.Fault) func(*faultRig) {
	return func(f *faultRig) { f.logstash.Fault(fault) }
}

func healLogstash(f *faultRig) { f.logstash.Heal(); f.touch(3) }

// healLogstashRefusals makes as many deliveries as it takes until a refusal is
// forgotten.
func healLogstashRefusals(f *faultRig) {
	f.logstash.Heal()
	// A delivery that was under way counts with its refusal.
	for n := 0; n < 20 && f.agent.States()[outputKey].State != client.UnitStateHealthy; n++ {
		before, _ := f.logstash.Stats()
		f.touch(1)
		f.eventually("a delivery", func() bool { now, _ := f.logstash.Stats(); return now.Stored > before.Stored })
	}
}

// behindProxy puts a proxy that refuses the login before an output.
func behindProxy(output func(*faultRig) agenttest.Unit) func(*faultRig) agenttest.Unit {
	return func(f *faultRig) agenttest.Unit {
		p, err := dialtest.New(dialtest.Options{User: "u", Password: "another"})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(p.Close)
		unit := output(f)
		wrong := url.UserPassword("u", defendertest.ClientSecret) // which must not show
		unit.Config["proxy_url"] = "socks5://" + wrong.String() + "@" + p.Address()
		return unit
	}
}

// proxyRefuses is what a state says of that.
const proxyRefuses = "username/password authentication failed; check proxy_url"

// logstashCases are about Logstash.
var logstashCases = []faultCase{
	{
		row: "Logstash unreachable", output: viaLogstash(nil), says: "connection refused",
		spoil: func(f *faultRig) { f.logstash.Stop() },
		heal: func(f *faultRig) {
			if err := f.logstash.Start(); err != nil {
				f.Fatal(err)
			}
			f.touch(3)
		},
	},
	{row: "Logstash unreachable", name: "behind a proxy", says: proxyRefuses, heal: reset, output: behindProxy(viaLogstash(nil))},
	{
		row: "Logstash TLS", says: "ssl.certificate", heal: reset,
		output: viaLogstash(map[string]any{"ssl": map[string]any{"verification_mode": "none"}}),
	},
	{row: "Logstash TLS", name: "another authority", says: "certificate", heal: reset, output: viaLogstash(map[string]any{"ssl": map[string]any{}})},
	{row: "Logstash closes connections", name: "plain to TLS", says: "set ssl", heal: reset, output: viaLogstash(map[string]any{"ssl": nil})},
	{row: "Logstash closes connections", output: viaLogstash(nil), spoil: logstashFault(logstashtest.Fault{Reset: true}), heal: healLogstash},
	{
		row: "Logstash silent", output: viaLogstash(map[string]any{"timeout": "1s"}), heal: healLogstash,
		spoil: logstashFault(logstashtest.Fault{Silent: true}),
	},
	{
		row: "Logstash pipeline blocked", slow: true, output: viaLogstash(nil), heal: healLogstash,
		spoil: logstashFault(logstashtest.Fault{Block: true}),
	},
	{
		row: "Logstash refuses documents", output: viaLogstash(nil), heal: healLogstashRefusals,
		spoil: logstashFault(logstashtest.Fault{Refuse: func(d logstashtest.Document) bool {
			return d.ID[len(d.ID)-1]%4 == 0 && !strings.Contains(string(d.JSON), `"kind":"pipeline_error"`)
		}}),
	},
}
