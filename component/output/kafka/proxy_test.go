package kafka

import (
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
)

const hidden = "kafka.only-the-proxy-knows.invalid" // RFC 6761: no resolver has it

// TestThroughAProxy: the first broker and those that it names, TLS and login included.
func TestThroughAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		cluster kafkatest.Options
		proxy   dialtest.Options
		login   string
	}{
		"anyone, plain":              {},
		"with a login, TLS and SASL": {kafkatest.Options{TLS: true, SASL: "SCRAM-SHA-512"}, dialtest.Options{User: "u", Password: "p@ss"}, "u:p%40ss@"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, tt.cluster)
			tt.proxy.Hosts = map[string]string{hidden: s.Address()}
			p := startProxy(t, tt.proxy)
			settings := with(s.Settings(), m{"hosts": hidden, "proxy_url": "socks5://" + tt.login + p.Address()})
			if _, err := Check(deadline(t), settings, []string{target.Name()}); err != nil {
				t.Errorf("check says %v", err)
			}
			mustPublish(t, connect(t, settings, newReporter(), nil), batch(0, 100))
			compare(t, "messages", 100, len(s.documents(t)))
			asked := map[dialtest.Request]bool{}
			for _, r := range p.Requests() {
				asked[r] = true
			}
			compare(t, "requests", map[dialtest.Request]bool{
				{Host: hidden, ByName: true, User: tt.proxy.User}: true, {Host: "127.0.0.1", User: tt.proxy.User}: true,
			}, asked)
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
			p, r := startProxy(t, tt.proxy), newReporter()
			settings := m{"hosts": hidden, "topic": "t", "timeout": "300ms", "proxy_url": "socks5://u:planted@" + p.Address()}
			_, err := Check(deadline(t), settings, nil)
			expectProxy(t, err, p, tt.says)
			publish(deadline(t), connect(t, settings, r, nil), batch(0, 1))
			expectProxy(t, <-r.changed, p, tt.says)
		})
	}
}

func startProxy(t *testing.T, o dialtest.Options) *dialtest.Proxy {
	t.Helper()
	p, err := dialtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
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
