package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// peerVariable makes this test program a peer and holds its tenant's options.
const peerVariable = "DEFENDER_ENDPOINT_TEST_PEER"

// peer is a tenant, an Elasticsearch and a shipper in a process of their own, so
// that what they cost is not counted. /count tells how many documents are stored
// by either, /drain takes any body.
type peer struct {
	URL     string
	Shipper map[string]any // settings of an output
}

// startPeer starts a peer that ends with the test.
func startPeer(tb testing.TB, o defendertest.Options) *peer {
	tb.Helper()
	options, err := json.Marshal(struct{ Alerts, Machines, EvidencePerAlert, PageSize, Vulnerabilities, RowsPerFile int }{
		o.Alerts, o.Machines, o.EvidencePerAlert, o.PageSize, o.Vulnerabilities, o.RowsPerFile,
	})
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerVariable+"="+string(options))
	cmd.Stderr = os.Stderr
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil || inErr != nil || outErr != nil {
		tb.Fatal(err, inErr, outErr)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	p := &peer{}
	if err := json.NewDecoder(stdout).Decode(p); err != nil {
		tb.Fatal(err)
	}
	return p
}

// servePeer is the peer's main: it serves until its standard input ends.
func servePeer(options string) {
	o := defendertest.Options{Seed: 1}
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		panic(err)
	}
	tenant := defendertest.New(o)
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true})
	shipper, settings := startShipper()
	defer shipper.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) {
		shipped, _ := shipper.Stats()
		fmt.Fprint(w, es.Stats().Stored+shipped.Stored)
	})
	mux.HandleFunc("/drain", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.Handle("/_bulk", es)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if o.PageSize > 0 { // as a server that does not mind $top
			q := r.URL.Query()
			q.Del("$top")
			r.URL.RawQuery = q.Encode()
		}
		tenant.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	if err := json.NewEncoder(os.Stdout).Encode(peer{server.URL, settings}); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startShipper() (*shippertest.Server, map[string]any) {
	shipper, err := shippertest.New(shippertest.Options{CountOnly: true})
	if err != nil {
		panic(err)
	}
	if err := shipper.Start(); err != nil {
		panic(err)
	}
	settings, err := shipper.Settings()
	if err != nil {
		panic(err)
	}
	return shipper, settings
}

// stored is how many documents the peer has.
func (p *peer) stored(tb testing.TB) (n int) {
	tb.Helper()
	body := p.get(tb, "/count", "")
	defer body.Close()
	if _, err := fmt.Fscan(body, &n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// get requests a path, with a bearer token unless that is empty.
func (p *peer) get(tb testing.TB, path, token string) io.ReadCloser {
	tb.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s", path, response.Status)
	}
	return response.Body
}

// token gets a token of the peer's tenant.
func (p *peer) token(tb testing.TB) string {
	tb.Helper()
	response, err := http.PostForm(p.URL+"/"+defendertest.TenantID+defendertest.TokenPath, map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {defendertest.ClientID}, "client_secret": {defendertest.ClientSecret},
		"scope": {"https://api.securitycenter.microsoft.com/.default"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		tb.Fatal(response.Status, err)
	}
	return answer.Token
}
