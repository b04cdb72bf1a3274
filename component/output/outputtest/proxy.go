package outputtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
)

// StartProxy starts a SOCKS5 proxy that ends with the test.
func StartProxy(t testing.TB, o dialtest.Options) *dialtest.Proxy {
	t.Helper()
	p, err := dialtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// RunProxyIsTheCause expects of a kind of output that check and reports name a proxy that
// does not connect, without its password. The settings lead to a host that need not exist.
func RunProxyIsTheCause(t *testing.T, k output.Kind, settings map[string]any) {
	for name, tt := range map[string]struct {
		proxy dialtest.Options
		says  string
	}{
		"wrong password": {dialtest.Options{User: "u", Password: "right"}, "password authentication failed"},
		"refuses":        {dialtest.Options{Refuse: 2}, "not allowed by ruleset"},
		"hangs":          {dialtest.Options{Hang: true}, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			p, r := StartProxy(t, tt.proxy), NewReporter()
			through := map[string]any{"timeout": "300ms", "proxy_url": "socks5://u:planted@" + p.Address()}
			maps.Copy(through, settings)
			_, err := k.Check(Deadline(t), through, nil)
			expectProxy(t, err, p, tt.says)
			Publish(Deadline(t), Connect(t, k, r, through), Batch(0, 1))
			expectProxy(t, <-r.Changed, p, tt.says)
		})
	}
}

// expectProxy looks whether trouble names the proxy as its cause, with some more words
// and without "planted".
func expectProxy(t testing.TB, err error, p *dialtest.Proxy, says string) {
	t.Helper()
	text := fmt.Sprint(err)
	if output.ReasonOf(err) != output.Unreachable || !strings.Contains(text, "the proxy "+p.Address()) || !strings.Contains(text, says) || strings.Contains(text, "planted") {
		t.Errorf("got %s, want the proxy and %q", text, says)
	}
}
