package main_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// credentialCases are about who we are.
var credentialCases = []faultCase{
	{
		row: "wrong secret", spoil: func(f *faultRig) { f.tenant.RotateSecret("another") },
		heal: func(f *faultRig) { f.tenant.RotateSecret(defendertest.ClientSecret) },
	},
	{
		row: "expired secret", heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(token(7000222, "invalid_client", "The provided client secret keys for app '"+defendertest.ClientID+"' are expired."))
		},
	},
	{row: "unknown application", settings: setting("client_id", "7b3f8a52-0000-0000-0000-0d4f3a1c6a10"), heal: reset},
	{
		row: "credentials refused", says: "enable the application", heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(token(7000112, "unauthorized_client", "Application '"+defendertest.ClientID+"'(Contoso) is disabled."))
		},
	},
	{row: "unknown tenant", settings: setting("tenant_id", "a839b112-0000-0000-0000-94542403f21c"), heal: reset},
	{row: "wrong cloud", name: "scope of another", settings: setting("token_scopes", []any{"https://graph.microsoft.com/.default"}), heal: reset},
	{
		row: "wrong cloud", name: "login of another", heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(token(900382, "invalid_request", "Confidential Client is not supported in Cross Cloud request."))
		},
	},
	{
		row: "token of another cloud", heal: healTenant,
		spoil: func(f *faultRig) { f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusUnauthorized}) },
	},
	{
		row: "missing permission or consent", name: "alerts", says: "Alert.Read.All", options: shortTokens,
		settings: bothStreams("1s", "1m"), healthy: "machine-1",
		spoil: func(f *faultRig) { f.tenant.SetRoles("Machine.Read.All") },
		heal:  func(f *faultRig) { f.tenant.SetRoles("Alert.Read.All", "Machine.Read.All") },
	},
	{
		row: "missing permission or consent", name: "machines", says: "Machine.Read.All", options: shortTokens,
		settings: bothStreams("1m", "1s"), stream: "machine-1", healthy: "log-1",
		spoil: func(f *faultRig) { f.tenant.SetRoles("Alert.Read.All") },
		heal:  func(f *faultRig) { f.tenant.SetRoles("Alert.Read.All", "Machine.Read.All") },
	},
}

// networkCases are about the way to the API, and its answers.
var networkCases = []faultCase{
	{
		row: "API unreachable", late: true, slow: true,
		spoil: func(f *faultRig) { f.gate.closed.Store(true) },
		heal:  func(f *faultRig) { f.gate.closed.Store(false) },
	},
	{
		row: "TLS failure", says: "certificate",
		settings: func(f *faultRig) map[string]any { return map[string]any{"url": f.tls.URL, "login_url": f.tls.URL} },
		heal:     reset,
	},
	{
		row: "TLS failure", name: "no TLS there",
		settings: func(f *faultRig) map[string]any {
			return map[string]any{"url": strings.Replace(f.api, "http:", "https:", 1)}
		},
		heal: reset,
	},
	{row: "proxy failure", says: "connection refused", settings: setting("proxy_url", "http://127.0.0.1:1"), heal: reset},
	{
		row: "proxy refuses", says: "HTTP 407",
		settings: func(f *faultRig) map[string]any { return map[string]any{"proxy_url": f.proxy} }, heal: reset,
	},
	{
		row: "throttled for longer than a poll", slow: true, heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusTooManyRequests, Header: after("1")})
		},
	},
	{
		row: "hourly quota gone",
		spoil: func(f *faultRig) {
			f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusTooManyRequests, Header: after("3000")})
		},
		// The hold is kept for the hour, by the next process too: who removes what is
		// saved of calls does not wait for it.
		heal: func(f *faultRig) {
			f.tenant.Heal()
			f.restartWithoutCalls()
		},
	},
	{
		row: "API fails (5xx)", late: true, slow: true, heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusServiceUnavailable})
		},
	},
	{
		row: "malformed answers", heal: healTenant,
		spoil: func(f *faultRig) { f.rule(defendertest.Rule{Path: alertsPath, NotJSON: true}) },
	},
	{
		row: "request does not fit", heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusFound, EmptyBody: true, Header: http.Header{"Location": {"https://elsewhere.example/"}}})
		},
	},
	{
		row: "request refused", heal: healTenant,
		spoil: func(f *faultRig) { f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusBadRequest}) },
	},
}

