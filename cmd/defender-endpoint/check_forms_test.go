package main_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// checked runs check with arguments and variables.
func checked(t *testing.T, environment []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := commandIn(t, t.TempDir(), append([]string{"check"}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), environment...)
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestCheckWithoutAPolicy tries every kind of record with what the command line or the
// environment says.
func TestCheckWithoutAPolicy(t *testing.T) {
	t.Parallel()
	url := listen(t, defendertest.New(defendertest.Options{Seed: 4, Alerts: 2, Machines: 2, Actions: 2}))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(defendertest.ClientSecret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	here := []string{"--option", "url=" + url, "--option", "login_url=" + url}
	for name, c := range map[string]struct {
		environment, args []string
		code              int
		says              string
	}{
		"flags": {args: []string{"--tenant", defendertest.TenantID, "--client", defendertest.ClientID, "--secret-file", secret}},
		"environment": {environment: []string{
			"AZURE_TENANT_ID=" + defendertest.TenantID, "AZURE_CLIENT_ID=" + defendertest.ClientID, "AZURE_CLIENT_SECRET=" + defendertest.ClientSecret,
		}},
		"no secret":      {args: []string{"--tenant", defendertest.TenantID, "--client", defendertest.ClientID}, code: 1, says: "client_secret: required"},
		"no such file":   {args: []string{"--tenant", "t", "--client", "c", "--secret-file", secret + ".no"}, code: 1, says: "--secret-file: open "},
		"nobody":         {code: 1, says: "tenant_id: required"},
		"both":           {args: []string{"-c", "x.yml"}, code: 2, says: "leave out --tenant"},
		"unknown option": {args: []string{"--tenant", "t", "--client", "c", "--option", "intervall=1m"}, code: 1, says: "intervall: no such setting, did you mean interval?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := checked(t, c.environment, append(here, c.args...)...)
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, c.code, c.says, stdout, stderr)
			}
			for _, dataset := range []string{"log", "machine", "machine_action"} {
				if c.code == 0 && !strings.Contains(stdout, "stream microsoft_defender_endpoint."+dataset+": can collect\n") {
					t.Errorf("%s is not tried:\n%s", dataset, stdout)
				}
			}
		})
	}
}

// TestCheckOffline connects to nothing and finds what is wrong with the settings.
func TestCheckOffline(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 2})
	es, url := newElasticsearch(t)
	good := policy(listen(t, tenant), url)
	_, file := writePolicy(t, good)
	code, stdout, stderr := checked(t, nil, "-c", file, "--offline")
	if code != 0 || !strings.Contains(stdout, "stream defender-1-log: settings are right") || !strings.Contains(stdout, "output elasticsearch: not tried: its settings are right") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	_, file = writePolicy(t, strings.NewReplacer("id:key", "nokey", "endpoint.log}", "endpoint.no}").Replace(good))
	code, stdout, stderr = checked(t, nil, "-c", file, "--offline")
	if code != 1 || !strings.Contains(stderr, "output: api_key: ") || !strings.Contains(stderr, "stream defender-1-log: data_stream.dataset: ") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if len(tenant.Requests()) > 0 || es.Stats().Requests > 0 {
		t.Error("something was asked")
	}
}

