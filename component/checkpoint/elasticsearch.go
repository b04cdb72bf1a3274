package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// indexPrefix is what Elastic reserves for the state of agentless inputs
	// (AGENT.md 5.1).
	indexPrefix = "agentless-state-"
	// answerWait bounds one request.
	answerWait = 30 * time.Second
	// maxStreams bounds how many checkpoints of one input are looked up.
	maxStreams = 1000
	// maxID is how long a document's id may be, bytes.
	maxID = 512
)

// Client makes requests to Elasticsearch. Their URLs have no host.
type Client interface {
	Perform(r *http.Request) (*http.Response, error)
}

// Elasticsearch keeps checkpoints as documents, for where there is no disk to keep
// them on: those of an input in an index of its own, as Beats do. It reaches
// Elasticsearch as the output does.
type Elasticsearch struct {
	mu      sync.Mutex
	client  Client        // nil while there is no output
	changed chan struct{} // closed when there is another client
}

// NewElasticsearch makes a store that waits for Use.
func NewElasticsearch() *Elasticsearch {
	return &Elasticsearch{changed: make(chan struct{})}
}

// IsAgentless reports whether the agent wants an input type's state in
// Elasticsearch; getenv is os.Getenv.
func IsAgentless(getenv func(string) string, inputType string) bool {
	for name := range strings.SplitSeq(getenv("AGENTLESS_ELASTICSEARCH_STATE_STORE_INPUT_TYPES"), ",") {
		if strings.TrimSpace(name) == inputType {
			return true
		}
	}
	return getenv("AGENTLESS_ELASTICSEARCH_STATE_STORE_ENABLED") == "true" // older agents
}

// Use gives it a client, nil where there is no Elasticsearch now. Anyone who waits
// for one continues.
func (e *Elasticsearch) Use(client Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.client = client
	close(e.changed)
	e.changed = make(chan struct{})
}

// Load implements inputs.Cursors. It waits for an output.
func (e *Elasticsearch) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	return loadOrMove(ctx, e, key)
}

func (e *Elasticsearch) remove(ctx context.Context, key inputs.Key) {
	_, _ = e.call(ctx, http.MethodDelete, document(key), nil)
}

func (e *Elasticsearch) load(ctx context.Context, key inputs.Key) ([]byte, error) {
	a, err := e.call(ctx, http.MethodGet, document(key), nil)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load checkpoint: %w", err)
	case a.isMissing():
		return nil, inputs.ErrNoCursor
	case a.status == http.StatusForbidden:
		return nil, &inputs.UnusableCursor{Cause: a.refusal()}
	case a.status != http.StatusOK:
		return nil, fmt.Errorf("load checkpoint: %w", a.refusal())
	}
	var found struct {
		Source struct {
			V json.RawMessage `json:"v"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return nil, errors.New("load checkpoint: the answer is not Elasticsearch's")
	}
	value, err := decode(key, found.Source.V)
	if err != nil {
		return nil, &inputs.UnusableCursor{Cause: err}
	}
	return value, nil
}

// Save implements inputs.Cursors.
func (e *Elasticsearch) Save(ctx context.Context, key inputs.Key, value []byte) error {
	v, err := encode(key, value)
	if err != nil {
		return err
	}
	// Not encoded again: that would write the value in another way than its sum is of.
	body := slices.Concat(fmt.Appendf(nil, `{"updated_at":%q,"v":`, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")), v, []byte("}"))
	a, err := e.call(ctx, http.MethodPut, document(key), body)
	if err == nil && a.status != http.StatusOK && a.status != http.StatusCreated {
		err = a.refusal()
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// Delete implements inputs.Cursors. It does not wait for an output: anyone who
// removes an input may have removed that as well. What was written a moment ago may not be
// found yet; it does no harm, since an input that comes back has another id.
func (e *Elasticsearch) Delete(ctx context.Context, input string) error {
	query := fmt.Appendf(nil, `{"size":%d,"_source":false,"query":{"match_all":{}}}`, maxStreams)
	if !e.connected() {
		return errors.New("delete checkpoints: there is no output to reach them")
	}
	a, err := e.call(ctx, http.MethodPost, "/"+index(input)+"/_search", query)
	switch {
	case err != nil:
		return fmt.Errorf("delete checkpoints: %w", err)
	case a.isMissing():
		return nil
	case a.status != http.StatusOK:
		return fmt.Errorf("delete checkpoints: %w", a.refusal())
	}
	var found struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return errors.New("delete checkpoints: the answer is not Elasticsearch's")
	}
	var faults []error
	for _, hit := range found.Hits.Hits {
		a, err := e.call(ctx, http.MethodDelete, "/"+index(input)+"/_doc/"+url.PathEscape(hit.ID), nil)
		if err == nil && a.status != http.StatusOK && !a.isMissing() {
			err = a.refusal()
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("delete checkpoint: %w", err))
		}
	}
	return errors.Join(faults...)
}

// answer is what Elasticsearch said.
type answer struct {
	status int
	body   []byte
}

// isMissing reports whether Elasticsearch itself says that there is no such
// document or index. A proxy's 404 is no answer of that kind.
func (a answer) isMissing() bool {
	var said struct {
		Found  *bool  `json:"found"`
		Result string `json:"result"`
		Error  struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	return a.status == http.StatusNotFound && json.Unmarshal(a.body, &said) == nil &&
		(said.Found != nil || said.Result == "not_found" || said.Error.Type == "index_not_found_exception")
}

// refusal is an error of a status. Elasticsearch's own words are left out: they
// quote what was sent.
func (a answer) refusal() error {
	switch a.status {
	case http.StatusUnauthorized:
		return errors.New("Elasticsearch does not take the output's credentials") //nolint:staticcheck // a name
	case http.StatusForbidden:
		return errors.New("the output's API key lacks read, write and create_index on " + indexPrefix + "*; until it has them checkpoints are kept in memory and lost at a restart")
	default:
		return fmt.Errorf("Elasticsearch answered %d", a.status) //nolint:staticcheck // a name
	}
}

func (e *Elasticsearch) call(ctx context.Context, method, path string, body []byte) (answer, error) {
	client, err := e.wait(ctx)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Perform(r)
	if err != nil {
		return answer{}, errors.New("Elasticsearch is not reachable") //nolint:staticcheck // a name
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxSize))
	if err != nil {
		return answer{}, errors.New("the answer of Elasticsearch was cut short")
	}
	return answer{response.StatusCode, b}, nil
}

func (e *Elasticsearch) connected() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.client != nil
}

// wait returns the client as soon as there is one.
func (e *Elasticsearch) wait(ctx context.Context) (Client, error) {
	for {
		e.mu.Lock()
		client, changed := e.client, e.changed
		e.mu.Unlock()
		if client != nil {
			return client, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// document is the path of a key's document.
func document(key inputs.Key) string {
	if kind, _, _ := strings.Cut(key.Source, "|"); kind != "" {
		return "/" + index(kind) + "/_doc/" + sum([]byte(key.Source))
	}
	id := url.QueryEscape(key.Stream) + "::" + url.QueryEscape(key.Dataset)
	if len(id) > maxID {
		id = sum([]byte(id))
	}
	return "/" + index(key.Input) + "/_doc/" + url.PathEscape(id)
}

// index is the index of an input. Elasticsearch takes lower-case names without
// certain characters; Fleet's ids are such names.
func index(input string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return -1
	}, input)
	if plain != input || len(input) > 128 {
		plain = plain[:min(len(plain), 64)] + "-" + sum([]byte(input))[:16]
	}
	return indexPrefix + plain
}

var _ inputs.Cursors = (*Elasticsearch)(nil)
