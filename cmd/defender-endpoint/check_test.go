package main_test

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const allStreams = `
      - id: defender-1-machine
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.machine}
      - id: defender-1-machine_action
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.machine_action}
`

// runCheck runs the command and returns its exit code and what it wrote.
func runCheck(t *testing.T, policy string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, file := writePolicy(t, policy)
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "check", "-c", file, "--limit", "20s")
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errs, t.TempDir()
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// checkCase is a policy's surroundings, and what the command makes of them.
type checkCase struct {
	spoil  func(*defendertest.Tenant)
	es     elasticsearchtest.Options
	policy func(string) string
	shows  []string // in the table
	says   []string // in the error
}

var checkCases = map[string]checkCase{
	"all is well": {shows: []string{
		"defender-1-log", "Alert.Read.All Machine.Read.All", "can collect", "/h\n", "may write to every data stream, version 9.2.0",
	}},
	"no machines yet": {
		spoil: func(tenant *defendertest.Tenant) {
			tenant.Fail(defendertest.Rule{Path: "/api/machines", Status: http.StatusNotFound})
		},
		shows: []string{"404", "can collect"},
	},
	"the server takes no order": {
		spoil: func(tenant *defendertest.Tenant) {
			tenant.Fail(defendertest.Rule{Path: "/api/", RejectOrderBy: true})
		},
		shows: []string{"can collect, without $orderby"},
	},
	"wrong secret": {
		spoil: func(tenant *defendertest.Tenant) { tenant.RotateSecret("another") },
		shows: []string{"cannot collect"}, says: []string{"defender-endpoint: streams defender-1-log, defender-1-machine, defender-1-machine_action: get a token: the client secret is wrong"},
	},
	"a permission is missing": {
		spoil: func(tenant *defendertest.Tenant) { tenant.SetRoles("Alert.Read.All") },
		shows: []string{"can collect", "cannot collect", "403"}, says: []string{"stream defender-1-machine: ", "Machine.Read.All", "admin consent"},
	},
	"the key may not write": {
		es:    elasticsearchtest.Options{APIKey: "id:key", Denied: []string{dataStream}},
		shows: []string{"can collect", "in trouble"}, says: []string{"output: ", dataStream, "create_doc"},
	},
	"wrong API key": {
		es:    elasticsearchtest.Options{APIKey: "id:other"},
		shows: []string{"in trouble"}, says: []string{"output: ", "api_key"},
	},
	"the key may not ask": {
		es:    elasticsearchtest.Options{APIKey: "id:key", NoPrivileges: true},
		shows: []string{"privileges not known"},
	},
	"bad setting": {
		policy: func(p string) string { return strings.Replace(p, "client_id:", "interval: 1ms\n    client_id:", 1) },
		shows:  []string{"cannot collect"}, says: []string{"streams defender-1-log, defender-1-machine, defender-1-machine_action: interval: want at least 1s"},
	},
	"one stream is not known here": {
		policy: func(p string) string { return strings.Replace(p, "endpoint.machine}", "endpoint.news}", 1) },
		shows:  []string{"can collect", "cannot collect"}, says: []string{"stream defender-1-machine: data_stream.dataset: no resource for"},
	},
}

func TestCheckTellsWhetherAPolicyCanCollect(t *testing.T) {
	t.Parallel()
	for name, c := range checkCases {
		t.Run(name, func(t *testing.T) {
			tenant := defendertest.New(defendertest.Options{Seed: 51, Alerts: 5, Machines: 3, Actions: 2})
			if c.spoil != nil {
				c.spoil(tenant)
			}
			if c.es.APIKey == "" {
				c.es.APIKey = "id:key"
			}
			es := elasticsearchtest.New(c.es)
			text := policy(listen(t, tenant), listen(t, es)) + allStreams
			if c.policy != nil {
				text = c.policy(text)
			}
			code, stdout, stderr := runCheck(t, text)
			if (code == 0) != (len(c.says) == 0) {
				t.Errorf("exit code %d", code)
			}
			for _, want := range c.shows {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in:\n%s", want, stdout)
				}
			}
			for _, want := range c.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in:\n%s", want, stderr)
				}
			}
			for _, hidden := range []string{defendertest.ClientSecret, "id:key", "eyJ"} {
				if strings.Contains(stdout+stderr, hidden) {
					t.Errorf("%q shows in:\n%s%s", hidden, stdout, stderr)
				}
			}
			if es.Stats().Requests > 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestCheckNeedsAPolicy(t *testing.T) {
	state, stderr := program(t, t.TempDir(), "check")
	if state.ExitCode() != 2 || !strings.Contains(stderr, "-c policy.yml is required") {
		t.Errorf("exit code %d:\n%s", state.ExitCode(), stderr)
	}
}
