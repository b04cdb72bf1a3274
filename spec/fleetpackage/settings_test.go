package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-libs/transport/httpcommon"
	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// notInFleet are settings of the component without a variable in the package,
// each with the reason.
var notInFleet = map[string]string{
	"data_stream":             "Fleet sets it",
	"enabled":                 "Fleet sets it",
	"index":                   "the key that Fleet gives an agent may write to the package's data streams only",
	"pipeline":                "in Fleet a custom pipeline is named <data stream>@custom",
	"fields":                  "in Fleet the processor add_fields does the same",
	"fields_under_root":       "as fields",
	"auth":                    "the API takes tokens only",
	"timeout":                 "http_client_timeout is the one that is used",
	"idle_connection_timeout": "nothing to gain: one host, polled by the minute",
}

// pending are variables whose setting the component is about to get. PENDING:
// an entry goes when the setting is there.
var pending = map[string]bool{}

// entered are other values than the defaults, as a user enters them, and the
// same as a policy without templates has them.
var entered = map[string]struct{ value, policy any }{
	"client_id":                        {"other-application", "other-application"},
	"client_secret":                    {"it's #1: {{x}} & <y>", "it's #1: {{x}} & <y>"},
	"tenant_id":                        {"fabrikam.example", "fabrikam.example"},
	"login_url":                        {"https://login.microsoftonline.us", "https://login.microsoftonline.us"},
	"url":                              {"https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"},
	"token_scopes":                     {[]any{"https://a.example/.default", "b"}, []any{"https://a.example/.default", "b"}},
	"oauth_endpoint_params":            {"grant_type: refresh_token\nrefresh_token: [one, two]\n", map[string]any{"grant_type": "refresh_token", "refresh_token": []any{"one", "two"}}},
	"proxy_url":                        {"http://user:p%40ss@proxy.example:3128", "http://user:p%40ss@proxy.example:3128"},
	"proxy_headers":                    {"X-Site: north\n", map[string]any{"X-Site": "north"}},
	"proxy_disable":                    {true, true},
	"ssl":                              {"verification_mode: certificate\nsupported_protocols: [TLSv1.3]\n", map[string]any{"verification_mode": "certificate", "supported_protocols": []any{"TLSv1.3"}}},
	"http_client_timeout":              {"45s", "45s"},
	"calls_per_minute":                 {50, 50},
	"calls_per_hour":                   {700, 700},
	"interval":                         {"7m", "7m"},
	"initial_interval":                 {"48h", "48h"},
	"full_interval":                    {"12h", "12h"},
	"overlap":                          {"0s", "0s"},
	"batch_size":                       {250, 250},
	"page_size":                        {500, 500},
	"files_above_devices":              {0, 0},
	"file_hosts":                       {[]any{"files.example"}, []any{"files.example"}},
	"software_without_cve":             {true, true},
	"timestamp_source":                 {"update", "update"},
	"evidence":                         {"whole", "whole"},
	"tags":                             {[]any{"a b", "17"}, []any{"a b", "17"}},
	"preserve_original_event":          {true, true},
	"preserve_duplicate_custom_fields": {true, true},
	"enable_request_tracer":            {true, true},
	"processors": {"- add_fields:\n    target: project\n    fields: {name: north}\n", []any{map[string]any{
		"add_fields": map[string]any{"target": "project", "fields": map[string]any{"name": "north"}},
	}}},
}

// settings are the names that the component reads, from its decoder's tags.
func settings() map[string]bool {
	names := map[string]bool{}
	for _, of := range []reflect.Type{
		reflect.TypeFor[defender.Config](), reflect.TypeFor[httpcommon.HTTPTransportSettings](),
		reflect.TypeFor[httpcommon.HTTPClientProxySettings](),
	} {
		for i := range of.NumField() {
			name, option, _ := strings.Cut(of.Field(i).Tag.Get("config"), ",")
			if option == "inline" || of.Field(i).Type == reflect.TypeFor[httpcommon.HTTPTransportSettings]() {
				continue
			}
			if name == "" { // read from the policy as it is, by the field's name
				name = strings.ToLower(of.Field(i).Name)
			}
			names[name] = true
		}
	}
	return names
}

