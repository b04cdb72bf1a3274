package standalone_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/standalone"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

const good = `
outputs:
  default: {type: elasticsearch, hosts: ["http://es:9200"], api_key: "${env.ID}:${env.KEY}"}
  other: {type: elasticsearch, api_key: "${env.NOT_LOOKED_AT}"}
inputs:
  - {id: logs, type: filestream, path: "${env.NOT_LOOKED_AT}"}
  - id: defender-1
    type: microsoft_defender_endpoint
    data_stream.namespace: prod
    client_secret: "${env.SECRET}"
    password_of_nobody: 'pa$$s${'
    streams:
      - id: s
        data_stream: {type: logs, dataset: "microsoft_defender_endpoint.${env.WHICH|'log'}"}
`

func read(t *testing.T, text string, mode os.FileMode) (standalone.Policy, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yml")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return readFile(file)
}

func readFile(file string) (standalone.Policy, error) {
	environment := map[string]string{"ID": "id", "KEY": "key", "SECRET": "planted$secret"}
	return standalone.Read(file, defender.New(""), func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
}

func TestRead(t *testing.T) {
	text := strings.Replace(good, "    password_of_nobody: 'pa$$s${'\n", "    note: 'pa$$s$'\n", 1)
	p, err := read(t, text, 0o644)
	if err != nil || len(p.Units) != 2 || len(p.Warnings) != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	in, out := p.Units[0], p.Units[1]
	stream := in.Source["streams"].([]any)[0].(map[string]any)
	if in.ID != "microsoft_defender_endpoint-default-defender-1" || in.Namespace != "prod" || in.Source["client_secret"] != "planted$secret" || in.Source["note"] != "pa$$s$" ||
		!reflect.DeepEqual(stream["data_stream"], map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint.log"}) {
		t.Errorf("input %+v", in)
	}
	if !out.Output || out.ID != "microsoft_defender_endpoint-default" || out.Type != "elasticsearch" || out.Source["api_key"] != "id:key" {
		t.Errorf("output %+v", out)
	}
}

// TestDottedNames: the agent nests them, regardless of what they lead to.
func TestDottedNames(t *testing.T) {
	p, err := read(t, "outputs.default.type: elasticsearch\noutputs.default.hosts: ['a:9200', 'b']\ninputs:\n- type: microsoft_defender_endpoint\n  data_stream.namespace: x\n", 0o600)
	if err != nil || p.Units[0].Namespace != "x" || !reflect.DeepEqual(p.Units[1].Source["hosts"], []any{"a:9200", "b"}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWarnings(t *testing.T) {
	plain := strings.NewReplacer("${env.SECRET}", "planted", "    password_of_nobody: 'pa$$s${'\n", "", "      - id: s", "      - id: s\n        condition: ${host.name} == 'x'").Replace(good)
	p, err := read(t, strings.Replace(plain, "${host.name}", "$${host.name}", 1), 0o644)
	if err != nil || len(p.Warnings) != 2 {
		t.Fatalf("%q, %v", p.Warnings, err)
	}
	if !strings.HasPrefix(p.Warnings[0], "inputs[1].streams[0].condition: only the agent knows conditions") ||
		!strings.HasPrefix(p.Warnings[1], "every user of this host can read inputs[1].client_secret in ") || !strings.Contains(p.Warnings[1], "chmod 600") {
		t.Errorf("%q", p.Warnings)
	}
	if p, err = read(t, plain[:strings.Index(plain, "        condition")], 0o600); err != nil || len(p.Warnings) != 0 {
		t.Errorf("%q, %v", p.Warnings, err)
	}
}

// TestFaults: each has its cause and what to do, in one line, without a value.
func TestFaults(t *testing.T) {
	const outputs = "outputs: {default: {type: elasticsearch}, a: {type: elasticsearch}, b: {type: elasticsearch}}\n"
	type faults map[string]struct{ text, says string }
	for name, c := range (faults{
		"not closed":         {good, "inputs[1].password_of_nobody: a ${ is no variable: write ${env.NAME}"},
		"broken YAML":        {"outputs: [\n", "is not YAML: line 1: "},
		"a secret in YAML":   {"client_secret: *planted\n", "is not YAML: unknown anchor ... referenced; correct the line"},
		"no mapping":         {"planted", "has no outputs and inputs; it must have the shape of a standalone elastic-agent.yml"},
		"empty":              {"", "has no outputs and inputs"},
		"no inputs":          {"outputs: {}\n", "inputs: there are none at the top of the file; add one of type microsoft_defender_endpoint"},
		"inputs not a list":  {"inputs: {a: 1}\n", "inputs: want a list"},
		"other inputs":       {"inputs: [{type: filestream}, {type: cel}, {type: cel}]\n", "inputs: none is of type microsoft_defender_endpoint, only filestream, cel; add one, or correct the type"},
		"disabled":           {"inputs: [{type: microsoft_defender_endpoint, enabled: false}]\n", "inputs[0]: enabled is false"},
		"Elastic's package":  {"inputs: [{type: cel, streams: [{data_stream: {dataset: microsoft_defender_endpoint.machine}}]}]\n", "inputs[0]: cel of Elastic's package microsoft_defender_endpoint"},
		"Elastic's metadata": {"inputs: [{type: httpjson, meta: {package: {name: microsoft_defender_endpoint}}}]\n", "inputs[0]: httpjson of Elastic's package"},
		"no output":          {outputs + "inputs: [{type: microsoft_defender_endpoint, use_output: planned}]\n", `outputs: there is no output named "planned"; add it, or name another one in use_output`},
		"two outputs":        {outputs + "inputs: [{id: a, type: microsoft_defender_endpoint, use_output: a}, {id: b, type: microsoft_defender_endpoint, use_output: b}]\n", "inputs[1].use_output: all inputs of type microsoft_defender_endpoint must use one output here; write a policy file for each"},
		"one id":             {outputs + "inputs: [{id: a, type: microsoft_defender_endpoint}, {type: cel}, {id: a, type: microsoft_defender_endpoint}]\n", "inputs[0] and inputs[2]: id: each needs one of its own"},
		"outputs are a list": {"inputs: [{type: microsoft_defender_endpoint}]\noutputs: [{type: elasticsearch}]\n", "outputs: want names, such as default, with the settings"},
		"outputs misspelt":   {"inputs: [{type: microsoft_defender_endpoint}]\noutput: {default: {type: elasticsearch}}\n", "outputs: there are none at the top of the file; add one named default"},
		"disabled output":    {"inputs: [{type: microsoft_defender_endpoint}]\noutputs: {default: {type: elasticsearch, enabled: false}}\n", "outputs.default: enabled is false; set it to true"},
		"no text":            {"\x00\x01\x02", "is no text file; name the policy with -c, and write it in UTF-8"},
		"Latin-1":            {"a: \xe4\xf6", "is no text file"},
		"output is a list":   {outputs + "inputs: [{type: microsoft_defender_endpoint, use_output: [planted]}]\n", "inputs[0].use_output: want a text"},
		"id is a list":       {outputs + "inputs: [{type: microsoft_defender_endpoint, id: [planted]}]\n", "inputs[0].id: want a text"},
		"data_stream, text":  {outputs + "inputs: [{type: microsoft_defender_endpoint, data_stream: planted}]\n", "inputs[0].data_stream: want names with values, such as namespace, below it"},
		"no ids":             {outputs + "inputs: [{type: microsoft_defender_endpoint}, {type: microsoft_defender_endpoint}]\n", "inputs[0] and inputs[1]: id:"},
		"a key twice":        {"planted: 1\nplanted: 2\n", "is not YAML: line 2: mapping key ... already defined at line 1"},
		"output is a text":   {"inputs: [{type: microsoft_defender_endpoint}]\noutputs: {default: planted}\n", "outputs.default: want settings, such as type and hosts"},
		"no type of output":  {"inputs: [{type: microsoft_defender_endpoint}]\noutputs: {default: {hosts: [a]}}\n", "outputs.default.type: required: elasticsearch or shipper"},
	}) {
		_, err := read(t, c.text, 0o600)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}

// TestAllFaultsAtOnce: whoever corrects one is not sent back for the next.
func TestAllFaultsAtOnce(t *testing.T) {
	_, err := read(t, `inputs:
- {id: a, type: microsoft_defender_endpoint, use_output: x, client_secret: "${env.NO}"}
- {id: a, type: microsoft_defender_endpoint, use_output: y, data_stream: z}
`, 0o600)
	for _, says := range []string{"id: each needs", "use_output: all inputs", "inputs[1].data_stream: want", "the variable NO is not set", "outputs: there are none"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("no %q in:\n%v", says, err)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for file, says := range map[string]string{
		filepath.Join(dir, "none.yml"): "there is no such file; name one with -c, or let defender-endpoint init write one",
		dir:                            "is a directory; name the file in it, such as elastic-agent.yml",
	} {
		if _, err := readFile(file); err == nil || err.Error() != "policy "+file+": "+says {
			t.Errorf("got %v", err)
		}
	}
	large := filepath.Join(dir, "large.yml")
	if err := os.WriteFile(large, make([]byte, 17<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readFile(large); err == nil || !strings.Contains(err.Error(), "is larger than 16 MiB") {
		t.Errorf("got %v", err)
	}
}
