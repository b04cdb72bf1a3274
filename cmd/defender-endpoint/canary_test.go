package main_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// canary is a secret with every character that people forget to escape left
// out; forms put them around it.
const canary = "canary0123"

// passwords are those that a URL does not take as they stand, or takes for
// something else.
var passwords = []string{canary, "%" + canary, "a/" + canary, "12/" + canary, "a " + canary, "[" + canary, "a@" + canary, "a#" + canary, "a?" + canary, canary + "$", "${" + canary + "}"}

// mistypedKey is a key without its first line, as it is left after a slip of the
// mouse.
const mistypedKey = "MIIE" + canary + "\nAoIBAQ" + canary + "\n-----END PRIVATE KEY-----\n"

// inputForms are settings with a canary in each place and form, most of them
// wrong in a way that some library complains about.
func inputForms() map[string]map[string]any {
	forms := map[string]map[string]any{
		"proxy without scheme": {"proxy_url": "user:" + canary + "@proxy.example:3128"},
		"proxy headers":        {"proxy_url": "http://127.0.0.1:1", "proxy_headers": map[string]any{"Proxy-Authorization": "Basic " + canary}},
		"proxy headers no map": {"proxy_headers": canary},
		"ssl key":              {"ssl": map[string]any{"certificate": "/no/such.pem", "key": mistypedKey}},
		"ssl key as ca":        {"ssl": map[string]any{"certificate_authorities": []any{mistypedKey}}},
		"ssl key as cert":      {"ssl": map[string]any{"certificate": mistypedKey, "key": mistypedKey}},
		"ssl one line":         {"ssl": map[string]any{"certificate_authorities": mistypedKey}},
		"ssl passphrase":       {"ssl": map[string]any{"certificate": "/no/such.pem", "key": "/no/such.key", "key_passphrase": canary}},
		"ssl no map":           {"ssl": canary},
		"login_url":            {"login_url": "https://user:" + canary + "@login.example"},
		"login_url no scheme":  {"login_url": "user:" + canary + "@login.example"},
		"login_url query":      {"login_url": "https://login.example/?client_secret=" + canary},
		"url":                  {"url": "https://user:%" + canary + "@api.example"},
		"secret file":          {"client_secret": "", "client_secret_file": canary},
		"secret twice":         {"client_secret_file": "/" + canary},
		"secret's end":         {"client_secret_expires": canary},
		"certificate":          {"credentials": "certificate", "certificate": canary},
		"certificate mistyped": {"credentials": "certificate", "certificate": mistypedKey},
		"certificate base64":   {"credentials": "certificate", "certificate": "MII" + canary},
		"certificate's key":    {"credentials": "certificate", "certificate": "/no/such.pem", "key": mistypedKey},
		"certificate's phrase": {"credentials": "certificate", "certificate": "/no/such.pem", "key_passphrase": canary},
		"certificate is a map": {"credentials": "certificate", "certificate": map[string]any{canary: canary}},
		"phrase is a list":     {"credentials": "certificate", "certificate": "/no/such.pem", "key_passphrase": []any{canary, canary}},
		"assertion as file":    {"credentials": "assertion_file", "assertion_file": "eyJ" + canary},
		"kind of credentials":  {"credentials": canary},
		"secret is a map":      {"client_secret": map[string]any{canary: canary}},
		"secret is a list":     {"client_secret": []any{canary, map[string]any{"a": canary}}},
		"params no map":        {"oauth_endpoint_params": canary},
		"params deep":          {"oauth_endpoint_params": map[string]any{"client_assertion": map[string]any{"a": canary}}},
		"processor value":      {"processors": []any{map[string]any{"add_fields": map[string]any{"target": 5.0, "fields": map[string]any{"token": canary}}}}},
		"processor no map":     {"processors": []any{map[string]any{"add_fields": canary}}},
		"processor is a text":  {"processors": []any{canary}},
		"processor condition":  {"processors": []any{map[string]any{"drop_event": map[string]any{"when": map[string]any{"equals": canary}}}}},
		"processors no list":   {"processors": canary},
		"fields no map":        {"fields": canary},
	}
	for i, p := range passwords {
		forms[fmt.Sprint("proxy ", i)] = map[string]any{"proxy_url": "http://user:" + p + "@127.0.0.1:1"}
		forms[fmt.Sprint("secret ", i)] = map[string]any{"client_secret": p, "url": "no URL"}
	}
	return forms
}

