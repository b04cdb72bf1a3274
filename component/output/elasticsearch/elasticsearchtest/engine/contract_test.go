package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// outcome is what a bulk request led to.
type outcome struct {
	Status int
	Type   string // of an error for the whole request
	Items  []item
	Stored []string // ids in the data stream afterwards
}

type item struct {
	Status  int
	Type    string
	Backing bool // the answer names a backing index
}

// openSearch are the items of OpenSearch's answer where it differs from
// Elasticsearch, which the fake represents.
var openSearch = map[string][]item{
	"cut":             {{Status: 400, Type: "parse_exception"}},
	"repeated member": {{Status: 400, Type: "parse_exception"}},
	"no object":       {{Status: 500, Type: "not_x_content_exception"}},
	"write block":     {{Status: 403, Type: "cluster_block_exception", Backing: true}},
	"flood stage":     {{Status: 429, Type: "cluster_block_exception", Backing: true}},
}

// peer is the engine, or the fake in memory.
type peer struct {
	url string
	ids func(dataStream string) []string
}

// maxBody is how large a request may be, for all peers.
const maxBody = 1 << 20

func (p peer) post(t *testing.T, body string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/_bulk", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
}

// bulk sends a body.
func (p peer) bulk(t *testing.T, target, body string) outcome {
	t.Helper()
	response, err := p.post(t, body)
	// What answers 413 closes at once, which may break the connection before the
	// answer is read; another request is answered.
	var broken *net.OpError
	for tries := 1; len(body) > maxBody && errors.As(err, &broken) && broken.Op != "dial" && tries < 20; tries++ {
		response, err = p.post(t, body)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Error struct{ Type string }
		Items []map[string]engine.Answer
	}
	if len(text) > 0 && json.Unmarshal(text, &answer) != nil {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	o := outcome{Status: response.StatusCode, Type: answer.Error.Type}
	for _, operations := range answer.Items {
		for _, a := range operations {
			// Elasticsearch has called it so since 8.8, and the fake does.
			kind := strings.Replace(a.Error.Type, "mapper_parsing_exception", "document_parsing_exception", 1)
			o.Items = append(o.Items, item{a.Status, kind, strings.HasPrefix(a.Index, ".ds-")})
		}
	}
	o.Stored = p.ids(target)
	slices.Sort(o.Stored)
	return o
}

// testContract: the same bulk requests against the engine and the fake, by
// status, error type, and what is stored.
func testContract(t *testing.T, e *engine.Engine, p *engine.Package) {
	for name, lines := range requests() {
		t.Run(name, func(t *testing.T) {
			namespace := strings.ReplaceAll(name, " ", "_")
			e.Install(t, p, engine.Installation{Namespace: namespace})
			compare(t, e, name, "logs-microsoft_defender_endpoint.log-"+namespace, namespace, lines, nil)
		})
	}
	for name, fault := range elasticsearchtest.Conditions() {
		t.Run(name, func(t *testing.T) {
			namespace := "condition_" + strings.ReplaceAll(name, " ", "_")
			e.Install(t, p, engine.Installation{Namespace: namespace})
			target := "logs-microsoft_defender_endpoint.log-" + namespace
			switch name {
			case "index closed": // the write index of a data stream cannot be closed
				target = "closed"
			case "no auto-create": // a template of a data stream is leave for Elasticsearch to make it
				target = "missing"
			}
			defer condition(t, e, name, target, namespace)()
			compare(t, e, name, target, namespace, []string{"create 2", "good"}, &fault)
		})
	}
}

// requests are bodies: action lines as "operation id", documents by name.
func requests() map[string][]string {
	return map[string][]string{
		"good":                {"create 1", "good"},
		"id twice":            {"create 1", "good", "create 1", "good"},
		"good beside bad":     {"create 1", "good", "create 2", "no time", "create 3", "good"},
		"cut":                 {"create 1", "cut"},
		"repeated member":     {"create 1", "repeated"},
		"time is no time":     {"create 1", "bad time"},
		"no object":           {"create 1", "list"},
		"operation index":     {"index 1", "good"},
		"no last newline":     {"create 1", "good", "-"},
		"malformed action":    {"nonsense 1", "good"},
		"empty":               {},
		"larger than allowed": {"create 1", "huge"},
	}
}

// compare sends a request to both and wants one outcome.
func compare(t *testing.T, e *engine.Engine, name, target, namespace string, lines []string, fault *elasticsearchtest.ItemFault) {
	t.Helper()
	fake := elasticsearchtest.New(elasticsearchtest.Options{MaxBody: maxBody})
	if fault != nil {
		fake.Fault(elasticsearchtest.Fault{Item: func(elasticsearchtest.Document) elasticsearchtest.ItemFault { return *fault }})
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	text := body(target, namespace, lines)
	got := peer{server.URL, fake.IDs}.bulk(t, target, text)
	want := peer{e.URL, func(string) []string {
		var ids []string
		if status, _ := e.Do(t.Context(), http.MethodHead, "/"+target, nil); status == http.StatusOK && fault == nil {
			for id := range e.IDs(t, target) {
				ids = append(ids, id)
			}
		}
		return ids
	}}.bulk(t, target, text)
	if items, differs := openSearch[name]; differs && e.Kind == engine.OpenSearch {
		if cmp.Equal(want.Items, got.Items) || !cmp.Equal(want.Items, items) {
			t.Errorf("OpenSearch answers %+v, and is said to answer %+v", want.Items, items)
		}
		want.Items = got.Items
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the fake differs (-engine +fake):\n%s", d)
	}
}

func body(target, namespace string, lines []string) string {
	stream := `"data_stream":{"type":"logs","dataset":"microsoft_defender_endpoint.log","namespace":"` + namespace + `"}`
	good := strings.TrimSuffix(minimal, "}") + "," + stream + "}"
	documents := map[string]string{
		"good": good, "no time": "{" + stream + "}", "cut": good[:60], "repeated": strings.TrimSuffix(good, "}") + `,"a":1,"a":2}`,
		"bad time": `{"@timestamp":"yesterday",` + stream + "}", "list": "[1]",
		"huge": strings.TrimSuffix(good, "}") + `,"message":"` + strings.Repeat("x", maxBody) + `"}`,
	}
	var b strings.Builder
	for i, line := range lines {
		operation, id, isAction := strings.Cut(line, " ")
		switch {
		case line == "-":
			return strings.TrimSuffix(b.String(), "\n")
		case i%2 == 0 && isAction:
			b.WriteString(`{"` + operation + `":{"_index":"` + target + `","_id":"` + id + `"}}` + "\n")
		default:
			b.WriteString(documents[line] + "\n")
		}
	}
	return b.String()
}

// condition brings a state of the cluster about and returns its end.
func condition(t *testing.T, e *engine.Engine, name, target, namespace string) func() {
	t.Helper()
	cluster := func(setting string, value any) func() {
		e.Cluster(t, map[string]any{setting: value})
		return func() { e.Cluster(t, map[string]any{setting: nil}) }
	}
	if name == "shard limit" {
		return cluster("cluster.max_shards_per_node", 1)
	}
	if name == "no auto-create" {
		return cluster("action.auto_create_index", "false")
	}
	if name == "index closed" {
		e.Call(t, http.MethodPut, "/"+target, nil, nil)
		e.Call(t, http.MethodPost, "/"+target+"/_close", nil, nil)
		return func() {}
	}
	e.Call(t, http.MethodPost, "/_bulk", body(target, namespace, []string{"create setup", "good"}), nil)
	switch name {
	case "write block":
		e.Settings(t, target, map[string]any{"index.blocks.write": true})
	case "flood stage": // the block that the disk's guard sets
		e.Settings(t, target, map[string]any{"index.blocks.read_only_allow_delete": true})
	case "missing pipeline":
		e.Settings(t, target, map[string]any{"index.default_pipeline": "there-is-none"})
	default:
		t.Fatalf("no way to %s", name)
	}
	return func() {}
}
