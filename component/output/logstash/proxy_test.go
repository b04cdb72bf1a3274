package logstash

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
)

const hidden = "logstash.only-the-proxy-knows.invalid" // RFC 6761: no resolver has it

// behind starts a proxy that alone knows the server, and gives the settings that lead
// through it.
func behind(t *testing.T, s *logstashtest.Server, o dialtest.Options, login string) (*dialtest.Proxy, map[string]any) {
	t.Helper()
	settings := settingsOf(t, s)
	o.Hosts = map[string]string{hidden: settings["hosts"].([]any)[0].(string)}
	p := outputtest.StartProxy(t, o)
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

func TestProxyIsTheCause(t *testing.T) {
	outputtest.RunProxyIsTheCause(t, Kind, map[string]any{"hosts": hidden})
}