// outputForms are the same for outputs.
func outputForms() map[string]map[string]any {
	const host = "127.0.0.1:1"
	forms := map[string]map[string]any{
		"proxy without scheme": {"proxy_url": "user:" + canary + "@proxy.example:3128"},
		"host without scheme":  {"hosts": []any{"user:" + canary + "@" + host}},
		"host as text":         {"hosts": "user:" + canary + "@" + host},
		"api key":              {"api_key": "id:" + canary},
		"api key wrong":        {"api_key": canary},
		"api key base64":       {"api_key": base64.StdEncoding.EncodeToString([]byte("id:" + canary))},
		"api key and password": {"api_key": "id:" + canary, "username": "u", "password": canary},
		"api key is a map":     {"api_key": map[string]any{"a": canary}},
		"headers":              {"headers": map[string]any{"Authorization": "Bearer " + canary}},
		"headers no map":       {"headers": "Authorization: " + canary},
		"parameters":           {"parameters": map[string]any{"sig": canary}},
		"parameters no map":    {"parameters": []any{canary}},
		"proxy headers":        {"proxy_headers": map[string]any{"Proxy-Authorization": canary}},
		"cloud auth":           {"cloud.id": "nothing", "cloud.auth": "user:" + canary},
		"cloud auth no colon":  {"cloud": map[string]any{"id": "x:y", "auth": canary}},
		"kerberos":             {"kerberos": map[string]any{"auth_type": "password", "username": "u", "password": canary}},
		"ssl key":              {"ssl": map[string]any{"certificate": "/no/such.pem", "key": mistypedKey, "key_passphrase": canary}},
		"ssl key as cert":      {"ssl": map[string]any{"certificate": mistypedKey, "key": "/no/such.key"}},
		"ssl key as ca":        {"ssl": map[string]any{"certificate_authorities": []any{mistypedKey}}},
		"path":                 {"path": "user:" + canary + "@/x"},
		"shipper":              {"type": "shipper", "server": "user:" + canary + "@" + host},
		"shipper ssl":          {"type": "shipper", "server": host, "ssl": map[string]any{"enabled": true, "certificate": mistypedKey, "key": mistypedKey, "certificate_authorities": []any{mistypedKey}}},
	}
	for i, p := range passwords {
		forms[fmt.Sprint("proxy ", i)] = map[string]any{"proxy_url": "http://user:" + p + "@" + host}
		forms[fmt.Sprint("host ", i)] = map[string]any{"hosts": []any{"http://user:" + p + "@" + host}}
	}
	return forms
}

// streamForms are the same for outputs that speak a protocol of their own: each form
// for both of them, a password for one after the other.
func streamForms() map[string]map[string]any {
	const host = "127.0.0.1:1"
	forms := map[string]map[string]any{
		"proxy without scheme": {"proxy_url": "user:" + canary + "@proxy.example:1080"},
		"proxy of http":        {"proxy_url": "http://user:" + canary + "@proxy.example:3128"},
		"proxy is a list":      {"proxy_url": []any{"socks5://user:" + canary + "@proxy.example", "b"}},
		"host with a login":    {"hosts": []any{"user:" + canary + "@" + host}},
		"ssl key":              {"ssl": map[string]any{"certificate": "/no/such.pem", "key": mistypedKey, "key_passphrase": canary}},
		"ssl key as cert":      {"ssl": map[string]any{"certificate": mistypedKey, "key": "/no/such.key"}},
		"ssl key as ca":        {"ssl": map[string]any{"certificate_authorities": []any{mistypedKey}}},
		"ssl no map":           {"ssl": canary},
		"password alone":       {"password": canary},
		"password is a list":   {"username": "u", "password": []any{canary, map[string]any{"a": canary}}},
		"mechanism":            {"username": "u", "password": canary, "sasl": map[string]any{"mechanism": "NTLM"}},
		"kerberos":             {"kerberos": map[string]any{"auth_type": "password", "username": "u", "password": canary}},
		"headers":              {"headers": []any{map[string]any{"key": "authorization", "value": "%{[" + canary}}},
		"headers no list":      {"headers": "Authorization: " + canary},
	}
	kinds := []string{"logstash", "kafka"}
	both := map[string]map[string]any{}
	for name, form := range forms {
		for _, kind := range kinds {
			both[kind+" "+name] = maps.Clone(form)
			maps.Copy(both[kind+" "+name], map[string]any{"type": kind, "topic": "t"})
		}
	}
	for i, p := range passwords {
		both[fmt.Sprint("proxy ", i)] = map[string]any{"type": kinds[i%2], "topic": "t", "hosts": host, "proxy_url": "socks5://user:" + p + "@" + host}
		both[fmt.Sprint("password ", i)] = map[string]any{"type": "kafka", "topic": "t", "hosts": host, "username": "u", "password": p, "timeout": "soon"}
	}
	return both
}

