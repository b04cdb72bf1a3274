package engine_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// testPipelines runs the package's own pipeline tests (_dev/test/pipeline), as far
// as the engine has the processors: geoip is missing, and the addresses of the
// samples are in no database.
func testPipelines(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	e.Install(t, p, engine.Installation{Namespace: "pipelines"})
	for _, s := range p.Streams {
		_, name, _ := strings.Cut(s.Dataset, ".")
		cases, err := filepath.Glob(filepath.Join(root, "spec/package/data_stream", name, "_dev/test/pipeline/test-*.json"))
		if err != nil || len(cases) == 0 {
			t.Fatalf("%s: no pipeline tests (%v)", name, err)
		}
		for _, path := range cases {
			if strings.HasSuffix(path, "-expected.json") {
				continue
			}
			var given struct{ Events []any }
			var expected struct{ Expected []any }
			readJSON(t, path, &given)
			readJSON(t, path+"-expected.json", &expected)
			var docs []any
			for _, event := range given.Events {
				docs = append(docs, map[string]any{"_source": event})
			}
			var answer struct {
				Docs []struct {
					Doc struct {
						Source any `json:"_source"`
					}
				}
			}
			e.Call(t, http.MethodPost, "/_ingest/pipeline/"+s.Type+"-"+s.Dataset+"-"+p.Version+"/_simulate", map[string]any{"docs": docs}, &answer)
			var got []any
			for _, d := range answer.Docs {
				got = append(got, d.Doc.Source)
			}
			if diff := cmp.Diff(expected.Expected, got); diff != "" || len(got) < 2 {
				t.Errorf("%s: -expected +got\n%s", path, diff)
			}
		}
	}
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
