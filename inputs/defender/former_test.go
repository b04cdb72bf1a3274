package defender

import (
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// TestFormerSettings: what a policy of Elastic's package for alerts names, under
// names that only that package has.
func TestFormerSettings(t *testing.T) {
	const own = "https://api.security.microsoft.com"
	const host, scope = "https://api.securitycenter.windows.com", "https://api.securitycenter.microsoft.com/.default"
	for name, c := range map[string]struct {
		input, stream map[string]any
		url, scope    string
	}{
		"request_url":             {stream: map[string]any{"request_url": host + "/api/alerts"}, url: host, scope: scope},
		"request_url with slash":  {stream: map[string]any{"request_url": host + "/api/alerts/"}, url: host, scope: scope},
		"request_url of a proxy":  {stream: map[string]any{"request_url": "https://gw.example/mde/api/alerts"}, url: "https://gw.example/mde", scope: scope},
		"a stream's over input's": {input: map[string]any{"url": "https://other.example"}, stream: map[string]any{"request_url": host + "/api/alerts"}, url: host, scope: scope},
		"the new name wins":       {stream: map[string]any{"request_url": host, "url": "https://new.example"}, url: "https://new.example", scope: scope},
		"scopes":                  {input: map[string]any{"scopes": []any{"https://a.example/.default"}}, url: own, scope: "https://a.example/.default"},
		"left empty":              {stream: map[string]any{"request_url": "", "scopes": []any{}}, url: own, scope: scope},
		"not set":                 {stream: map[string]any{"request_url": nil, "scopes": nil}, url: own, scope: scope},
	} {
		got := decoded(t, c.input, c.stream)
		if got.URL != c.url || len(got.TokenScopes) != 1 || got.TokenScopes[0] != c.scope {
			t.Errorf("%s: url %s, scopes %q", name, got.URL, got.TokenScopes)
		}
	}
}

// TestFormerSettingsThatAreGone are named while all is well, with what to set.
func TestFormerSettingsThatAreGone(t *testing.T) {
	for name, c := range map[string]struct {
		input, stream map[string]any
		says          []string
	}{
		"none":           {},
		"empty":          {stream: map[string]any{"azure_resource": "", "token_url": nil}},
		"token_url":      {stream: map[string]any{"token_url": "oauth2/token"}, says: []string{"token_url", "login_url"}},
		"on the input":   {input: map[string]any{"azure_resource": "https://api.securitycenter.windows.com/"}, says: []string{"azure_resource", "token_scopes"}},
		"beside a trace": {stream: map[string]any{"token_url": "x", "enable_request_tracer": true}, says: []string{"token_url", "request tracer"}},
	} {
		source := required()
		for k, v := range c.input {
			source[k] = v
		}
		stream := map[string]any{"id": "s"}
		for k, v := range c.stream {
			stream[k] = v
		}
		source["streams"] = []any{stream}
		streams, err := New("test").Streams(inputs.Unit{ID: "u", Source: source})
		if err != nil || streams[0].Fault != nil {
			t.Fatalf("%s: %v, %v", name, err, streams[0].Fault)
		}
		notice := streams[0].Notice
		if (notice == "") != (len(c.says) == 0) {
			t.Errorf("%s: notice %q", name, notice)
		}
		for _, has := range c.says {
			if !strings.Contains(notice, has) {
				t.Errorf("%s: notice %q does not say %s", name, notice, has)
			}
		}
	}
}

// TestFormerSettingsAreNoStrays: what is read, or named with what to do, is not called
// unknown.
func TestFormerSettingsAreNoStrays(t *testing.T) {
	source := map[string]any{}
	for _, f := range formerNames {
		source[f.former] = "x"
	}
	for _, g := range goneSettings {
		source[g.name] = "x"
	}
	if strays := policy.Strays(source, New("test").Settings()...); len(strays) > 0 || len(source) < 6 {
		t.Errorf("of %d names these are unknown: %v", len(source), strays)
	}
}