// TestCanaryStaysInside plants a canary in every form at once, a stream for each
// form of the input, an output after the other, and searches states, payloads,
// log, diagnostics, action results and files.
func TestCanaryStaysInside(t *testing.T) {
	leaveOut(t, "TestSecretsStayInside")
	t.Parallel()
	for name, forms := range map[string]map[string]map[string]any{"HTTP and shipper": outputForms(), "protocols of their own": streamForms()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectCanaryInside(t, forms)
		})
	}
}

func expectCanaryInside(t *testing.T, outputs map[string]map[string]any) {
	r := newRig(t, defendertest.Options{Seed: 91, Alerts: 5})
	var streams []any
	for name, form := range inputForms() {
		s := stream(name, "log")
		maps.Copy(s, form)
		streams = append(streams, s)
	}
	input := r.input(map[string]any{"streams": streams})
	r.set(input, elasticsearchUnit(r.esURL))
	r.start()
	r.wait("the unit fails", func(s agenttest.States) bool { return s[inputKey].State == client.UnitStateFailed })
	var seen strings.Builder
	r.look(&seen, "test_connection")
	for name, form := range outputs {
		output := elasticsearchUnit("http://127.0.0.1:1")
		delete(output.Config, "api_key")
		maps.Copy(output.Config, form)
		r.set(input, output)
		r.wait(name, func(s agenttest.States) bool {
			return s[outputKey].Current && s[outputKey].State != client.UnitStateConfiguring
		})
		r.look(&seen)
		expectHidden(t, seen.String(), canary)
		if t.Failed() {
			t.Fatal("with the output's form ", name)
		}
	}
	r.stop()
	fmt.Fprintln(&seen, r.agent.History(inputKey), r.agent.History(outputKey), strings.Join(r.agent.Log(), "\n"))
	readAll(t, r.dir, &seen)
	expectHidden(t, seen.String(), canary)
}

// TestCanaryStaysInsideOfCommands: check and run tell what is wrong with a policy
// without the canary in it.
func TestCanaryStaysInsideOfCommands(t *testing.T) {
	t.Parallel()
	api := listen(t, defendertest.New(defendertest.Options{Seed: 92, Alerts: 5}))
	_, es := newElasticsearch(t)
	var streams []any
	for name, form := range inputForms() {
		s := stream(name, "log")
		maps.Copy(s, form)
		streams = append(streams, s)
	}
	write := func(output map[string]any, streams []any) string {
		config := map[string]any{"type": "elasticsearch", "hosts": []any{es}}
		maps.Copy(config, output)
		b, err := json.Marshal(map[string]any{ // which is YAML, too
			"outputs": map[string]any{"default": config},
			"inputs": []any{map[string]any{
				"id": "d", "type": "microsoft_defender_endpoint", "tenant_id": defendertest.TenantID, "client_id": defendertest.ClientID,
				"client_secret": defendertest.ClientSecret, "url": api, "login_url": api, "streams": streams,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	policies := map[string]string{"inputs": write(nil, streams)}
	all := outputForms()
	maps.Copy(all, streamForms())
	for name, form := range all {
		policies["output "+name] = write(form, []any{stream("log-1", "log")})
	}
	for i, p := range passwords {
		policies[fmt.Sprint("secret ", i)] = write(nil, []any{map[string]any{"id": "s", "client_secret": p, "data_stream": 5.0}})
	}
	for name, text := range policies {
		code, stdout, stderr := runCheck(t, text)
		expectHidden(t, stdout+stderr, canary)
		if t.Failed() {
			t.Fatalf("check of %s: exit code %d", name, code)
		}
	}
	dir, file := writePolicy(t, policies["inputs"])
	state, stderr := program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	if expectHidden(t, stderr, canary); state.ExitCode() == 0 {
		t.Error("exit code 0")
	}
}

// TestCheckPrintsNoControlCharacters of what the other sides send.
func TestCheckPrintsNoControlCharacters(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 93, Alerts: 2})
	const escape = "\x1b[31mred\u202e"
	tenant.SetRoles("Alert.Read.All", escape)
	es := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		_, _ = w.Write([]byte(`{"version":{"number":"9.2.0\u001b[31mred\u202e"}}`))
	})
	code, stdout, stderr := runCheck(t, policy(listen(t, tenant), listen(t, es)))
	if all := stdout + stderr; code != 0 || strings.ContainsAny(all, "\x1b\u202e") || !strings.Contains(all, "red") {
		t.Errorf("exit code %d: %q", code, all)
	}
}
