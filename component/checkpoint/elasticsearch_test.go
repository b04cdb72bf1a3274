package checkpoint_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// connect makes a fake Elasticsearch and a client of it.
func connect(t *testing.T) (*elasticsearchtest.Server, checkpoint.Client) {
	t.Helper()
	es := elasticsearchtest.New(elasticsearchtest.Options{})
	server := httptest.NewServer(es)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := elastictransport.NewClient(elastictransport.WithURLs(u), elastictransport.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	return es, client
}

func store(client checkpoint.Client) *checkpoint.Elasticsearch {
	e := checkpoint.NewElasticsearch()
	e.Use(client)
	return e
}

func TestContractOfElasticsearch(t *testing.T) {
	_, client := connect(t)
	inputstest.RunCursorsContract(t, func(*testing.T) inputs.Cursors { return store(client) })
}

func TestElasticsearchIsWaitedFor(t *testing.T) {
	_, client := connect(t)
	e := checkpoint.NewElasticsearch()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.Load(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without an output: %v", err)
	}
	loaded := make(chan error)
	go func() {
		_, err := e.Load(t.Context(), key)
		loaded <- err
	}()
	e.Use(nil) // another policy without an output
	e.Use(client)
	if err := <-loaded; !errors.Is(err, inputs.ErrNoCursor) {
		t.Errorf("with an output: %v", err)
	}
}

// TestElasticsearchInTrouble: only a 403 lets a stream start afresh, since
// nothing can have been saved; while Elasticsearch is away it must not.
func TestElasticsearchInTrouble(t *testing.T) {
	es, client := connect(t)
	e := store(client)
	for status, afresh := range map[int]bool{401: false, 403: true, 429: false, 500: false, 503: false} {
		es.FaultIndex(status)
		if _, err := e.Load(t.Context(), key); errors.Is(err, inputs.ErrNoCursor) != afresh {
			t.Errorf("load with status %d: %v", status, err)
		}
		err := e.Save(t.Context(), key, []byte(`{}`))
		if err == nil || strings.Contains(err.Error(), "fault") {
			t.Errorf("save with status %d: %v", status, err)
		}
		if status == 403 && !strings.Contains(err.Error(), "agentless-state-*") {
			t.Errorf("no remedy: %v", err)
		}
		if err := e.Delete(t.Context(), key.Input); err == nil {
			t.Errorf("delete with status %d returned nil", status)
		}
	}
	es.Heal()
	down := store(unreachable{})
	if _, err := down.Load(t.Context(), key); err == nil || errors.Is(err, inputs.ErrNoCursor) {
		t.Errorf("load while it is away: %v", err)
	}
}

type unreachable struct{}

func (unreachable) Perform(*http.Request) (*http.Response, error) {
	return nil, errors.New("dial tcp: secret-host: no route")
}

// TestIndexNames: what a policy may hold as an input's id makes a legal name,
// and no two ids the same.
func TestIndexNames(t *testing.T) {
	es, client := connect(t)
	e := store(client)
	for _, id := range []string{"microsoft_defender_endpoint-x-1", "Upper/Case", "upper/case", "a b", "a,b*", strings.Repeat("x", 300), "Ünïcode"} {
		k := inputs.Key{Input: id, Stream: "s"}
		if err := e.Save(t.Context(), k, []byte(`1`)); err != nil {
			t.Errorf("%q: %v", id, err)
		}
		if err := e.Delete(t.Context(), id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := e.Save(t.Context(), inputs.Key{Input: "fleet-1", Stream: "s"}, []byte(`1`)); err != nil || es.IndexDocuments("agentless-state-fleet-1") != 1 {
		t.Errorf("a plain id is not the index's name: %v", err)
	}
}

// TestProxyIsNotElasticsearch: its 404 does not let a stream start afresh.
func TestProxyIsNotElasticsearch(t *testing.T) {
	proxy := httptest.NewServer(http.NotFoundHandler())
	defer proxy.Close()
	u, _ := url.Parse(proxy.URL)
	client, err := elastictransport.NewClient(elastictransport.WithURLs(u), elastictransport.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store(client).Load(t.Context(), key); err == nil || errors.Is(err, inputs.ErrNoCursor) {
		t.Errorf("load: %v", err)
	}
}

// TestDeleteDoesNotWait: the output may have been removed with the input.
func TestDeleteDoesNotWait(t *testing.T) {
	if err := checkpoint.NewElasticsearch().Delete(t.Context(), key.Input); err == nil {
		t.Error("deleted without an output")
	}
}

func TestIsAgentless(t *testing.T) {
	for value, want := range map[string]bool{"cel,microsoft_defender_endpoint": true, "cel": false, "": false, " microsoft_defender_endpoint ": true} {
		getenv := func(name string) string {
			if name == "AGENTLESS_ELASTICSEARCH_STATE_STORE_INPUT_TYPES" {
				return value
			}
			return ""
		}
		if got := checkpoint.IsAgentless(getenv, "microsoft_defender_endpoint"); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if !checkpoint.IsAgentless(func(name string) string {
		return map[string]string{"AGENTLESS_ELASTICSEARCH_STATE_STORE_ENABLED": "true"}[name]
	}, "microsoft_defender_endpoint") {
		t.Error("the variable of older agents is ignored")
	}
}
