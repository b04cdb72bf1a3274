package engine_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

const root = "../../../../.."

// TestEngineOpenSearch and TestEngineElasticsearch have one engine each for what
// looks at documents, and for the contract of the fake.
func TestEngineOpenSearch(t *testing.T) { testEngine(t, engine.OpenSearch, "2.19.6") }

func TestEngineElasticsearch(t *testing.T) { testEngine(t, engine.Elasticsearch, "8.19.21") }

func testEngine(t *testing.T, kind engine.Kind, version string) {
	t.Helper()
	e := engine.Start(t, engine.Options{Kind: kind, Settings: map[string]string{"http.max_content_length": "1mb"}})
	p := engine.ReadPackage(t, root)
	var node struct {
		Version struct{ Number string }
	}
	e.Call(t, http.MethodGet, "/", nil, &node)
	if node.Version.Number != version {
		t.Errorf("the engine is %+v", node.Version)
	}
	t.Run("net", func(t *testing.T) { testNet(t, e, p) })
	t.Run("ignore_malformed", func(t *testing.T) { testStrict(t, e, p) })
	t.Run("contract", func(t *testing.T) { testContract(t, e, p) })
	t.Run("blame", func(t *testing.T) { testBlame(t, e, p) })
	if kind == engine.OpenSearch { // the other one has no conditions of pipelines
		t.Run("pipelines", func(t *testing.T) { testPipelines(t, e, p) })
	}
	t.Run("kill", func(t *testing.T) { testKill(t, e, p) })
}

// testKill: kill -9 and a restart at the same place with the same data.
func testKill(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	in := e.Install(t, p, engine.Installation{Namespace: "kill"})
	const target = "logs-microsoft_defender_endpoint.log-kill"
	in.Feed(t, []engine.Document{{Target: target, ID: "1", JSON: []byte(minimal)}})
	at := e.URL
	e.Kill()
	if status, _ := e.Do(t.Context(), http.MethodGet, "/", nil); status != 0 {
		t.Errorf("a killed engine answers %d", status)
	}
	e.Restart(t)
	if ids := e.IDs(t, target); e.URL != at || len(ids) != 1 || ids["1"] != 1 {
		t.Errorf("after the restart: %s with %v, want %s with 1", e.URL, ids, at)
	}
}

// TestEngineIsSkippedOrRequired runs this test binary once more, without Java
// and Maven: a skip in one line, or a failure where the engine is required.
func TestEngineIsSkippedOrRequired(t *testing.T) {
	const inner = "TestEngineOpenSearch"
	for value, want := range map[string]string{
		"":         "no search engine: java is not installed",
		"required": "no search engine: java is not installed, and DEFENDER_ENDPOINT_ENGINE is required",
		"off":      "no search engine: DEFENDER_ENDPOINT_ENGINE is off",
	} {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+inner+"$", "-test.v")
		cmd.Env = append(os.Environ(), "PATH=", engine.Variable+"="+value)
		out, err := cmd.CombinedOutput()
		if (err != nil) != (value == "required") || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v\n%s", value, err, out)
		}
		if value != "required" && strings.Count(string(out), "no search engine") != 1 {
			t.Errorf("%q: want one line:\n%s", value, out)
		}
	}
}
