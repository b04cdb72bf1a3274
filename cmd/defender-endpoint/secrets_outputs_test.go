package main_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/go-json-experiment/json"
	"github.com/youmark/pkcs8"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// Secrets of the outputs that speak a protocol of their own: right ones and wrong
// ones.
const (
	keyPhrase, wrongPhrase     = "phrase0123 canary&%", "wrong-phrase0123canary"
	proxySecret, wrongProxy    = "proxy0123/canary&%", "wrong-proxy0123canary"
	wrongPassword, headerValue = "wrong-password0123canary", "header0123canary"
)

// outputSecrets are all of them, in the forms in which they could show.
func outputSecrets(keys ...string) []string {
	secrets := []string{headerValue}
	for _, s := range []string{keyPhrase, wrongPhrase, proxySecret, wrongProxy, wrongPassword, kafkatest.Password} {
		secrets = append(secrets, s, url.QueryEscape(s), url.UserPassword("", s).String()[1:], base64.StdEncoding.EncodeToString([]byte(s)), strings.ReplaceAll(s, "&", `\u0026`))
	}
	for _, key := range keys {
		for line := range strings.Lines(key) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && len(line) > 8 {
				secrets = append(secrets, line)
			}
		}
	}
	return secrets
}

// encrypted is a key under a pass phrase.
func encrypted(t *testing.T, key, phrase string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(key))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(private, []byte(phrase), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
}

// secretCase is what goes wrong with an output full of secrets.
type secretCase struct {
	name  string
	alter map[string]any // over the right settings
	spoil func()
	state client.UnitState
	says  string // the unit
}

// planted is an output with secrets, and what goes wrong with it.
type planted struct {
	settings map[string]any
	cases    []secretCase
	heal     func()
	keys     []string
}

