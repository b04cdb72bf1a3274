package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// examplePolicy is what is read of an example.
type examplePolicy struct {
	Outputs   map[string]map[string]any `yaml:"outputs"`
	Inputs    []map[string]any          `yaml:"inputs"`
	Providers struct {
		Dynamic struct {
			Items []struct {
				Vars map[string]string `yaml:"vars"`
			} `yaml:"items"`
		} `yaml:"local_dynamic"`
	} `yaml:"providers"`
}

// each are the texts that a text with variables of a list represents.
func (p *examplePolicy) each(text string) []string {
	if !strings.Contains(text, "${local_dynamic.") {
		return []string{text}
	}
	var all []string
	for _, item := range p.Providers.Dynamic.Items {
		all = append(all, os.Expand(text, func(name string) string { return item.Vars[strings.TrimPrefix(name, "local_dynamic.")] }))
	}
	return all
}

// TestExamplesRun runs every example as it is, but for the addresses, with
// the real program and the arguments of the systemd unit, until it has caught up.
func TestExamplesRun(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "defender-endpoint.exe")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", binary, "./cmd/defender-endpoint").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	examples, err := filepath.Glob("../examples/*.yml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples (%v)", err)
	}
	for _, path := range examples {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var p examplePolicy
			if err := readYAML(path, &p); err != nil {
				t.Fatal(err)
			}
			stored := p.toSimulation(t)
			policy, err := toYAML(map[string]any{"outputs": p.Outputs, "inputs": p.Inputs, "providers": p.Providers})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "policy.yml")
			if err := os.WriteFile(file, policy, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			arguments := append(unitArguments(t, binary, file, dir), "--once")
			out, err := exec.CommandContext(ctx, binary, arguments...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, index := range p.indices() {
				if stored(index) == 0 {
					t.Errorf("nothing in %s\n%s", index, out)
				}
			}
		})
	}
}

// toShipper puts a shipper in the place of an output's address.
func toShipper(t *testing.T, out map[string]any) (stored func(index string) int) {
	t.Helper()
	// A socket's path is short: the test's own folder may be too long.
	dir, err := os.MkdirTemp("", "shipper")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	shipper, err := shippertest.New(shippertest.Options{Socket: filepath.Join(dir, "s")})
	if err != nil {
		t.Fatal(err)
	}
	if err := shipper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shipper.Close() })
	out["server"] = "unix://" + filepath.Join(dir, "s")
	return func(index string) int { return len(shipper.Documents(index)) }
}

// toSimulation puts a simulated tenant for each input, and an Elasticsearch or
// a shipper, in the place of the addresses. The result counts what arrived.
func (p *examplePolicy) toSimulation(t *testing.T) (stored func(index string) int) {
	t.Setenv("DEFENDER_CLIENT_SECRET", "value-of-the-client-secret")
	for _, in := range p.Inputs {
		text := func(name string) string { s, _ := in[name].(string); return s }
		secret := strings.ReplaceAll(text("client_secret"), "${env.DEFENDER_CLIENT_SECRET}", "value-of-the-client-secret")
		tenants := http.NewServeMux() // of all that the input is made for
		for _, id := range p.each(text("tenant_id")) {
			tenant := defendertest.New(defendertest.Options{
				Seed: 1, Alerts: 20, Machines: 10, Actions: 10, TenantID: id, ClientID: text("client_id"), ClientSecret: secret,
			})
			tenants.Handle("/"+id+"/", tenant)
			tenants.Handle("/api-of/"+id+"/", http.StripPrefix("/api-of/"+id, tenant))
		}
		server := httptest.NewServer(tenants)
		t.Cleanup(server.Close)
		in["url"], in["login_url"] = server.URL+"/api-of/"+text("tenant_id"), server.URL
	}
	for _, out := range p.Outputs {
		if out["type"] == "shipper" {
			return toShipper(t, out)
		}
		if out["type"] == "kafka" {
			return toKafka(t, out)
		}
		if out["type"] == "logstash" {
			return toLogstash(t, out)
		}
		key, _ := out["api_key"].(string)
		es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: key})
		server := httptest.NewServer(es)
		t.Cleanup(server.Close)
		out["hosts"] = []string{server.URL}
		return es.Count
	}
	t.Fatal("no output")
	return nil
}

// toKafka leads an output to a simulated Kafka.
func toKafka(t *testing.T, out map[string]any) (stored func(index string) int) {
	t.Helper()
	cluster, err := kafkatest.New(kafkatest.Options{AutoCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	reader, err := cluster.ReaderOf(nil, "logs-microsoft_defender_endpoint.log", "logs-microsoft_defender_endpoint.machine", "logs-microsoft_defender_endpoint.machine_action")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	out["hosts"] = []string{cluster.Address()}
	for _, name := range []string{"ssl.certificate_authorities", "username", "password", "sasl.mechanism"} {
		delete(out, name)
	}
	return func(index string) (n int) {
		topic := strings.TrimSuffix(index, "-default")
		if err := reader.CatchUp(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		for _, d := range reader.Documents() {
			if d.Topic == topic && d.Index == index {
				n++
			}
		}
		return n
	}
}

// toLogstash leads an output to a simulated Logstash.
func toLogstash(t *testing.T, out map[string]any) (stored func(index string) int) {
	t.Helper()
	logstash, err := logstashtest.New(logstashtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := logstash.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(logstash.Stop)
	settings, err := logstash.Settings()
	if err != nil {
		t.Fatal(err)
	}
	out["hosts"] = settings["hosts"]
	delete(out, "ssl") // its certificates are no files here
	return func(index string) int { return len(logstash.Documents(index)) }
}

// indices are the data streams that an example writes to.
func (p *examplePolicy) indices() []string {
	var names []string
	for _, in := range p.Inputs {
		streams, _ := in["streams"].([]any)
		for _, s := range streams {
			stream, _ := s.(map[string]any)["data_stream"].(map[string]any)
			if stream["type"] == "metrics" {
				continue // of what is read once there is a summary
			}
			for _, namespace := range p.each(in["data_stream.namespace"].(string)) {
				names = append(names, "logs-"+stream["dataset"].(string)+"-"+namespace)
			}
		}
	}
	return names
}

// TestKubernetesSample: the policy in it is one the component takes, and each
// variable of the policy is given to the container.
func TestKubernetesSample(t *testing.T) {
	b, err := os.ReadFile("../kubernetes.yml")
	if err != nil {
		t.Fatal(err)
	}
	var policy, set map[string]any
	for _, part := range strings.Split(string(b), "\n---\n") {
		o := decodeYAML[map[string]any](t, part)
		switch o["kind"] {
		case "ConfigMap":
			data := o["data"].(map[string]any)
			policy = decodeYAML[map[string]any](t, data["elastic-agent.yml"].(string))
		case "StatefulSet":
			set = o["spec"].(map[string]any)
		}
	}
	if policy == nil || set == nil || set["replicas"] != 1 {
		t.Fatalf("want a policy and one replica, got %v", set["replicas"])
	}
	var given []string
	pod := set["template"].(map[string]any)["spec"].(map[string]any)
	for _, e := range pod["containers"].([]any)[0].(map[string]any)["env"].([]any) {
		given = append(given, e.(map[string]any)["name"].(string))
	}
	for part := range strings.SplitSeq(string(b), "${env.") {
		if name, _, ok := strings.Cut(part, "}"); ok && strings.ToUpper(name) == name && !slices.Contains(given, name) {
			t.Errorf("${env.%s} is not given to the container", name)
		}
	}
	source := policy["inputs"].([]any)[0].(map[string]any)
	source["tenant_id"] = "contoso.example" // the agent puts the variable in
	streams, err := defender.New("test").Streams(inputs.Unit{ID: "k8s", Source: source})
	if err != nil {
		t.Error(err)
	}
	for _, s := range streams {
		if s.Fault != nil {
			t.Errorf("stream %s: %v", s.Key.Stream, s.Fault)
		}
	}
}
