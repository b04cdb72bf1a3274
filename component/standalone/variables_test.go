package standalone

import (
	"strings"
	"testing"
)

// agentCases are what elastic/elastic-agent's own tests hold of variables
// (internal/pkg/agent/transpiler/vars_test.go), with the environment as provider.
var agentCases = []struct {
	text, want string
	fault      string // part of the fault; empty where there is none
}{
	{text: "plain", want: "plain"},
	{text: "${env.KEY1}", want: "data1"},
	{text: "${KEY1}", want: "data1"},
	{text: "${env.with-dash}", want: "dash-value"},
	{text: "${env.MISSING|env.KEY2}", want: "data2"},
	{text: "${env.MISSING|env.MISSING2|DATA}", want: "info"},
	{text: `${env.MISSING\|'fallback'}`, fault: `must not have \ before |`},
	{text: "${env.MISSING|'fallback'}", want: "fallback"},
	{text: `${env.MISSING|||||||||"fallback"}`, want: "fallback"},
	{text: `${"with:colon"}`, want: "with:colon"},
	{text: `${"direct"}`, want: "direct"},
	{text: `${env.MISSING|'with:colon'}`, want: "with:colon"},
	{text: `${env.}`, fault: "must not end in a dot"},
	{text: `${env.MISSING|"oth}`, fault: `a " that is not closed`},
	{text: `${env.MISSING`, fault: "a ${ is no variable"},
	{text: `${env.MISSING  ${env.KEY1}`, fault: "a ${ is no variable"},
	{text: `${}`, fault: "names no variable"},
	{text: "around ${env.KEY1} the var", want: "around data1 the var"},
	{text: "multi ${env.KEY1} var ${ env.MISSING |     env.KEY2      } around", want: "multi data1 var data2 around"},
	{text: `multi ${env.KEY1} var ${  env.MISSING|  'other"s with space'  } around`, want: `multi data1 var other"s with space around`},
	{text: `start ${  env.MISSING|  'others | with space'  } end`, want: `start others | with space end`},
	{text: `start ${  env.MISSING|  'other\'s with space'  } end`, want: `start other's with space end`},
	{text: `${env.with/slash}`, want: "some/path"},
	{text: `start $${keep} ${env.KEY1} $${env.KEY1}`, want: "start ${keep} data1 ${env.KEY1}"},
	{text: "${env.SPECIAL1}", want: "$1$$2"},
	{text: "${env.SPECIAL3}", want: "${abcd}"},
	{text: "${env.SPECIAL6}", want: "$${"},
	{text: "${env.MISSING:}", want: ""},
	{text: `${env.MISSING\:constant_string}`, fault: `must not have \ before :`},
	{text: "${env.MISSING:constant_string}", want: "constant_string"},
	{text: "${env.MISSING|env.MISSING2:constant_string}", want: "constant_string"},
	{text: "${env.with-dash:not_used}", want: "dash-value"},
	// What is no variable stays: passwords hold dollar signs.
	{text: "pa$s$$w0rd$", want: "pa$s$$w0rd$"},
	{text: "$1{x}", want: "$1{x}"},
	{text: "${EMPTY}", want: ""},
	{text: "${env.KEY1}${", want: "data1${"},
	// What there is not.
	{text: "${env.MISSING}", fault: "the variable MISSING is not set; set it in the environment, or give another value as in ${env.NAME|'value'}"},
	{text: "${env.MISSING|env.MISSING2}", fault: "the variable MISSING, nor MISSING2 is not set"},
	{text: "${host.name}", fault: "host.name (only env is known here)"},
}

func TestVariablesAreReadAsTheAgentDoes(t *testing.T) {
	environment := map[string]string{
		"KEY1": "data1", "KEY2": "data2", "with-dash": "dash-value", "with/slash": "some/path", "DATA": "info",
		"SPECIAL1": "$1$$2", "SPECIAL3": "${abcd}", "SPECIAL6": "$${", "EMPTY": "",
	}
	v := variables{lookup: func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	}}
	for _, c := range agentCases {
		got, err := v.expand(c.text)
		switch {
		case c.fault == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %q, %v, want %q", c.text, got, err, c.want)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: got %q, %v, want the fault %q", c.text, got, err, c.fault)
		}
	}
}

// TestEveryMissingVariableIsNamed, each with its setting.
func TestEveryMissingVariableIsNamed(t *testing.T) {
	v := variables{lookup: func(string) (string, bool) { return "", false }}
	v.in("inputs[0]", map[string]any{"b": "${env.B}", "a": []any{"${env.A}", 1.0, nil}})
	if len(v.faults) != 2 || !strings.HasPrefix(v.faults[0].Error(), "inputs[0].a[0]: the variable A is not set") ||
		!strings.HasPrefix(v.faults[1].Error(), "inputs[0].b: the variable B is not set") {
		t.Errorf("got %v", v.faults)
	}
}

func FuzzExpand(f *testing.F) {
	for _, c := range agentCases {
		f.Add(c.text)
	}
	v := variables{lookup: func(string) (string, bool) { return "${env.A}", true }}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := v.expand(text)
		if err == nil && !strings.Contains(text, "${") && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