// collectingCases are about what is collected, and about settings.
var collectingCases = []faultCase{
	{
		row: "records quarantined", late: true,
		spoil: func(f *faultRig) {
			f.tenant.Add(defendertest.Alerts, `{"id":"odd","alertCreationTime":"yesterday","lastUpdateTime":"`+time.Now().UTC().Format(time.RFC3339)+`"}`)
		},
		heal: func(*faultRig) {},
	},
	{
		row: "cursor stuck or lag growing", slow: true, options: defendertest.Options{Alerts: 20, Live: 400, EvidencePerAlert: 1},
		settings: setting("batch_size", 20.0),
		heal:     func(f *faultRig) { f.configure(map[string]any{"batch_size": 10000.0}, f.usualOutput()) },
	},
	{
		row: "checkpoint not writable", late: true,
		spoil: func(f *faultRig) {
			cursors := filepath.Join(f.dir, "cursors")
			if err := os.Rename(cursors, cursors+".away"); err != nil {
				f.Fatal(err)
			}
			writeFile(f.T, cursors, nil)
			f.touch(3)
		},
		heal: func(f *faultRig) {
			cursors := filepath.Join(f.dir, "cursors")
			if err := os.Remove(cursors); err != nil {
				f.Fatal(err)
			}
			if err := os.Rename(cursors+".away", cursors); err != nil {
				f.Fatal(err)
			}
			f.touch(3)
		},
	},
	{
		row: "checkpoint not writable", name: "from the start", says: "not a directory",
		spoil: func(f *faultRig) {
			if err := os.MkdirAll(f.dir, 0o700); err != nil {
				f.Fatal(err)
			}
			writeFile(f.T, filepath.Join(f.dir, "cursors"), nil)
		},
		heal: func(f *faultRig) {
			if err := os.Remove(filepath.Join(f.dir, "cursors")); err != nil {
				f.Fatal(err)
			}
		},
	},
	{
		row: "checkpoint not readable", says: "too many levels of symbolic links",
		spoil: func(f *faultRig) {
			if err := errors.Join(os.MkdirAll(f.dir, 0o700), os.Symlink("cursors", filepath.Join(f.dir, "cursors"))); err != nil {
				f.Fatal(err)
			}
		},
		heal: func(f *faultRig) {
			if err := os.Remove(filepath.Join(f.dir, "cursors")); err != nil {
				f.Fatal(err)
			}
		},
	},
	{row: "bad setting, unknown dataset, unsupported processor", name: "bad setting", says: "interval: want at least 1s", settings: setting("interval", "10ms"), heal: reset},
	{
		row: "bad setting, unknown dataset, unsupported processor", name: "unknown dataset", says: "data_stream.dataset: no resource for",
		settings: setting("streams", []any{stream("log-1", "logs")}), heal: reset,
	},
	{
		row: "bad setting, unknown dataset, unsupported processor", name: "unsupported processor", says: "dissect",
		settings: setting("processors", []any{map[string]any{"dissect": map[string]any{"tokenizer": "%{a}"}}}), heal: reset,
	},
	{row: "streams are no list", settings: setting("streams", "log"), heal: reset},
	{row: "no streams", name: "empty list", settings: setting("streams", []any{}), heal: reset},
	{
		row: "no streams", heal: reset,
		settings: func(*faultRig) map[string]any {
			off := stream("log-1", "log")
			off["enabled"] = false
			return map[string]any{"streams": []any{off}}
		},
	},
}

func esFault(fault elasticsearchtest.Fault) func(*faultRig) {
	return func(f *faultRig) { f.es.Fault(fault) }
}

