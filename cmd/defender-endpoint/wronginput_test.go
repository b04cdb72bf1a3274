package main_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// wrongInput is what people do to a policy, and the line that tells them.
type wrongInput struct {
	policy func(string) string                    // nil leaves it
	file   func(t *testing.T, file string) string // what is named in its place; nil names it
	says   []string                               // all in one line
	works  bool                                   // it is a warning of run, and of check unless fails
	fails  bool                                   // check fails all the same
}

func replaced(old, by string) func(string) string {
	return func(p string) string { return strings.Replace(p, old, by, 1) }
}

var wrongInputs = map[string]wrongInput{
	"missing file": {
		file: func(_ *testing.T, file string) string { return file + ".no" },
		says: []string{"there is no such file", "name one with -c"},
	},
	"directory for a file": {
		file: func(_ *testing.T, file string) string { return filepath.Dir(file) },
		says: []string{"is a directory", "name the file in it"},
	},
	"world-readable with a secret in it": {
		file: func(t *testing.T, file string) string {
			if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // that is the point
				t.Fatal(err)
			}
			return file
		},
		says: []string{"every user of this host can read inputs[0].client_secret, outputs.default.api_key", "chmod 600"}, works: true,
	},
	"broken YAML": {
		policy: func(string) string { return "outputs:\n  default: {type: elasticsearch\ninputs: []\n" },
		says:   []string{"is not YAML: line ", "correct the line"},
	},
	"no inputs of our type": {
		policy: replaced("type: microsoft_defender_endpoint", "type: filestream"),
		says:   []string{"none is of type microsoft_defender_endpoint, only filestream", "add one, or correct the type"},
	},
	"cel policy of Elastic's package": {
		policy: replaced("type: microsoft_defender_endpoint", "type: cel"),
		says:   []string{"cel of Elastic's package", "take its tenant_id, client_id and client_secret into an input of type"},
	},
	"unknown setting": {
		policy: replaced("client_id:", "intervall: 1m\n    client_id:"),
		says:   []string{"intervall: no such setting", "did you mean interval?"}, works: true, fails: true,
	},
	"setting that is gone": {
		policy: replaced("client_id:", "azure_resource: https://x.example\n    client_id:"),
		says:   []string{"azure_resource is no longer used", "token_scopes has the scopes of the token"}, works: true,
	},
	"former name, misspelt": {
		policy: replaced("    url: ", "    reqest_url: x\n    url: "),
		says:   []string{"reqest_url: no such setting", "did you mean request_url?"}, works: true, fails: true,
	},
	"missing variable": {
		policy: replaced(`"`+defendertest.ClientSecret+`"`, `"${env.NOT_SET_ANYWHERE}"`),
		says:   []string{"inputs[0].client_secret: the variable NOT_SET_ANYWHERE is not set", "set it in the environment"},
	},
	"api_key without colon": {
		policy: replaced(`"id:key"`, `"idkey"`),
		says:   []string{"api_key: must be id:key", "as Kibana shows it"},
	},
	"username without password": {
		policy: replaced(`api_key: "id:key"`, `username: elastic`),
		says:   []string{"password: missing beside username", "give both, or api_key"},
	},
	"hosts misspelt": {
		policy: replaced("hosts:", "hots:"),
		says:   []string{"hosts: missing", "give the addresses of Elasticsearch"},
	},
	"what was meant by hots": {
		policy: replaced("hosts:", "hots:"),
		says:   []string{"hots: no such setting", "did you mean hosts?"},
	},
	"http server under https": {
		policy: replaced(`hosts: ["http:`, `hosts: ["https:`),
		says:   []string{"the server speaks http and not https", "check hosts"},
	},
	"http tenant under https": {
		policy: replaced("    login_url: http:", "    login_url: https:"),
		says:   []string{"the server speaks http and not https", "check ssl.certificate_authorities and url"},
	},
	"wrong CA path": {
		policy: replaced("client_id:", "ssl.certificate_authorities: [/no/such/ca.pem]\n    client_id:"),
		says:   []string{"ssl: certificate_authorities[0]: open /no/such/ca.pem: ", "name a PEM file"},
	},
	"wrong CA path of the output": {
		policy: replaced(`api_key:`, `ssl.certificate_authorities: [/no/such/ca.pem], api_key:`),
		says:   []string{"ssl: certificate_authorities[0]: open /no/such/ca.pem: ", "name a PEM file"},
	},
	"unsupported processor": {
		policy: replaced("client_id:", "processors: [{script: {lang: js}}]\n    client_id:"),
		says:   []string{`processors[0]: "script" is not supported`, "supported are add_fields"},
	},
	"unknown dataset": {
		policy: replaced("endpoint.log}", "endpoint.lgo}"),
		says:   []string{`data_stream.dataset: no resource for "microsoft_defender_endpoint.lgo", did you mean microsoft_defender_endpoint.log?`, "and one of log, "},
	},
	"empty file": {
		policy: func(string) string { return "" },
		says:   []string{"has no outputs and inputs", "defender-endpoint help policy"},
	},
	"no text file": {
		policy: func(string) string { return "\x00\x01\x02" },
		says:   []string{"is no text file", "name the policy with -c"},
	},
	"tabs": {
		policy: replaced("    client_id:", "\tclient_id:"),
		says:   []string{"is not YAML: line ", "found a tab character", "the indentation of those around it"},
	},
	"outputs misspelt": {
		policy: replaced("outputs:", "output:"),
		says:   []string{"outputs: there are none at the top of the file"},
	},
	"output switched off": {
		policy: replaced("api_key:", "enabled: false, api_key:"),
		says:   []string{"outputs.default: enabled is false", "set it to true"},
	},
	"streams misspelt": {
		policy: replaced("streams:", "stream:"),
		says:   []string{"stream: no such setting", "did you mean streams?"}, fails: true,
	},
	"no streams": {
		policy: func(p string) string { return p[:strings.Index(p, "    streams:")] },
		says:   []string{"no stream is enabled", "enable one in the policy"},
	},
	"streams without dashes": {
		policy: replaced("      - id: defender-1-log\n        data", "      id: defender-1-log\n      data"),
		says:   []string{"streams: want a list", "each entry beginning with a dash"},
	},
	"two streams of one id": {
		policy: func(p string) string {
			return p + "      - id: defender-1-log\n        data_stream: {dataset: microsoft_defender_endpoint.machine}\n"
		},
		says: []string{"id: defender-1-log is used twice", "give each stream an id of its own"},
	},
	"no dataset": {
		policy: replaced(", dataset: microsoft_defender_endpoint.log", ""),
		says:   []string{"data_stream.dataset: required: microsoft_defender_endpoint. and one of log, "},
	},
	"type of the data stream": {
		policy: replaced("type: logs", "type: log"),
		says:   []string{"data_stream.type: want logs"},
	},
	"tenant in braces": {
		policy: replaced("tenant_id: ", "tenant_id: x/"),
		says:   []string{"tenant_id: want the directory (tenant) id, a GUID or a domain, without braces"},
	},
	"secret with a line break": {
		policy: replaced(`&%"`, `&%\n"`),
		says:   []string{"client_secret: remove the white space"},
	},
	"list for a text": {
		policy: replaced("client_id: ", "evidence: [split]\n    client_id: "),
		says:   []string{"evidence: want a text"},
	},
	"names for a list": {
		policy: replaced("client_id: ", "tags: {a: b}\n    client_id: "),
		says:   []string{"tags: want a list, such as [a, b]"},
	},
	"text for a number": {
		policy: replaced("client_id: ", "batch_size: many\n    client_id: "),
		says:   []string{"batch_size: want a whole number, such as 10"},
	},
	"text for a switch": {
		policy: replaced("client_id: ", "preserve_original_event: maybe\n    client_id: "),
		says:   []string{"preserve_original_event: want true or false"},
	},
	"interval 0": {
		policy: replaced("client_id: ", "interval: 0\n    client_id: "),
		says:   []string{"interval: want at least 1s"},
	},
	"URL of the alerts": {
		policy: replaced("\n    login_url:", "/api/alerts\n    login_url:"),
		says:   []string{"url: want the host alone, without /api"},
	},
	"several faults": {
		policy: replaced("client_id: ", "interval: 5 minutes\n    cloud: azure\n    evidence: both\n    batch_size: 0\n    client_id: "),
		says:   []string{"interval: want a duration", "cloud: want one of", "evidence: want", "batch_size: want"},
	},
	"host with a space": {
		policy: replaced(`hosts: [`, `hosts: ["http://a b", `),
		says:   []string{"hosts: entry 1 is no host, host:port or URL", "such as https://es.example:9200"},
	},
	"headers are a list": {
		policy: replaced(`api_key:`, `headers: [a], api_key:`),
		says:   []string{"headers: want names with values below it"},
	},
	"ssl is a text": {
		policy: replaced(`api_key:`, `ssl: yes, api_key:`),
		says:   []string{"ssl: want names with values below it"},
	},
	"key of the output is missing": {
		policy: replaced(`api_key:`, `ssl: {certificate: /no/cert.pem, key: /no/key.pem}, api_key:`),
		says:   []string{"ssl: certificate: open /no/cert.pem: ", "key: no such file or directory", "name a PEM file"},
	},
	"unknown word in ssl": {
		policy: replaced(`api_key:`, `ssl.verification_mode: off, api_key:`),
		says:   []string{"ssl: unknown verification mode", "want", "full, strict, certificate or none"},
	},
	"kerberos": {
		policy: replaced(`api_key:`, `kerberos.enabled: true, api_key:`),
		says:   []string{"kerberos: not supported", "take api_key, or username and password"},
	},
	"cloud id": {
		policy: replaced(`hosts: [`, `cloud.id: nonsense, hosts: [`),
		says:   []string{"cloud.id: is no cloud id", "copy it from the deployment's page in Elastic Cloud"},
	},
	"bad duration": {
		policy: replaced("client_id:", "interval: 3 minutes\n    client_id:"),
		says:   []string{"interval: want a duration such as 30s, 5m or 24h"},
	},
}