// TestCheckAsJSON: a program reads it, no matter what is wrong.
func TestCheckAsJSON(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 2, Machines: 1})
	tenant.SetRoles("Alert.Read.All")
	_, url := newElasticsearch(t)
	_, file := writePolicy(t, policy(listen(t, tenant), url)+allStreams)
	code, stdout, stderr := checked(t, nil, "-c", file, "--output", "json")
	var report struct {
		CanCollect bool `json:"can_collect"`
		Streams    []struct {
			Stream     string
			CanCollect bool      `json:"can_collect"`
			Newest     time.Time `json:"newest_record"`
			Roles      []string
		}
		Output struct {
			CanDeliver bool `json:"can_deliver"`
		}
		Faults []struct {
			Streams []string
			Text    string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if code != 1 || report.CanCollect || len(report.Streams) != 3 || !report.Streams[0].CanCollect || report.Streams[0].Newest.IsZero() || report.Streams[1].CanCollect ||
		!report.Output.CanDeliver || len(report.Faults) != 2 || !strings.Contains(report.Faults[0].Text, "Machine.Read.All") {
		t.Errorf("exit code %d, %+v\n%s", code, report, stderr)
	}
	code, stdout, stderr = checked(t, nil, "-c", file+".no", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 1 || report.CanCollect || len(report.Faults) != 1 || !strings.Contains(report.Faults[0].Text, "no such file") {
		t.Errorf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if code, _, stderr := checked(t, nil, "-c", file, "--output", "xml"); code != 2 || !strings.Contains(stderr, "want text or json") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestCheckFitsATerminal, with ids as Fleet makes them.
func TestCheckFitsATerminal(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 2, Machines: 2})
	tenant.SetRoles("Alert.Read.All", "Machine.Read.All", "Software.Read.All", "Vulnerability.Read.All", "AdvancedQuery.Read.All")
	tenant.Fail(defendertest.Rule{With: defendertest.OrderBy | defendertest.Filter, Status: 400}, defendertest.Rule{TopAbove: 500, Status: 400})
	_, url := newElasticsearch(t)
	text := strings.ReplaceAll(policy(listen(t, tenant), url)+allStreams, "id: defender-1-", "id: microsoft_defender_endpoint-c0ffee00-1111-2222-3333-444444444444-")
	_, file := writePolicy(t, text)
	_, stdout, stderr := checked(t, nil, "-c", file)
	for line := range strings.Lines(stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && strings.Contains(strings.TrimSpace(line[:81]), " ") && !strings.HasPrefix(line, "stream ") {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	if !strings.Contains(stdout, "AdvancedQuery.Read.All") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// TestCheckTellsOfThrottling as what it is, at once, and does not blame the output.
func TestCheckTellsOfThrottling(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 2})
	tenant.Fail(defendertest.Rule{Path: "/api/", Status: http.StatusTooManyRequests, RetryAfter: 50 * time.Second})
	_, url := newElasticsearch(t)
	_, file := writePolicy(t, policy(listen(t, tenant), url)+allStreams)
	started := time.Now()
	code, stdout, stderr := checked(t, nil, "-c", file)
	if code != 1 || !strings.Contains(stderr, "HTTP 429") || strings.Contains(stderr, "output: ") || !strings.Contains(stdout, "may write to every data stream") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if taken := time.Since(started); taken > 30*time.Second {
		t.Errorf("it took %s", taken)
	}
}

// TestCheckLimitsEachPart: a source that hangs takes no time from the output, nor
// another stream's.
func TestCheckLimitsEachPart(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 2, Machines: 2})
	sideBySide(t, maps.All(map[string]func(*testing.T){
		"a stream hangs": func(t *testing.T) {
			api := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/alerts" {
					<-r.Context().Done()
					return
				}
				tenant.ServeHTTP(w, r)
			}))
			_, url := newElasticsearch(t)
			_, file := writePolicy(t, policy(api, url)+allStreams)
			code, stdout, stderr := checked(t, nil, "-c", file, "--limit", "3s")
			if code != 1 || !strings.Contains(stderr, "stream defender-1-log: get /api/alerts: no answer within 3s; check the network, url") || strings.Contains(stderr, "output: ") ||
				!strings.Contains(stdout, "stream defender-1-machine: can collect") || !strings.Contains(stdout, "may write to every data stream") {
				t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
			}
		},
		"the output hangs": func(t *testing.T) {
			es := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			_, file := writePolicy(t, policy(listen(t, tenant), es))
			if code, stdout, stderr := checked(t, nil, "-c", file, "--limit", "3s"); code != 1 || !strings.Contains(stderr, "output: Elasticsearch does not answer") || strings.Contains(stderr, "stream ") {
				t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
			}
		},
	}), func(t *testing.T, check func(*testing.T)) { check(t) })
}

// TestCheckTellsTheOutputsCause: what is wrong and what to do, for any answer
// there.
func TestCheckTellsTheOutputsCause(t *testing.T) {
	t.Parallel()
	tenant := listen(t, defendertest.New(defendertest.Options{Seed: 4, Alerts: 2}))
	answer := func(status int, body string, header ...string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	for name, c := range map[string]struct {
		url  string
		es   http.Handler
		says []string
	}{
		"wrong key":      {es: elasticsearchtest.New(elasticsearchtest.Options{APIKey: "other:key"}), says: []string{"refuses the credentials (HTTP 401", "check api_key"}},
		"nobody":         {url: "http://127.0.0.1:" + freePort(t), says: []string{"connection refused", "check hosts"}},
		"no such host":   {url: "http://es.invalid:9200", says: []string{"es.invalid", "check hosts"}},
		"a web page":     {es: answer(200, "<html>hello</html>"), says: []string{"check that hosts and path lead to Elasticsearch itself"}},
		"not found":      {es: answer(404, "no"), says: []string{"HTTP 404", "check that hosts and path lead to Elasticsearch itself"}},
		"a redirect":     {es: answer(301, "", "Location", "https://elsewhere.example"), says: []string{"HTTP 301", "check that hosts"}},
		"throttled":      {es: answer(429, `{"error":{"type":"es_rejected_execution_exception"}}`), says: []string{"too slowly (HTTP 429", "look at its load"}},
		"fails":          {es: answer(500, "oh"), says: []string{"Elasticsearch fails (HTTP 500", "look at its health"}},
		"behind a proxy": {es: answer(502, "oh"), says: []string{"HTTP 502"}},
		"teapot":         {es: answer(418, "oh"), says: []string{"HTTP 418", "check that hosts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := c.url
			if c.es != nil {
				url = listen(t, c.es)
			}
			_, file := writePolicy(t, policy(tenant, url))
			_, stdout, stderr := checked(t, nil, "-c", file, "--limit", "20s")
			expectLine(t, stderr, append(c.says, "defender-endpoint: output: ")...)
			if strings.ContainsAny(stderr, "{}") || strings.Contains(stderr, "trying again") || strings.Contains(stderr, "()") {
				t.Errorf("a text is not filled in:\n%s%s", stdout, stderr)
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // is closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