// TestSecretsOfOutputsStayInside plants secrets in every setting of Logstash and Kafka
// that may hold one, right and wrong, at log level debug, and searches what
// TestSecretsStayInside does, and what check and status print.
func TestSecretsOfOutputsStayInside(t *testing.T) {
	t.Parallel()
	plants := map[string]func(*rig, string) planted{"Logstash": plantLogstash, "Kafka": plantKafka}
	if testing.Short() {
		delete(plants, "Kafka") // its cases take five times as long
	}
	sideBySide(t, maps.All(plants), func(t *testing.T, plant func(*rig, string) planted) {
		r := newRig(t, defendertest.Options{Seed: 73, Alerts: 20})
		p, err := dialtest.New(dialtest.Options{User: "u", Password: proxySecret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		o := plant(r, p.Address())
		var seen strings.Builder
		for i, c := range o.cases {
			r.lookAtSecrets(&seen, o, c, i == 0)
		}
		r.stop()
		r.recall(&seen)
		readAll(t, r.dir, &seen)
		if len(p.Requests()) == 0 {
			t.Error("nothing went through the proxy")
		}
		expectHidden(t, seen.String(), outputSecrets(o.keys...)...)
	})
}

// lookAtSecrets waits until the unit shows a case, and collects what can be seen.
func (r *rig) lookAtSecrets(seen *strings.Builder, o planted, c secretCase, first bool) {
	r.Helper()
	if c.spoil != nil {
		c.spoil()
		defer o.heal()
	}
	settings := maps.Clone(o.settings)
	maps.Copy(settings, c.alter)
	input := r.input(nil)
	input.LogLevel = "debug"
	r.set(input, agenttest.Unit{ID: outputID, Type: client.UnitTypeOutput, Config: settings, LogLevel: "debug"})
	if first {
		r.start()
	}
	r.eventually(c.name, func() bool {
		r.touch(1) // for the output that is there now, be it this one or the one before
		s := r.agent.States()[outputKey]
		return s.Current && s.State == c.state && strings.Contains(s.Message, c.says)
	})
	if c.state == client.UnitStateHealthy {
		r.look(seen, "test_connection", "collect_now")
	} else {
		r.look(seen, "test_connection") // a poll would wait for the output
	}
	for _, form := range []string{"text", "json"} {
		status, err := exec.CommandContext(r.ctx, binary, "status", "-E", "path.data="+r.dir, "--output", form).CombinedOutput()
		if len(status) == 0 {
			r.Fatalf("status says nothing: %v", err)
		}
		fmt.Fprintf(seen, "%s\n", status)
	}
	policy, err := json.Marshal(map[string]any{"outputs": map[string]any{"default": settings}, "inputs": []any{input.Config}}) // which is YAML, too
	if err != nil {
		r.Fatal(err)
	}
	code, stdout, stderr := runCheck(r.T, string(policy))
	if (code == 0) != (c.state == client.UnitStateHealthy) && c.spoil == nil {
		r.Errorf("%s: check ends with %d:\n%s%s", c.name, code, stdout, stderr)
	}
	fmt.Fprintln(seen, stdout, stderr)
}

func plantLogstash(r *rig, proxy string) planted {
	s, unit := r.newLogstash(logstashtest.Options{Security: logstashtest.ClientCertificates})
	ssl := unit.Config["ssl"].(map[string]any)
	key := ssl["key"].(string)
	ssl["key"], ssl["key_passphrase"] = encrypted(r.T, key, keyPhrase), keyPhrase
	unit.Config["proxy_url"] = "socks5://" + url.UserPassword("u", proxySecret).String() + "@" + proxy
	unit.Config["hosts"] = []any{strings.Replace(unit.Config["hosts"].([]any)[0].(string), "localhost", "127.0.0.1", 1)}
	ssl["verification_mode"] = "certificate"
	return planted{settings: unit.Config, heal: s.Heal, keys: []string{key, ssl["key"].(string)}, cases: []secretCase{
		{name: "all is well", state: client.UnitStateHealthy},
		{name: "proxy refuses", alter: refusedByProxy(proxy), state: client.UnitStateDegraded, says: proxyRefuses},
		{name: "wrong pass phrase", alter: over(unit.Config, "key_passphrase", wrongPhrase), state: client.UnitStateFailed, says: "ssl"},
		{name: "mistyped key", alter: over(unit.Config, "key", ssl["key"].(string)[30:]), state: client.UnitStateFailed, says: "ssl"},
		{name: "another authority", alter: over(unit.Config, "certificate_authorities", nil), state: client.UnitStateDegraded, says: "certificate"},
		{name: "plain to TLS", alter: map[string]any{"ssl": nil}, state: client.UnitStateDegraded, says: "set ssl"},
		{name: "resets", spoil: func() { s.Fault(logstashtest.Fault{Reset: true}) }, state: client.UnitStateDegraded, says: "look at its log"},
	}}
}

func plantKafka(r *rig, proxy string) planted {
	c, _, unit := r.newKafka(kafkatest.Options{TLS: true, SASL: "PLAIN"})
	authority, err := agenttest.NewAuthority()
	if err != nil {
		r.Fatal(err)
	}
	certificate, key, err := authority.Issue("client")
	if err != nil {
		r.Fatal(err)
	}
	ssl := unit.Config["ssl"].(map[string]any)
	ssl["certificate"], ssl["key"], ssl["key_passphrase"] = string(certificate), encrypted(r.T, string(key), keyPhrase), keyPhrase
	unit.Config["proxy_url"] = "socks5://" + url.UserPassword("u", proxySecret).String() + "@" + proxy
	unit.Config["headers"] = []any{map[string]any{"key": "authorization", "value": headerValue}}
	return planted{settings: unit.Config, heal: c.Heal, keys: []string{string(key), ssl["key"].(string)}, cases: []secretCase{
		{name: "all is well", state: client.UnitStateHealthy},
		{name: "proxy refuses", alter: refusedByProxy(proxy), state: client.UnitStateDegraded, says: proxyRefuses},
		{name: "wrong password", alter: map[string]any{"password": wrongPassword}, state: client.UnitStateDegraded, says: "login"},
		{name: "wrong pass phrase", alter: over(unit.Config, "key_passphrase", wrongPhrase), state: client.UnitStateFailed, says: "ssl"},
		{name: "mistyped key", alter: over(unit.Config, "key", ssl["key"].(string)[30:]), state: client.UnitStateFailed, says: "ssl"},
		{name: "another authority", alter: over(unit.Config, "certificate_authorities", nil), state: client.UnitStateDegraded, says: "certificate"},
		{name: "mechanism", alter: map[string]any{"password": wrongPassword, "sasl": map[string]any{"mechanism": "NTLM"}}, state: client.UnitStateFailed, says: "sasl.mechanism"},
		{name: "password that is a map", alter: map[string]any{"password": map[string]any{"a": wrongPassword}}, state: client.UnitStateFailed, says: "password"},
		{name: "refused", spoil: func() { c.Fault(kafkatest.Fault{Code: kafkatest.Code("POLICY_VIOLATION")}) }, state: client.UnitStateDegraded, says: "POLICY_VIOLATION"},
		{name: "silent", spoil: func() { c.Fault(kafkatest.Fault{Hang: true}) }, state: client.UnitStateDegraded, says: "in time"},
	}}
}

func refusedByProxy(address string) map[string]any {
	return map[string]any{"proxy_url": "socks5://u:" + wrongProxy + "@" + address}
}

// over are the settings' ssl with one of them changed; nil takes it away.
func over(settings map[string]any, name string, value any) map[string]any {
	ssl := maps.Clone(settings["ssl"].(map[string]any))
	if ssl[name] = value; value == nil {
		delete(ssl, name)
	}
	return map[string]any{"ssl": ssl}
}
