package kafka

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
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
			p := outputtest.StartProxy(t, tt.proxy)
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

func TestProxyIsTheCause(t *testing.T) {
	outputtest.RunProxyIsTheCause(t, Kind, m{"hosts": hidden, "topic": "t"})
}
