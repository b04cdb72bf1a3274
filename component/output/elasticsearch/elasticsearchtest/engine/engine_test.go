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

// TestEngineKeepsDocumentsOverKill: the node's version, kill -9 and a restart at
// the same place with the same data.
func TestEngineKeepsDocumentsOverKill(t *testing.T) {
	e := engine.Start(t, engine.Options{})
	var node struct {
		Version struct{ Distribution, Number string }
	}
	e.Call(t, http.MethodGet, "/", nil, &node)
	if node.Version.Distribution != "opensearch" || node.Version.Number != "2.19.6" {
		t.Errorf("the engine is %+v", node.Version)
	}
	in := e.Install(t, engine.ReadPackage(t, root), engine.Installation{Namespace: "kill"})
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
	const inner = "TestEngineKeepsDocumentsOverKill"
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