func everyItem(status int, kind string) elasticsearchtest.Fault {
	return elasticsearchtest.Fault{Item: func(elasticsearchtest.Document) elasticsearchtest.ItemFault {
		return elasticsearchtest.ItemFault{Status: status, Type: kind}
	}}
}

// everyFull is trouble with all documents, or all but their lesser forms.
func everyFull(fault elasticsearchtest.ItemFault, fullOnly bool) elasticsearchtest.Fault {
	return elasticsearchtest.Fault{Item: func(d elasticsearchtest.Document) elasticsearchtest.ItemFault {
		if fullOnly && strings.Contains(string(d.JSON), `"kind":"pipeline_error"`) {
			return elasticsearchtest.ItemFault{}
		}
		return fault
	}}
}

// healRefusals repairs the index, and makes as many deliveries as it takes until
// a refusal is forgotten.
func healRefusals(f *faultRig) {
	f.es.Heal()
	for range 7 {
		requests := f.es.Stats().Requests
		f.touch(1)
		f.eventually("a delivery", func() bool { return f.es.Stats().Requests > requests })
	}
}

func viaShipper(f *faultRig) agenttest.Unit {
	shipper, unit := f.rig.shipper()
	f.shipper = shipper
	return unit
}

// healShipperRefusals looks for the lesser form, and makes as many deliveries as it
// takes until a refusal is forgotten.
func healShipperRefusals(f *faultRig) {
	lesser := slices.ContainsFunc(f.shipper.Documents(dataStream), func(d shippertest.Document) bool {
		return strings.Contains(string(d.JSON), `"kind":"pipeline_error"`) && strings.Contains(string(d.JSON), "request_too_large")
	})
	if !lesser {
		f.Error("the document that is too large is not there in minimal form")
	}
	// A delivery that was under way counts with its refusal.
	for n := 0; n < 20 && f.agent.States()[outputKey].State != client.UnitStateHealthy; n++ {
		before, _ := f.shipper.Stats()
		f.touch(1)
		f.eventually("a delivery", func() bool { now, _ := f.shipper.Stats(); return now.Stored > before.Stored })
	}
}

// withSSL is the way through a shipper whose unit says ssl.enabled.
func withSSL(enabled bool, o shippertest.Options) func(*faultRig) agenttest.Unit {
	return func(f *faultRig) agenttest.Unit {
		_, unit := f.newShipper(o)
		unit.Config["ssl"].(map[string]any)["enabled"] = enabled
		return unit
	}
}

