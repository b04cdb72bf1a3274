package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cr&t+value/with %odd~chars"

// fake is both services, without a network.
type fake struct {
	// token and list answer the nth request of their kind, from 1. The
	// defaults are a token "token-n" for an hour and an empty page.
	token, list func(n int, r *http.Request) (*http.Response, error)

	mu            sync.Mutex
	tokens, lists int
	sent          []*http.Request
	times         []time.Time
	forms         []string
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	answer, n := f.list, 0
	f.sent = append(f.sent, r)
	if r.Method == http.MethodPost {
		form, _ := io.ReadAll(r.Body)
		f.forms = append(f.forms, string(form))
		f.tokens++
		answer, n = f.token, f.tokens
	} else {
		f.lists++
		f.times = append(f.times, time.Now())
		n = f.lists
	}
	f.mu.Unlock()
	switch {
	case answer != nil:
		return answer(n, r)
	case r.Method == http.MethodPost:
		return granted(fmt.Sprint("token-", n), "3599")
	}
	return answered(200, `{"value":[]}`)
}

func (f *fake) counts() (tokens, lists int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens, f.lists
}

func granted(token, expiresIn string) (*http.Response, error) {
	return answered(200, `{"token_type":"Bearer","expires_in":`+expiresIn+`,"access_token":"`+token+`"}`)
}

// answered is an answer with pairs of header names and values.
func answered(status int, body string, header ...string) (*http.Response, error) {
	return streamed(status, io.NopCloser(strings.NewReader(body)), header...)
}

func streamed(status int, body io.ReadCloser, header ...string) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json; odata.metadata=minimal; charset=utf-8"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: body}, nil
}

// always answers every request the same.
func always(status int, body string, header ...string) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) { return answered(status, body, header...) }
}

// first answers the first request so and the rest with an empty page.
func first(status int, body string, header ...string) func(int, *http.Request) (*http.Response, error) {
	return func(n int, _ *http.Request) (*http.Response, error) {
		if n == 1 {
			return answered(status, body, header...)
		}
		return answered(200, `{"value":[]}`)
	}
}

func config(rt http.RoundTripper) api.Config {
	return api.Config{
		URL: "https://api.example", LoginURL: "https://login.example/", TenantID: "tenant-1", ClientID: "client-1",
		Credentials: api.Credentials{Secret: secret}, Scopes: []string{"https://api.example/.default"}, RoundTripper: rt,
	}
}

func newClient(t testing.TB, c api.Config) *api.Client {
	t.Helper()
	client, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

var alerts = api.Request{Path: "/api/alerts"}

// read opens a page and reads it to its end.
func read(ctx context.Context, c *api.Client) (records []string, next string, err error) {
	page, err := c.Open(ctx, alerts)
	if err != nil {
		return nil, "", err
	}
	defer page.Close()
	for {
		record, err := page.Next()
		if err == io.EOF {
			return records, page.NextLink(), nil
		}
		if err != nil {
			return records, "", err
		}
		records = append(records, string(record))
	}
}

// wantError checks that err is an *api.Error of that kind whose text holds all words.
func wantError(t *testing.T, err error, kind api.Kind, words ...string) *api.Error {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *api.Error", err)
	}
	if e.Kind != kind {
		t.Errorf("kind %v, want %v: %v", e.Kind, kind, e)
	}
	for _, w := range words {
		if !strings.Contains(e.Error()+"; "+e.Hint, w) {
			t.Errorf("%q, hint %q lacks %q", e.Error(), e.Hint, w)
		}
	}
	return e
}

func wantRecords(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

func wantCounts(t *testing.T, f *fake, tokens, lists int) {
	t.Helper()
	if gotTokens, gotLists := f.counts(); gotTokens != tokens || gotLists != lists {
		t.Errorf("%d token requests and %d calls, want %d and %d", gotTokens, gotLists, tokens, lists)
	}
}
