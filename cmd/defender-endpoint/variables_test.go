package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component"
)

// read reads a policy with one output and these inputs.
func read(t *testing.T, text string) ([]component.Unit, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yml")
	if err := os.WriteFile(path, []byte("outputs: {default: {type: elasticsearch, api_key: \"${env.PLANTED_KEY|'none'}\"}}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readPolicy(path)
}

// TestVariables are written as for the agent, and nothing else is one.
func TestVariables(t *testing.T) {
	t.Setenv("PLANTED", "pa$$wo${env.HOME}rd")
	for text, want := range map[string]string{
		"${env.PLANTED}": "pa$$wo${env.HOME}rd", "${PLANTED}": "${PLANTED}", "a-${env.PLANTED}-b": "a-pa$$wo${env.HOME}rd-b",
		"${env.NONE|env.PLANTED}": "pa$$wo${env.HOME}rd", "${env.NONE|'a b'}": "a b", "${env.NONE:a b}": "a b", "${ env.NONE | \"x|y\" }": "x|y",
		"$${env.PLANTED}": "${env.PLANTED}", "pa$word": "pa$word", "pa$$word": "pa$$word", "12$": "12$",
	} {
		units, err := read(t, fmt.Sprintf("inputs: [{type: microsoft_defender_endpoint, client_secret: %q}]", text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := units[0].Source["client_secret"]; got != want {
			t.Errorf("%s became %q", text, got)
		}
	}
	_, err := read(t, "inputs: [{type: microsoft_defender_endpoint, streams: [{client_secret: \"${env.NONE}\"}]}]")
	if err == nil || !strings.Contains(err.Error(), "inputs[0].streams[0].client_secret: the variable ${env.NONE} has no value here") {
		t.Errorf("got %v", err)
	}
}

// TestManyTenantsFromOneInput: each item of the agent's provider is a unit of its own,
// with the id that the agent gives it.
func TestManyTenantsFromOneInput(t *testing.T) {
	t.Setenv("PLANTED_KEY", "id:key")
	units, err := read(t, `
providers:
  local_dynamic:
    items:
      - vars: {tenant: contoso.example, namespace: contoso}
      - vars: {tenant: fabrikam.example, namespace: fabrikam}
inputs:
  - {id: msp, type: microsoft_defender_endpoint, data_stream.namespace: "${local_dynamic.namespace}", tenant_id: "${local_dynamic.tenant}", client_id: one}
  - {id: own, type: microsoft_defender_endpoint, tenant_id: own.example}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range units {
		got = append(got, fmt.Sprint(u.InputID, " ", u.Namespace, " ", u.Source["tenant_id"], u.Source["api_key"]))
	}
	want := []string{
		"msp-local_dynamic-0 contoso contoso.example<nil>", "msp-local_dynamic-1 fabrikam fabrikam.example<nil>",
		"own  own.example<nil>", "  <nil>id:key",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
