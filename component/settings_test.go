package component

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// TestEveryOutputDeclaresItsSettings, so that a misspelt one is reported.
func TestEveryOutputDeclaresItsSettings(t *testing.T) {
	for _, k := range outputs {
		if k.Settings == nil {
			t.Errorf("%s: no Settings", k.Type)
			continue
		}
		names := policy.Names(k.Settings)
		source := map[string]any{"type": k.Type, "_runtime_experimental": "process"}
		for _, name := range names {
			source[name+"xx"] = "1"
		}
		got := Strays(nil, Unit{Type: k.Type, Output: true, Source: source})
		if len(names) < 3 || len(got) != len(names) {
			t.Errorf("%s: %d settings, and of as many misspelt ones it reports %q", k.Type, len(names), got)
		}
	}
}

// TestSettingsOfElasticAreKnown: Fleet and standalone policies have them, and no
// release of the agent may make an operator search for a fault.
func TestSettingsOfElasticAreKnown(t *testing.T) {
	u := Unit{Type: "elasticsearch", Output: true, Source: map[string]any{
		"type": "elasticsearch", "hosts": []any{"h"}, "protocol": "https", "path": "/p", "parameters": map[string]any{"a": "b"}, "headers": map[string]any{"X-A": "b"},
		"api_key": "a:b", "username": "u", "password": "p", "cloud.id": "c", "cloud.auth": "a", "proxy_url": "u", "proxy_headers": map[string]any{"X-A": "b"}, "proxy_disable": false,
		"ssl": map[string]any{
			"enabled": true, "verification_mode": "full", "certificate_authorities": []any{"c"}, "certificate": "c", "key": "k", "key_passphrase": "p",
			"ca_sha256": "s", "ca_trusted_fingerprint": "f", "supported_protocols": []any{"TLSv1.3"}, "cipher_suites": []any{"x"}, "curve_types": []any{"x"}, "renegotiation": "never",
			"key_passphrase_path": "x",
		},
		"timeout": "90s", "idle_connection_timeout": "3s", "loadbalance": true, "worker": 1, "workers": 1, "bulk_max_size": 1, "compression_level": 1, "max_retries": 3,
		"backoff": map[string]any{"init": "1s", "max": "1m"}, "queue.mem.events": 3200, "queue": map[string]any{"mem": map[string]any{"flush": map[string]any{"timeout": "1s"}}},
		"preset": "balanced", "non_indexable_policy": "drop", "kerberos": map[string]any{"enabled": false}, "revision": 1, "policy": map[string]any{"revision": 1},
	}}
	if got := Strays(nil, u); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// TestUnknownSettingsAreLoggedOnce for each change of them, and not with every save
// of the policy.
func TestUnknownSettingsAreLoggedOnce(t *testing.T) {
	var logged bytes.Buffer
	c := New(Options{Log: slog.New(slog.NewTextHandler(&logged, nil)), Level: new(slog.LevelVar)})
	defer c.Stop()
	u := Unit{ID: "o", Type: "elasticsearch", Output: true, Report: func(client.UnitState, string, map[string]any) {}}
	for revision, misspelt := range []string{"worke", "worke", "hots"} {
		u.Source = map[string]any{"hosts": []any{"http://127.0.0.1:9"}, misspelt: 1, "revision": revision}
		c.Apply(t.Context(), []Unit{u})
	}
	if text := logged.String(); strings.Count(text, "level=WARN") != 2 || strings.Count(text, "worke:") != 1 || !strings.Contains(text, "did you mean hosts?") {
		t.Errorf("logged:\n%s", text)
	}
}
