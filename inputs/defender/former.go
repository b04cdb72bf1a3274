package defender

import (
	"fmt"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// Settings that only the alerts of Elastic's package have, up to its version 4,
// whose other names are those of Config.

// formerNames are settings that have another name here, with what to make of
// their values.
var formerNames = []struct {
	former, name string
	value        func(any) any
}{
	{"request_url", "url", apiHost},
	{"scopes", "token_scopes", func(v any) any { return v }},
}

// goneSettings are not used any more, each with what does its work.
var goneSettings = []struct{ name, instead string }{
	{"azure_resource", "token_scopes has the scopes of the token"},
	{"token_url", "login_url names the token service"},
	{"sas_valid_hours", "links of files that expired are asked for again"},
	{"max_retries", "files that fail are tried again by themselves"},
}

// apiHost is the base of the API for the URL of its alerts.
func apiHost(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	return strings.TrimSuffix(strings.TrimRight(text, "/"), "/api/alerts")
}

// takeFormer puts settings with former names under their names, where those are
// not set beside them.
func takeFormer(source map[string]any) {
	for _, f := range formerNames {
		if v := source[f.former]; isSet(v) && !isSet(source[f.name]) {
			source[f.name] = f.value(v)
		}
	}
}

// takeConnector takes what Kibana fills in for a federated identity ("cloud
// connector"), under the names that Elastic's packages have.
func takeConnector(source map[string]any) {
	if source["supports_cloud_connectors"] != true {
		return
	}
	source["credentials"] = string(api.Federated)
	for _, name := range []string{"tenant_id", "client_id"} {
		if v := nested(source, "azure", "credentials", name); isSet(v) {
			source[name] = v
		}
	}
}

// nested is a value whose keys are dotted or nested, at any point.
func nested(source map[string]any, keys ...string) any {
	for i := len(keys); i > 0; i-- {
		v, ok := source[strings.Join(keys[:i], ".")]
		if inner, is := v.(map[string]any); is && i < len(keys) {
			return nested(inner, keys[i:]...)
		}
		if ok && i == len(keys) {
			return v
		}
	}
	return nil
}

// isSet distinguishes a value from what a form leaves for an empty field.
func isSet(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return true
}

// goneNotice names the settings of a stream and its input that do nothing.
func goneNotice(input, stream map[string]any) string {
	var notices []string
	for _, g := range goneSettings {
		if isSet(input[g.name]) || isSet(stream[g.name]) {
			notices = append(notices, fmt.Sprintf("%s is no longer used: %s", g.name, g.instead))
		}
	}
	return strings.Join(notices, "; ")
}

// formerKeys declares the names of both tables and those of takeConnector.
type formerKeys struct {
	_ any `config:"request_url"`
	_ any `config:"scopes"`
	_ any `config:"azure_resource"`
	_ any `config:"token_url"`
	_ any `config:"sas_valid_hours"`
	_ any `config:"max_retries"`
	_ any `config:"supports_cloud_connectors"`
	_ any `config:"azure.credentials.tenant_id"`
	_ any `config:"azure.credentials.client_id"`
	_ any `config:"azure_credentials_cloud_connector_id"`
}

// Settings implements inputs.Input.
func (in *Input) Settings() []any { return []any{&Config{}, &policy.Transport{}, &formerKeys{}} }
