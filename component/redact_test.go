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

// TestRedactHidesWhatPeopleWriteIntoAddresses: without a scheme, unescaped, and
// the same password where else it is.
func TestRedactHidesWhatPeopleWriteIntoAddresses(t *testing.T) {
	for _, password := range []string{"pw-canary", "a@pw-canary", "a/pw-canary", "a pw-canary", "%pw-canary", "[pw-canary", "a?pw-canary", "a:pw-canary"} {
		for _, scheme := range []string{"", "http://", "https://"} {
			address := scheme + "user:" + password + "@es.example:9200"
			source := map[string]any{
				"hosts": []any{address}, "proxy_url": address, "login_url": address, "server": address,
				"fields": map[string]any{"note": "it is " + password + ", or " + address},
			}
			b, err := json.Marshal(redact(source))
			if err != nil {
				t.Fatal(err)
			}
			if shown := string(b); strings.Contains(shown, "canary") || strings.Count(shown, "es.example:9200") < 4 {
				t.Errorf("%s: %s", address, shown)
			}
		}
	}
	for name, value := range map[string]any{
		"api_key": "key-id:long-canary", "headers": map[string]any{"Authorization": "Basic a2V5LWlkOmxvbmctY2FuYXJ5"},
		"parameters": map[string]any{"sig": "long-canary"},
	} {
		b, err := json.Marshal(redact(map[string]any{name: value, "note": "long-canary"}))
		if err != nil || strings.Contains(string(b), "canary") || strings.Contains(string(b), "a2V5LWlk") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	for _, text := range []string{"see bob:canary@es.example", "see https://bob:canary@es.example"} { // of no setting of this policy
		if b, err := json.Marshal(redact(map[string]any{"note": text})); err != nil || strings.Contains(string(b), "canary") {
			t.Errorf("%s: %s, %v", text, b, err)
		}
	}
}

// TestRedactHidesTextInPlaceOfABlock: a key that was pasted one line too high.
func TestRedactHidesTextInPlaceOfABlock(t *testing.T) {
	for _, name := range []string{"ssl", "SSL", "outputs.ssl", "sasl", "kerberos"} {
		for _, value := range []any{"key: canary", []any{"canary"}} {
			b, err := json.Marshal(redact(map[string]any{name: value}))
			if err != nil || strings.Contains(string(b), "canary") {
				t.Errorf("%s: %s, %v", name, b, err)
			}
		}
	}
	b, err := json.Marshal(redact(map[string]any{"ssl": map[string]any{"enabled": true, "verification_mode": "full"}, "sasl": map[string]any{"mechanism": "PLAIN"}}))
	if err != nil || !strings.Contains(string(b), "full") || !strings.Contains(string(b), "PLAIN") {
		t.Errorf("%s, %v", b, err)
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

// TestEqualConfigurationsAreEqual: what changes with every save of a policy, and
// what an agent adds for itself, is no change.
func TestEqualConfigurationsAreEqual(t *testing.T) {
	first := map[string]any{
		"hosts": []any{"a", "b"}, "ssl": map[string]any{"key": "k"}, "revision": 1.0, "policy": map[string]any{"revision": 1.0},
	}
	same := map[string]any{
		"policy.revision": 7.0, "revision": 2.0, "__mark_redact_api_key": true, "hosts": []any{"a", "b"},
		"ssl": map[string]any{"__mark_redact_key": true, "key": "k"},
	}
	other := map[string]any{"hosts": []any{"b", "a"}, "ssl": map[string]any{"key": "k"}}
	if string(canonical(first)) != string(canonical(same)) {
		t.Errorf("%s and %s are the same", canonical(first), canonical(same))
	}
	if string(canonical(first)) == string(canonical(other)) {
		t.Error("the order of hosts has a meaning")
	}
	nested := map[string]any{"list": []any{map[string]any{"a": 1.0, "__mark_redact_a": true}}}
	if string(canonical(nested)) != `{"list":[{"a":1}]}` {
		t.Errorf("got %s", canonical(nested))
	}
}
