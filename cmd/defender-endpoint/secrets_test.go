package main_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestSecretsStayInside plants secrets in every setting that may hold one, has
// the other sides repeat them, drives failing paths with the request tracer on,
// and searches everything that leaves the process: log, states, payloads,
// diagnostics, action results and every file under path.data.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const apiKey, assertion, proxyPassword = "key-id:very-secret-key", "an-assertion-0123", "proxy-pass-0123"
	r := newRig(t, defendertest.Options{Seed: 71, Alerts: 20})
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: apiKey})
	output := elasticsearchUnit(listen(t, es))
	output.Config["api_key"] = apiKey
	output.Config["headers"] = map[string]any{"X-Found": "header-secret-0123"}
	settings := map[string]any{
		"enable_request_tracer": true, "oauth_endpoint_params": map[string]any{"client_assertion": []any{assertion}},
		"fields": map[string]any{"note": "someone wrote " + defendertest.ClientSecret + " here"},
	}
	bodies := strings.Join([]string{defendertest.ClientSecret, url.QueryEscape(defendertest.ClientSecret), assertion}, " ")
	r.set(r.input(settings), output)
	r.start()
	r.wait("healthy with the tracer named", func(s agenttest.States) bool {
		return s[inputKey].State == client.UnitStateHealthy && strings.Contains(s[inputKey].Message, "enable_request_tracer")
	})
	var seen strings.Builder
	both := []string{"test_connection", "collect_now"}
	r.look(&seen, both...)
	r.lookInTrouble(&seen, "the API repeats secrets", inputKey, func() {
		r.tenant.Fail(defendertest.Rule{Path: alertsPath, Status: http.StatusForbidden, Body: defendertest.APIError("Forbidden", bodies), Header: http.Header{"X-Ms-Request-Id": {bodies}, "Server": {bodies}}})
	}, r.tenant.Heal, both...)
	r.lookInTrouble(&seen, "the output refuses", outputKey, func() {
		es.Fault(elasticsearchtest.Fault{Status: 401})
		r.touch(2)
	}, es.Heal, "test_connection") // a poll would wait for the output
	r.lookInTrouble(&seen, "the token service repeats secrets", inputKey, func() {
		settings["proxy_url"] = strings.Replace(r.api, "http://", "http://user:"+proxyPassword+"@", 1) // takes absolute requests, too
		r.tenant.Fail(defendertest.Rule{Path: defendertest.TokenPath, Status: 401, Body: defendertest.TokenError("invalid_client", 7000215, bodies)})
		r.set(r.input(settings), output)
	}, func() {
		delete(settings, "proxy_url")
		r.tenant.Heal()
		r.set(r.input(settings), output)
	}, both...)
	r.stop()
	r.recall(&seen)
	if !readAll(t, r.dir, &seen) {
		t.Error("no trace was written")
	}
	expectHidden(t, seen.String(),
		defendertest.ClientSecret, url.QueryEscape(defendertest.ClientSecret), strings.ReplaceAll(defendertest.ClientSecret, "&", `\u0026`),
		"very-secret-key", assertion, proxyPassword, "header-secret-0123", "Bearer ", "eyJ0")
}

func expectHidden(t *testing.T, all string, secrets ...string) {
	t.Helper()
	for _, hidden := range secrets {
		if i := strings.Index(all, hidden); i >= 0 {
			t.Errorf("%q shows: ...%s...", hidden, all[max(0, i-200):min(len(all), i+100)])
		}
	}
}

// lookInTrouble spoils something, looks when the unit tells, and heals it.
func (r *rig) lookInTrouble(seen *strings.Builder, name string, unit agenttest.UnitKey, spoil, heal func(), actions ...string) {
	r.Helper()
	spoil()
	r.wait(name, func(s agenttest.States) bool {
		return s[unit].State == client.UnitStateFailed || s[unit].State == client.UnitStateDegraded
	})
	r.look(seen, actions...)
	heal()
	r.waitHealthy()
}

// recall collects what the agent was told of both units, and the log.
func (r *rig) recall(seen *strings.Builder) {
	for _, key := range []agenttest.UnitKey{inputKey, outputKey} {
		fmt.Fprintln(seen, r.agent.History(key))
	}
	fmt.Fprintln(seen, strings.Join(r.agent.Log(), "\n"))
}

// look performs actions and collects diagnostics of both units.
func (r *rig) look(seen *strings.Builder, actions ...string) {
	r.Helper()
	for _, name := range actions {
		result, err := r.agent.PerformAction(r.ctx, inputKey, name, nil)
		fmt.Fprintln(seen, result, err)
	}
	for _, unit := range []agenttest.UnitKey{inputKey, outputKey} {
		files, err := r.agent.Diagnostics(r.ctx, unit)
		if err != nil {
			r.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Filename, ".json") { // profiles hold no values
				fmt.Fprintf(seen, "%s %s\n", f.Filename, f.Content)
			}
		}
	}
}

// readAll reads every file below a folder, which nobody else may read, and
// reports whether there is a trace among them.
func readAll(t *testing.T, dir string, into *strings.Builder) (traced bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		b, err := os.ReadFile(path)
		into.Write(b)
		traced = traced || strings.Contains(path, "http-request-trace-")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return traced
}
