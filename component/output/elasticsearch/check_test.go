package elasticsearch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
)

func TestCheck(t *testing.T) {
	const allowed, denied = "logs-a.log-default", "logs-b.log-default"
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	fake := func(o elasticsearchtest.Options) http.Handler {
		o.APIKey = "id:key"
		return elasticsearchtest.New(o)
	}
	for name, c := range map[string]struct {
		server http.Handler
		known  bool
		denied []string
		kind   output.Reason
		fails  bool
	}{
		"may write everywhere":       {server: fake(elasticsearchtest.Options{}), known: true},
		"may not write to one":       {server: fake(elasticsearchtest.Options{Denied: []string{denied}}), known: true, denied: []string{denied}},
		"may not ask for privileges": {server: fake(elasticsearchtest.Options{NoPrivileges: true})},
		"wrong key":                  {server: elasticsearchtest.New(elasticsearchtest.Options{APIKey: "other:key"}), kind: output.Unauthorized, fails: true},
		"key without monitor":        {server: answer(403, `{"error":{"type":"security_exception"}}`)},
		"something else":             {server: answer(200, "<html>welcome</html>"), kind: output.RequestRefused, fails: true},
		"JSON of something else":     {server: answer(200, `{"a":1}`), kind: output.RequestRefused, fails: true},
		"redirect":                   {server: answer(302, ""), kind: output.RequestRefused, fails: true},
		"fails":                      {server: answer(503, ""), kind: output.Server, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.server)
			defer server.Close()
			found, err := elasticsearch.Check(t.Context(), map[string]any{"hosts": []any{server.URL}, "api_key": "id:key"}, []string{allowed, denied})
			if (err != nil) != c.fails || c.fails && output.ReasonOf(err) != c.kind {
				t.Fatalf("error %v, want kind %s", err, c.kind)
			}
			if found.Known != c.known || !slices.Equal(found.Denied, c.denied) {
				t.Errorf("found %+v", found)
			}
			if err != nil && strings.Contains(err.Error(), "id:key") {
				t.Error("the key is in the error")
			}
		})
	}
}

// TestCheckNamesOwners: whose the data streams are, as far as the key may see.
func TestCheckNamesOwners(t *testing.T) {
	const set, target = "logs-a.log", "logs-a.log-default"
	for name, c := range map[string]struct {
		options elasticsearchtest.Options
		owners  []output.Owner
		known   bool
	}{
		"nothing there": {known: true},
		"may not look":  {options: elasticsearchtest.Options{NoOwners: true, NoTemplates: true}},
		"may look at templates only": {
			options: elasticsearchtest.Options{NoOwners: true, Owned: map[string]elasticsearchtest.Owned{target: {Package: "p", Pipeline: set + "-1.2.3"}}},
			owners:  []output.Owner{{Target: target, Package: "p", Pipeline: set + "-1.2.3"}},
		},
		"a live one": {
			options: elasticsearchtest.Options{Owned: map[string]elasticsearchtest.Owned{target: {Package: "p", Pipeline: set + "-1.2.3"}}},
			owners:  []output.Owner{{Target: target, Live: true, Package: "p", Pipeline: set + "-1.2.3"}}, known: true,
		},
		"a live one of nobody": {
			options: elasticsearchtest.Options{Owned: map[string]elasticsearchtest.Owned{target: {}}},
			owners:  []output.Owner{{Target: target, Live: true}}, known: true,
		},
		"a template": {
			options: elasticsearchtest.Options{Owned: map[string]elasticsearchtest.Owned{target: {Planned: true, Package: "p"}}},
			owners:  []output.Owner{{Target: target, Package: "p"}}, known: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(elasticsearchtest.New(c.options))
			defer server.Close()
			found, err := elasticsearch.Check(t.Context(), map[string]any{"hosts": []any{server.URL}}, []string{target, "nodashes"})
			if err != nil || !slices.Equal(found.Owners, c.owners) || found.OwnersKnown != c.known {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}

func TestCheckOfAnUnreachableHost(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	_, err := elasticsearch.Check(t.Context(), map[string]any{"hosts": []any{url}}, nil)
	if e, ok := errors.AsType[*output.Error](err); !ok || e.Reason != output.Unreachable {
		t.Errorf("got %v", err)
	}
}
