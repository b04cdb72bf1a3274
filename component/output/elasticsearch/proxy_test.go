package elasticsearch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const hidden = "elasticsearch.only-the-proxy-knows.invalid" // RFC 6761: no resolver has it

// TestThroughASocksProxy: both schemes leave names to the proxy.
func TestThroughASocksProxy(t *testing.T) {
	for _, scheme := range []string{"socks5", "socks5h"} {
		s := newSink(t, elasticsearchtest.Options{})
		p := outputtest.StartProxy(t, dialtest.Options{User: "u", Password: "p@ss", Hosts: map[string]string{hidden: strings.TrimPrefix(s.url, "http://")}})
		settings := map[string]any{"hosts": "http://" + hidden + ":9200", "proxy_url": scheme + "://u:p%40ss@" + p.Address()}
		if _, err := elasticsearch.Check(t.Context(), settings, []string{dataStream}); err != nil {
			t.Errorf("%s: check says %v", scheme, err)
		}
		b := newBatch(0, 10, 0)
		publish(t, s.connect(t, newReporter(), settings), b)
		compare(t, "result", inputs.Result{Stored: 10}, b.Result)
		for _, r := range p.Requests() {
			compare(t, scheme, dialtest.Request{Host: hidden, ByName: true, User: "u"}, r)
		}
	}
}

// TestSocksProxyIsTheCause: check and output name it, in words that stay the same,
// and without its password.
func TestSocksProxyIsTheCause(t *testing.T) {
	for name, tt := range map[string]struct {
		proxy dialtest.Options
		want  string // PROXY for its address
	}{
		"wrong password": {dialtest.Options{User: "u", Password: "right"}, "the proxy PROXY does not connect to " + hidden + ":9200: username/password authentication failed; check proxy_url"},
		"refuses":        {dialtest.Options{Refuse: 2}, "the proxy PROXY does not connect to " + hidden + ":9200: connection not allowed by ruleset; check proxy_url"},
		"ends":           {dialtest.Options{End: true}, "the proxy PROXY closes the connection; check that proxy_url leads to a SOCKS5 proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			p, r := outputtest.StartProxy(t, tt.proxy), newReporter()
			settings := map[string]any{"hosts": "http://" + hidden + ":9200", "proxy_url": "socks5://u:" + canary + "@" + p.Address()}
			want := strings.ReplaceAll(tt.want, "PROXY", p.Address())
			_, err := elasticsearch.Check(t.Context(), settings, nil)
			compare(t, "check", "connect: unreachable: "+want, fmt.Sprint(err))
			ctx, cancel := context.WithCancel(t.Context())
			out, done := (&sink{}).connect(t, r, settings), make(chan error, 1)
			go func() { done <- out.Publish(ctx, newBatch(0, 1, 0)) }()
			compare(t, "report", "bulk: unreachable: "+want, fmt.Sprint(<-r.Changed))
			cancel()
			<-done
		})
	}
}
