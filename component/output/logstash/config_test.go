package logstash

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

type m = map[string]any

func TestSettings(t *testing.T) {
	c, err := readConfig(m{
		"type": "logstash", "hosts": []any{"a", "b:1", "[::1]:2", "[::1]", "::1", " c "}, "loadbalance": true, "workers": 2.0, "pipelining": 3.0,
		"bulk_max_size": 0.0, "backoff": m{"init": "2s"}, "backoff.max": "5s", "max_retries": 3.0, "escape_html": true,
		"queue.mem.events": 1.0, "__mark_redact_ssl": true, "ssl": nil, "proxy_url": "socks5://u:p@proxy:1080", "policy": m{"revision": 1.0},
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "hosts", []string{"a:5044", "b:1", "[::1]:2", "[::1]:5044", "[::1]:5044", "c:5044"}, c.hosts)
	compare(t, "loop", output.Options{BulkMax: math.MaxInt, Workers: 6 * 2 * 3, BackoffInit: 2 * time.Second, BackoffMax: 5 * time.Second}, c.loop)
}

func TestSettingsDefaults(t *testing.T) {
	c, err := readConfig(m{"hosts": "a"})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "loop", output.Options{BulkMax: 2048, Workers: 2, BackoffInit: time.Second, BackoffMax: time.Minute}, c.loop)
	if c.Timeout != 30*time.Second || c.Compression != 3 || c.TTL != 0 || c.SlowStart || c.dialer.Secure() || c.Index != "defender-endpoint" {
		t.Errorf("%+v", c.options)
	}
}

// TestSettingsFaults: all at once, each naming its setting, none quoting a secret.
func TestSettingsFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		settings m
		faults   []string
	}{
		"nothing": {m{}, []string{"hosts: missing"}},
		"hosts": {m{"hosts": []any{"", "tcp://a", "a:b", "a b", "u@h", "a:70000"}}, []string{
			"hosts: entry 1 ", "hosts: entry 2 ", "hosts: entry 3 ", "hosts: entry 4 ", "hosts: entry 5 ", "hosts: entry 6 ",
		}},
		"limits": {m{"hosts": "a", "worker": 0.0, "pipelining": -1.0, "compression_level": 10.0, "timeout": "0s", "ttl": "-1s", "backoff": m{"init": "0s", "max": "-1s"}, "index": " "},
			[]string{"worker: ", "pipelining: ", "compression_level: ", "timeout: ", "ttl: ", "backoff.init: ", "backoff.max: ", "index: "}},
		"types":                      {m{"hosts": "a", "timeout": "soon", "loadbalance": "perhaps", "pipelining": "x"}, []string{"timeout: ", "loadbalance: ", "pipelining: "}},
		"proxy":                      {m{"hosts": "a", "proxy_url": "http://u:planted@proxy"}, []string{"proxy_url: must be socks5"}},
		"proxy without sense":        {m{"hosts": "a", "proxy_url": "socks5://u:%planted"}, []string{"proxy_url: "}},
		"missing client key":         {m{"hosts": "a", "ssl": m{"certificate": "/a.pem"}}, []string{"ssl.key: "}},
		"missing client certificate": {m{"hosts": "a", "ssl": m{"key": "planted"}}, []string{"ssl.certificate: "}},
		"certificate no file":        {m{"hosts": "a", "ssl": m{"certificate": "/no/such.pem", "key": "planted-key"}}, []string{"ssl: "}},
		"verification mode":          {m{"hosts": "a", "ssl": m{"verification_mode": "some"}}, []string{"ssl"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.settings, newReporter(), slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("no fault")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.faults) || strings.Contains(err.Error(), "planted") {
				t.Fatalf("want %q, got:\n%v", tt.faults, err)
			}
			for i, want := range tt.faults {
				if !strings.HasPrefix(lines[i], want) && !strings.Contains("\n"+err.Error(), "\n"+want) {
					t.Errorf("no fault %q in:\n%v", want, err)
				}
			}
		})
	}
}
