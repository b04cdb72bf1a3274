package logstash

import (
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
)

const hidden = "logstash.only-the-proxy-knows.invalid" // RFC 6761: no resolver has it

// behind starts a proxy that alone knows the server, and gives the settings that lead
// through it.
func behind(t *testing.T, s *logstashtest.Server, o dialtest.Options, login string) (*dialtest.Proxy, map[string]any) {
	t.Helper()
	settings := settingsOf(t, s)
	o.Hosts = map[string]string{hidden: settings["hosts"].([]any)[0].(string)}
	p, err := dialtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	extra := map[string]any{"hosts": hidden, "proxy_url": "socks5://" + login + p.Address()}
	if ssl, ok := settings["ssl"].(map[string]any); ok {
		ssl["verification_mode"] = "certificate" // it is another name's
		extra["ssl"] = ssl
	}
	return p, extra
}

// TestThroughAProxy: check and events go through it, TLS included.
func TestThroughAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		security logstashtest.Security
		proxy    dialtest.Options
		login    string
	}{
		"anyone, plain":                     {},
		"with a login, client certificates": {logstashtest.ClientCertificates, dialtest.Options{User: "u", Password: "p@ss"}, "u:p%40ss@"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, logstashtest.Options{Security: tt.security})
			p, extra := behind(t, s, tt.proxy, tt.login)
			if _, err := Check(deadline(t), extra, nil); err != nil {
				t.Errorf("check says %v", err)
			}
			checked := len(p.Requests())
			mustPublish(t, connect(t, s, newReporter(), extra), batch(0, 100))
			compare(t, "stored", 100, stats(s).Stored)
			compare(t, "requests", stats(s).Connections, len(p.Requests()))
			compare(t, "the output's own", true, len(p.Requests()) > checked)
			compare(t, "request", dialtest.Request{Host: hidden, ByName: true, User: tt.proxy.User}, p.Requests()[checked])
		})
	}
}

// TestProxyIsTheCause: check and output name it, without its password.
func TestProxyIsTheCause(t *testing.T) {
	for name, tt := range map[string]struct {
		proxy dialtest.Options
		says  string
	}{
		"wrong password": {dialtest.Options{User: "u", Password: "right"}, "password authentication failed"},
		"refuses":        {dialtest.Options{Refuse: 2}, "not allowed by ruleset"},
		"hangs":          {dialtest.Options{Hang: true}, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, logstashtest.Options{}), newReporter()
			p, extra := behind(t, s, tt.proxy, "u:planted@")
			extra["timeout"] = "300ms"
			_, err := Check(deadline(t), extra, nil)
			expectProxy(t, err, p, tt.says)
			publish(deadline(t), connect(t, s, r, extra), batch(0, 1))
			expectProxy(t, <-r.changed, p, tt.says)
		})
	}
}

func expectProxy(t *testing.T, err error, p *dialtest.Proxy, says string) {
	t.Helper()
	if err == nil || output.ReasonOf(err) != output.Unreachable {
		t.Fatalf("got %v, want that it is unreachable", err)
	}
	text := err.Error()
	if !strings.Contains(text, "the proxy "+p.Address()) || !strings.Contains(text, says) || strings.Contains(text, "planted") {
		t.Errorf("got %s, want the proxy and %q", text, says)
	}
}