// outputCases are about Elasticsearch and the shipper.
var outputCases = []faultCase{
	{row: "Elasticsearch unreachable", spoil: esFault(elasticsearchtest.Fault{Drop: true}), heal: healES},
	{row: "Elasticsearch 401", spoil: esFault(elasticsearchtest.Fault{Status: 401}), heal: healES},
	{row: "Elasticsearch 403", spoil: esFault(elasticsearchtest.Fault{Status: 403}), heal: healES},
	{row: "Elasticsearch busy", spoil: esFault(elasticsearchtest.Fault{Status: 429}), heal: healES},
	{row: "Elasticsearch fails", spoil: esFault(elasticsearchtest.Fault{Status: 503}), heal: healES},
	{row: "Elasticsearch silent", slow: true, spoil: esFault(elasticsearchtest.Fault{Hang: true}), heal: healES},
	{
		row: "Elasticsearch silent", name: "with a short time-out", spoil: esFault(elasticsearchtest.Fault{Hang: true}), heal: healES,
		output: func(f *faultRig) agenttest.Unit {
			unit := f.usualOutput()
			unit.Config["timeout"] = "1s"
			return unit
		},
	},
	{row: "requests refused", spoil: esFault(elasticsearchtest.Fault{Status: 404}), heal: healES},
	{row: "requests refused", name: "by a firewall", spoil: esFault(elasticsearchtest.Fault{Status: 403, Body: "<html>blocked</html>"}), heal: healES},
	{row: "index missing or closed", name: "closed", says: dataStream, spoil: esFault(everyItem(400, "index_closed_exception")), heal: healES},
	{row: "index missing or closed", name: "missing", says: dataStream, spoil: esFault(everyItem(404, "index_not_found_exception")), heal: healES},
	{row: "pipeline missing", says: dataStream, spoil: esFault(everyItem(404, "resource_not_found_exception")), heal: healES},
	{row: "no room for an index", says: dataStream, spoil: esFault(everyItem(400, "validation_exception")), heal: healES},
	{row: "index blocked", says: dataStream, spoil: esFault(everyItem(403, "cluster_block_exception")), heal: healES},
	{row: "disk full", says: dataStream, spoil: esFault(everyItem(429, "cluster_block_exception")), heal: healES},
	{row: "refused in every form", says: dataStream, spoil: esFault(everyItem(400, "document_parsing_exception")), heal: healES},
	{
		row: "refused in every form", name: "a pipeline is missing", says: dataStream, heal: healES,
		spoil: esFault(everyFull(elasticsearchtest.ItemFault{Status: 400, Type: "illegal_argument_exception", Unrouted: true}, false)),
	},
	{row: "index refused", says: dataStream, spoil: esFault(everyItem(403, "security_exception")), heal: healES},
	{
		row: "documents refused", heal: healRefusals,
		spoil: esFault(everyFull(elasticsearchtest.ItemFault{Status: 400, Type: "document_parsing_exception"}, true)),
	},
	{row: "documents in the failure store", spoil: esFault(everyFull(elasticsearchtest.ItemFault{FailureStore: true}, true)), heal: healRefusals},
	{
		row: "bad output setting", says: "api_key", heal: reset,
		output: func(f *faultRig) agenttest.Unit {
			unit := elasticsearchUnit(f.esURL)
			unit.Config["username"] = "both"
			return unit
		},
	},
	{
		row: "shipper gone", output: viaShipper,
		spoil: func(f *faultRig) { f.shipper.Stop() },
		heal: func(f *faultRig) {
			if err := f.shipper.Restart(); err != nil {
				f.Fatal(err)
			}
		},
	},
	{
		row: "shipper gone", name: "TLS against plain", says: "the shipper speaks plain, and TLS is asked for",
		output: withSSL(true, shippertest.Options{Certificates: true}), heal: reset,
	},
	{
		row: "shipper gone", name: "plain against TLS", says: "if it speaks TLS, set ssl",
		output: withSSL(false, shippertest.Options{TLS: true, Name: outputID}), heal: reset,
	},
	{
		row: "shipper queue full", output: viaShipper,
		spoil: func(f *faultRig) { f.shipper.FailPublish(&shippertest.Fault{Full: true}) },
		heal:  func(f *faultRig) { f.shipper.FailPublish(nil) },
	},
	{
		row: "shipper refuses",
		output: func(f *faultRig) agenttest.Unit {
			unit := viaShipper(f)
			unit.Config["backoff"] = map[string]any{"init": "100ms", "max": "1s"}
			return unit
		},
		spoil: func(f *faultRig) {
			f.shipper.FailPublish(&shippertest.Fault{Code: codes.PermissionDenied})
		},
		heal: func(f *faultRig) { f.shipper.FailPublish(nil) },
	},
	{
		row: "shipper refuses documents", settings: setting("preserve_original_event", true), heal: healShipperRefusals,
		output: func(f *faultRig) agenttest.Unit {
			shipper, unit := f.newShipper(shippertest.Options{TLS: true, Name: outputID, Limit: 4 << 20})
			f.shipper = shipper
			return unit
		},
		spoil: func(f *faultRig) {
			f.tenant.Add(defendertest.Alerts, `{"id":"huge","alertCreationTime":"`+time.Now().UTC().Format(time.RFC3339)+`","lastUpdateTime":"`+
				time.Now().UTC().Format(time.RFC3339)+`","title":"`+strings.Repeat("x", 5<<20)+`"}`)
		},
	},
}
