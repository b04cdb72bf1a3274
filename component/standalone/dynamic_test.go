package standalone_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestOneInputForManyTenants: each item of the agent's provider is a unit of its own,
// with the id that the agent gives it.
func TestOneInputForManyTenants(t *testing.T) {
	const policy = `
outputs: {default: {type: elasticsearch, api_key: "${env.ID}:${env.KEY}"}}
providers:
  local_dynamic:
    items:
      - vars: {tenant: contoso.example, namespace: contoso, calls: 50}
      - vars: {tenant: fabrikam.example, namespace: fabrikam, calls: 60}
inputs:
  - {id: msp, type: microsoft_defender_endpoint, data_stream.namespace: "${local_dynamic.namespace}", tenant_id: "${local_dynamic.tenant}", client_secret: "${env.SECRET}", calls_per_hour: "${local_dynamic.calls}"}
  - {id: own, type: microsoft_defender_endpoint, tenant_id: own.example}
`
	p, err := read(t, policy, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range p.Units {
		got = append(got, fmt.Sprint(u.InputID, " ", u.Namespace, " ", u.Source["tenant_id"], " ", u.Source["calls_per_hour"], " ", u.Source["api_key"]))
	}
	want := []string{
		"msp-local_dynamic-0 contoso contoso.example 50 <nil>", "msp-local_dynamic-1 fabrikam fabrikam.example 60 <nil>",
		"own  own.example <nil> <nil>", "  <nil> <nil> id:key",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	_, err = read(t, strings.Replace(policy, "tenant: fabrikam.example, ", "", 1), 0o600)
	if err == nil || !strings.Contains(err.Error(), "inputs[0].tenant_id") {
		t.Errorf("got %v", err)
	}
}
