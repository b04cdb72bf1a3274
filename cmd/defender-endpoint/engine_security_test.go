package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestEngineSecurity: an Elasticsearch with security, for keys and what the
// failure store takes.
func TestEngineSecurity(t *testing.T) {
	e, p := engine.Start(t, engine.Options{Kind: engine.Secured}), engine.ReadPackage(t, repository)
	t.Run("keys", func(t *testing.T) { testEngineKeys(t, e, p) })
	t.Run("one stream", func(t *testing.T) { testEngineOneStream(t, e, p) })
	t.Run("failure store", func(t *testing.T) { testEngineFailureStore(t, e, p) })
	t.Run("owners", func(t *testing.T) { testEngineOwners(t, e) })
}

// fleetPrivileges are those of a key that Fleet makes for an integration.
var fleetPrivileges = []string{"auto_configure", "create_doc"}

const (
	credentialsRow = "Elasticsearch refuses the credentials (HTTP 401)"
	indexRow       = "the key may not write to logs-microsoft_defender_endpoint."
)

// testEngineKeys: the program starts with a key that does not do, tells why, and
// loses nothing once the policy has one that does.
func testEngineKeys(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	tests := []struct {
		name string
		key  func(t *testing.T, target string) string
		row  string
	}{
		{"right", func(t *testing.T, target string) string { return apiKey(t, e, "", fleetPrivileges, target) }, ""},
		{"wrong", func(t *testing.T, target string) string {
			id, _, _ := strings.Cut(apiKey(t, e, "", fleetPrivileges, target), ":")
			return id + ":AAAAAAAAAAAAAAAAAAAAAA"
		}, credentialsRow},
		{"expired", func(t *testing.T, target string) string { return expiredKey(t, e, target) }, credentialsRow},
		{"another stream", func(t *testing.T, target string) string {
			return apiKey(t, e, "", fleetPrivileges, strings.Replace(target, ".log-", ".machine-", 1))
		}, indexRow + "log-another_stream (HTTP 403, security_exception)"},
		{"no auto_configure", func(t *testing.T, target string) string {
			return apiKey(t, e, "", []string{"create_doc"}, target)
		}, indexRow + "log-no_auto_configure (HTTP 403, security_exception)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCollected(t, e, p, strings.ReplaceAll(tt.name, " ", "_"), defendertest.Options{Seed: 10, Alerts: 60, EvidencePerAlert: 2})
			c.output.Config["api_key"] = tt.key(t, c.target)
			c.begin()
			if tt.row != "" {
				c.waitRow(tt.row)
				c.give(apiKey(t, e, "", fleetPrivileges, c.target))
			}
			c.waitCount()
			c.waitHealthy()
			c.stop()
			c.proveFull()
		})
	}
}

// testEngineOneStream: a key for the alerts alone. Machines wait, the unit says
// for which data stream, and alerts continue.
func testEngineOneStream(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	c := newCollected(t, e, p, "one", defendertest.Options{Seed: 11, Alerts: 60, EvidencePerAlert: 2, Machines: 5})
	stream := func(dataset string) map[string]any {
		return map[string]any{"id": dataset + "-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + dataset}}
	}
	c.settings = map[string]any{"streams": []any{stream("log"), stream("machine")}}
	c.output.Config["api_key"] = apiKey(t, e, "", fleetPrivileges, c.target)
	c.begin()
	c.waitRow(indexRow + "machine-one (HTTP 403, security_exception)")
	c.waitCount()
	machines := strings.Replace(c.target, ".log-", ".machine-", 1)
	if n := e.Count(c.ctx, machines); n != 0 {
		t.Errorf("%d machines are stored without a privilege", n)
	}
	c.give(apiKey(t, e, "", fleetPrivileges, c.target, machines))
	c.eventually("machines", func() bool { return e.Count(c.ctx, machines) == 5 })
	c.waitHealthy()
	c.stop()
	if ids := e.IDs(t, c.target); len(ids) != c.want() {
		t.Errorf("%d alerts are stored, want %d", len(ids), c.want())
	}
}

// testEngineFailureStore: Elasticsearch puts what a broken template refuses into
// the failure store and says that all is well. A minimal form of each document
// is in the data stream all the same, and the failure store has it once.
func testEngineFailureStore(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	broken := breakFields(p, map[string]string{"microsoft.defender_endpoint.lastUpdateTime": "ip"})
	c := newCollectedWith(t, e, broken, engine.Installation{Namespace: "failures", Strict: true, FailureStore: true},
		defendertest.Options{Seed: 12, Alerts: 60, EvidencePerAlert: 2})
	c.output.Config["api_key"] = apiKey(t, e, "", fleetPrivileges, c.target)
	c.begin()
	c.waitRow("some documents went to the failure store of their data stream, and are stored in minimal form")
	c.waitCount()
	c.stop()
	c.prove()
	failed := c.matching("event.kind", "pipeline_error")
	var store struct{ Count int }
	e.Call(t, http.MethodPost, "/"+c.target+"::failures/_refresh", nil, nil)
	e.Call(t, http.MethodGet, "/"+c.target+"::failures/_count", nil, &store)
	t.Logf("offered %d, minimal %d, in the failure store %d", c.want(), failed, store.Count)
	if failed != c.want() || store.Count != c.want() {
		t.Errorf("%d documents: %d minimal, %d in the failure store", c.want(), failed, store.Count)
	}
}

// waitRow waits until the output unit is degraded with a row of the health table.
func (c *collected) waitRow(row string) {
	c.Helper()
	c.eventually(row, func() bool {
		unit := c.agent.States()[outputKey]
		return unit.State == client.UnitStateDegraded && strings.HasPrefix(unit.Message, row)
	})
	c.Logf("the output tells: %s", c.agent.States()[outputKey].Message)
}

// give changes the output's key in the policy.
func (c *collected) give(key string) {
	c.Helper()
	config := map[string]any{}
	for name, v := range c.output.Config {
		config[name] = v
	}
	config["api_key"] = key
	c.output.Config = config
	c.set(c.units()...)
}

// apiKey makes a key that may write to data streams, as "id:key". An expiration
// that is empty is none.
func apiKey(t *testing.T, e *engine.Engine, expiration string, privileges []string, targets ...string) string {
	t.Helper()
	request := map[string]any{
		"name": t.Name(),
		"role_descriptors": map[string]any{"fleet": map[string]any{
			"cluster": []string{"monitor"},
			"indices": []any{map[string]any{"names": targets, "privileges": privileges}},
		}},
	}
	if expiration != "" {
		request["expiration"] = expiration
	}
	var answer struct {
		ID  string `json:"id"`
		Key string `json:"api_key"`
	}
	e.Call(t, http.MethodPost, "/_security/api_key", request, &answer)
	return answer.ID + ":" + answer.Key
}

// expiredKey makes a key and waits until Elasticsearch takes it no more.
func expiredKey(t *testing.T, e *engine.Engine, target string) string {
	t.Helper()
	key := apiKey(t, e, "1s", fleetPrivileges, target)
	id, _, _ := strings.Cut(key, ":")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var answer struct {
			Keys []struct {
				Expiration int64 `json:"expiration"`
			} `json:"api_keys"`
		}
		e.Call(t, http.MethodGet, "/_security/api_key?id="+id, nil, &answer)
		if len(answer.Keys) == 1 && time.Now().UnixMilli() > answer.Keys[0].Expiration {
			return key
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}
