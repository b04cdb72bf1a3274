package main_test

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// testEngineOwners: what check may see of a data stream's package, with a key of
// Fleet and with one that may look. The engine has no API for data streams, which
// is a module of its own, so the test answers that one request, in the shape of
// Elastic's reference; templates, settings and privileges are the engine's.
func testEngineOwners(t *testing.T, e *engine.Engine) {
	t.Helper()
	const set, pipeline, name = "logs-microsoft_defender_endpoint.log", "logs-microsoft_defender_endpoint.log-4.13.0", "microsoft_defender_endpoint"
	const target = set + "-owners"
	live := false
	to, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	front := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/_data_stream/"):
			forward.ServeHTTP(w, r)
		case live:
			_, _ = fmt.Fprintf(w, `{"data_streams":[{"name":%q,"_meta":{"package":{"name":%q}}}]}`, target, name)
		default:
			http.Error(w, `{"error":{"type":"index_not_found_exception"},"status":404}`, http.StatusNotFound)
		}
	}))
	look := func(key string, known bool, want ...output.Owner) {
		t.Helper()
		found, err := elasticsearch.Check(t.Context(), map[string]any{"hosts": []any{front}, "api_key": key}, []string{target})
		if err != nil || !slices.Equal(found.Owners, want) || found.OwnersKnown != known {
			t.Errorf("got %+v, %v; want %+v, %v", found, err, want, known)
		}
	}
	fleets, lookers := apiKey(t, e, "", fleetPrivileges, target), ownersKey(t, e, target)
	look(lookers, true)
	look(fleets, true)
	e.Call(t, http.MethodPut, "/_ingest/pipeline/"+pipeline, `{"processors": []}`, nil)
	e.Call(t, http.MethodPut, "/_component_template/"+set+"@package", map[string]any{
		"template": map[string]any{"settings": map[string]any{"index.default_pipeline": pipeline}},
	}, nil)
	e.Call(t, http.MethodPut, "/_index_template/"+set, map[string]any{
		"index_patterns": []string{target}, "data_stream": map[string]any{}, "priority": 300,
		"_meta":       map[string]any{"managed": true, "package": map[string]any{"name": name}},
		"composed_of": []string{set + "@package"},
	}, nil)
	planned := output.Owner{Target: target, Package: name, Pipeline: pipeline}
	look(lookers, true, planned)
	look(fleets, true, planned)
	e.Call(t, http.MethodPost, "/"+target+"/_doc", `{"@timestamp": "2026-01-01T00:00:00Z"}`, nil)
	live = true
	look(lookers, true, output.Owner{Target: target, Live: true, Package: name, Pipeline: pipeline})
	look(fleets, false, planned) // it may not read settings; that it exists is from the test
}

// ownersKey is a key that may look at data streams, beside Fleet's privileges.
func ownersKey(t *testing.T, e *engine.Engine, target string) string {
	t.Helper()
	var answer struct {
		ID  string `json:"id"`
		Key string `json:"api_key"`
	}
	e.Call(t, http.MethodPost, "/_security/api_key", map[string]any{"name": t.Name(), "role_descriptors": map[string]any{"owners": map[string]any{
		"cluster": []string{"monitor"},
		"indices": []any{map[string]any{"names": []string{target}, "privileges": append([]string{"view_index_metadata"}, fleetPrivileges...)}},
	}}}, &answer)
	return answer.ID + ":" + answer.Key
}
