package engine_test

import (
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// testBlame: where a document is the cause, the answer names a backing index, by
// which the output distinguishes it from a state of the cluster, for any error type.
func testBlame(t *testing.T, e *engine.Engine, p *engine.Package) {
	t.Helper()
	const namespace = "blame"
	e.Install(t, p, engine.Installation{Namespace: namespace, Strict: true})
	const target = "logs-microsoft_defender_endpoint.log-" + namespace
	tests := map[string]struct{ members, want string }{
		"text in an object":   {`"observer":"text"`, "document_parsing_exception"},
		"text in a long":      {`"event":{"severity":"high"}`, "document_parsing_exception"},
		"object in a text":    {`"message":{"a":1}`, "document_parsing_exception"},
		"list of other types": {`"newest":[1,1.5,"x"]`, "illegal_argument_exception"},
		"name that is a dot":  {`".":1`, "document_parsing_exception"},
		"too deep":            {`"deep":` + strings.Repeat(`{"a":`, 25) + "1" + strings.Repeat("}", 25), "document_parsing_exception"},
		"immense name":        {`"microsoft":{"defender_endpoint":{"unknown":{"` + strings.Repeat("n", 33_000) + `":"v"}}}`, "document_parsing_exception"},
	}
	engineItself := peer{e.URL, func(string) []string { return nil }}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "immense name" && e.Kind == engine.OpenSearch {
				tt.want = "illegal_argument_exception"
			}
			document := strings.TrimSuffix(minimal, "}") + "," + tt.members + "}"
			o := engineItself.bulk(t, target, `{"create":{"_index":"`+target+`","_id":"1"}}`+"\n"+document+"\n")
			if len(o.Items) != 1 || o.Items[0] != (item{400, tt.want, true}) {
				t.Errorf("%+v, want 400 %s of a backing index", o, tt.want)
			}
		})
	}
}