// TestWrongInput: anyone who writes something wrong is told what is wrong and what to
// do, in one line, by check and by run.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 3, Alerts: 2})
	_, es := newElasticsearch(t)
	good := policy(listen(t, tenant), es)
	limit := "20s" // of what is tried again
	if testing.Short() {
		limit = "3s"
	}
	sideBySide(t, maps.All(wrongInputs), func(t *testing.T, c wrongInput) {
		text := good
		if c.policy != nil {
			text = c.policy(good)
		}
		if text == good && c.policy != nil {
			t.Fatal("nothing was replaced")
		}
		dir, file := writePolicy(t, text)
		if c.file != nil {
			file = c.file(t, file)
		}
		for _, args := range [][]string{{"check", "-c", file}, {"run", "-c", file, "--once", "--limit", limit, "-E", "path.data=" + filepath.Join(dir, "state")}} {
			code, output := both(t, dir, args...)
			want := 1
			if c.works && (args[0] == "run" || !c.fails) {
				want = 0
			}
			if code != want {
				t.Errorf("%s: exit code %d, want %d", args[0], code, want)
			}
			expectLine(t, output, c.says...)
			for _, hidden := range []string{defendertest.ClientSecret, "id:key"} {
				if strings.Contains(strings.ReplaceAll(output, "must be id:key", ""), hidden) {
					t.Errorf("%s: a secret shows in:\n%s", args[0], output)
				}
			}
		}
	})
}

