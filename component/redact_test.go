package component

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedactHidesEverySecret(t *testing.T) {
	const secret = "s3cret-value"
	source := map[string]any{
		"client_secret": secret, "client_id": "visible-id", "token_scopes": []any{"https://scope.example/.default"},
		"ssl":                   map[string]any{"certificate": "PEM " + secret, "key": "PEM", "key_passphrase": secret, "verification_mode": "full"},
		"ssl.key":               "dotted-" + secret,
		"oauth_endpoint_params": map[string]any{"client_assertion": []any{"assertion-" + secret}},
		"headers":               map[string]any{"X-Anything": "header-" + secret},
		"proxy_url":             "http://user:" + "pass-word@proxy.example:3128",
		"hosts":                 []any{"https://elastic:changeme@es.example:9200/?sig=signed-away"},
		"odd":                   "marked-value", "__mark_redact_odd": true,
		"fields":     map[string]any{"note": "has the " + secret + " in it"},
		"processors": []any{map[string]any{"add_fields": map[string]any{"fields": map[string]any{"a": "x" + secret}}}},
		"enabled":    true, "interval": "1m", "api_key": "", "numeric_key": 12345.0,
	}
	b, err := json.Marshal(redact(source))
	if err != nil {
		t.Fatal(err)
	}
	shown := string(b)
	for _, hidden := range []string{secret, "PEM", "pass-word", "changeme", "signed-away", "marked-value", "__mark", "12345"} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q shows in %s", hidden, shown)
		}
	}
	for _, seen := range []string{"visible-id", "scope.example", "proxy.example:3128", "es.example:9200", `"verification_mode":"full"`, `"enabled":true`, `"interval":"1m"`, `"api_key":""`} {
		if !strings.Contains(shown, seen) {
			t.Errorf("%q does not show in %s", seen, shown)
		}
	}
	if source["client_secret"] != secret {
		t.Error("the configuration itself was changed")
	}
}

func TestDiagnosticsOfAnyKindAreJSON(t *testing.T) {
	for name, content := range map[string]func() any{
		"panics":     func() any { panic("no") },
		"no JSON":    func() any { return make(chan int) },
		"very large": func() any { return strings.Repeat("x", diagnosticLimit) },
	} {
		if b := encode(content); !json.Valid(b) || len(b) > 200 {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
}