// TestVariablesAreSettings: every variable is read by the component, and every
// setting is a variable or has a reason why not.
func TestVariablesAreSettings(t *testing.T) {
	p, known := load(t), settings()
	offered := map[string]bool{}
	for _, s := range p.streams {
		for _, v := range append(slices.Clone(p.vars()), s.vars()...) {
			offered[v.Name] = true
			if !known[v.Name] && !pending[v.Name] {
				t.Errorf("data stream %s: variable %s is not read by the component", s.name, v.Name)
			}
		}
	}
	for name := range known {
		if !offered[name] && notInFleet[name] == "" {
			t.Errorf("setting %s is in no manifest and has no reason", name)
		}
	}
	for name := range notInFleet {
		if !known[name] || offered[name] {
			t.Errorf("the reason for %s is not needed", name)
		}
	}
}

// TestManifestDefaultsAreTheComponents: what a user leaves as it is gives the
// same as what a policy leaves out.
func TestManifestDefaultsAreTheComponents(t *testing.T) {
	p := load(t)
	for _, s := range p.streams {
		bare := required()
		bare["data_stream"] = map[string]any{"type": "logs", "dataset": defender.Type + "." + s.name}
		got, want := decoded(t, fleet(t, p, &s, required())), decoded(t, bare)
		if diff := difference(want, got); diff != "" {
			t.Errorf("data stream %s: defaults differ (-code +manifest):\n%s", s.name, diff)
		}
	}
}

// TestTemplates: each variable alone, and all together, arrive as a policy
// without templates would bring them.
func TestTemplates(t *testing.T) {
	p := load(t)
	for _, s := range p.streams {
		var all []string
		for _, v := range append(slices.Clone(p.vars()), s.vars()...) {
			if _, ok := entered[v.Name]; !ok {
				t.Fatalf("no value to try variable %s with", v.Name)
			}
			if pending[v.Name] && !settings()[v.Name] {
				continue
			}
			all = append(all, v.Name)
			t.Run(s.name+"/"+v.Name, func(t *testing.T) { tryVariables(t, p, &s, v.Name) })
		}
		t.Run(s.name+"/all", func(t *testing.T) { tryVariables(t, p, &s, all...) })
	}
}

func tryVariables(t *testing.T, p *manifests, s *dataStream, names ...string) {
	values, policy := required(), required()
	policy["data_stream"] = map[string]any{"type": "logs", "dataset": defender.Type + "." + s.name}
	untouched := decoded(t, maps.Clone(policy))
	for _, name := range names {
		values[name], policy[name] = entered[name].value, entered[name].policy
	}
	got, want := decoded(t, fleet(t, p, s, values)), decoded(t, policy)
	if diff := difference(want, got); diff != "" {
		t.Errorf("-policy +template:\n%s", diff)
	}
	if difference(untouched, got) == "" {
		t.Errorf("%v changed nothing", names)
	}
}

// TestVariablesLeftEmpty: what a user clears falls back to the default.
func TestVariablesLeftEmpty(t *testing.T) {
	p := load(t)
	for _, s := range p.streams {
		values := required()
		for _, v := range append(slices.Clone(p.vars()), s.vars()...) {
			if !v.Required {
				values[v.Name] = nil
			}
		}
		if diff := difference(decoded(t, fleet(t, p, &s, required())), decoded(t, fleet(t, p, &s, values))); diff != "" {
			t.Errorf("data stream %s: -default +empty:\n%s", s.name, diff)
		}
	}
}

// difference compares two configurations, secrets included.
func difference(want, got defender.Config) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true }))
	if diff == "" {
		diff = "they differ in what cannot be shown"
	}
	return diff
}

// TestSecretVariables: credentials are secrets in Fleet, and nothing else is.
func TestSecretVariables(t *testing.T) {
	var secrets []string
	for _, v := range load(t).vars() {
		if v.Secret {
			secrets = append(secrets, v.Name)
		}
	}
	if want := []string{"client_id", "client_secret"}; !slices.Equal(secrets, want) {
		t.Errorf("secrets are %v, want %v", secrets, want)
	}
}

// TestSettingsPageNamesThemAll: every setting that a policy may hold is on the
// page of settings.
func TestSettingsPageNamesThemAll(t *testing.T) {
	text := page(t, packageDir+"/docs/settings.md")
	for name := range settings() {
		switch name {
		case "auth", "timeout", "idle_connection_timeout", "data_stream": // notInFleet has the reasons
			continue
		}
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}