// both runs the program and returns all that it wrote.
func both(t *testing.T, dir string, args ...string) (code int, output string) {
	t.Helper()
	cmd := commandIn(t, dir, args...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// expectLine looks for one line that says all of it.
func expectLine(t *testing.T, output string, says ...string) {
	t.Helper()
line:
	for line := range strings.Lines(output) {
		for _, s := range says {
			if !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), s) {
				continue line
			}
		}
		return
	}
	t.Errorf("no line with %q in:\n%s", says, output)
}

// TestPolicyThatMayNotBeRead by this user.
func TestPolicyThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	dir, file := writePolicy(t, "x: y")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	cmd := commandIn(t, dir, "check", "-c", file)
	asNobody(t, cmd, dir)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
	expectLine(t, string(out), "may not be read by this user", "run as its owner, or change its mode")
}

// TestStateDirectoryReadOnly: see expectCollected.
func TestStateDirectoryReadOnly(t *testing.T) {
	t.Parallel()
	expectCollected(t, func(cmd *exec.Cmd, dir, state string) {
		asNobody(t, cmd, dir)
		if err := os.Chmod(state, 0o500); err != nil { //nolint:gosec // to be entered and not written
			t.Fatal(err)
		}
	}, "checkpoint cannot be kept: ", "permission denied")
}

// expectCollected spoils the state directory: run says so and collects all the same, since
// what was stored stays stored.
func expectCollected(t *testing.T, spoil func(cmd *exec.Cmd, dir, state string), says ...string) {
	t.Helper()
	tenant := defendertest.New(defendertest.Options{Seed: 3, Alerts: 2})
	es, url := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), url))
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := commandIn(t, dir, "run", "-c", file, "--once", "-E", "path.data="+state)
	spoil(cmd, dir, state)
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || es.Count(dataStream) == 0 {
		t.Errorf("exit code %d, %d documents", code, es.Count(dataStream))
	}
	expectLine(t, string(out), append(says, "defender-endpoint: ", "check the state directory's space and permissions")...)
}

// TestStateDirectoryInUse names who has it.
func TestStateDirectoryInUse(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 5})
	_, es := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), es))
	first := commandIn(t, dir, "run", "-c", file, "-E", "path.data="+dir)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill(); _ = first.Wait() }()
	waitFor(t, func() bool { return len(tenant.Requests()) > 0 }) // it has the directory by then
	code, out := both(t, dir, "run", "-c", file, "--once", "-E", "path.data="+dir)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	expectLine(t, out, fmt.Sprintf("in use by another process (pid %d)", first.Process.Pid), "stop it, or give this one another directory in path.data")
}

// TestMetricsPortTaken: it collects all the same, and says where to name another.
func TestMetricsPortTaken(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 1})
	_, es := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), es))
	code, out := both(t, dir, "run", "-c", file, "--once", "-E", "path.data="+dir, "--metrics", strings.TrimPrefix(es, "http://"))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	expectLine(t, out, "metrics are not served", "in use", "name another address in --metrics or $DEFENDER_ENDPOINT_METRICS")
}
