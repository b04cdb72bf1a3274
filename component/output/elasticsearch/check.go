package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

const (
	opConnect    = "connect"
	opPrivileges = "look up privileges"
)

// needed are the privileges that publishing takes (AGENT.md 3.2).
var needed = []string{"auto_configure", "create_doc"}

// Check finds out whether documents could be published to the targets with an
// output unit's settings, and writes nothing. The error is an *output.Error, or
// joins the faults of the settings.
func Check(ctx context.Context, source map[string]any, targets []string) (output.Finding, error) {
	c, err := readConfig(source)
	if err != nil {
		return output.Finding{}, err
	}
	client, transport, err := connect(&c)
	if err != nil {
		return output.Finding{}, err
	}
	if t, ok := transport.(interface{ CloseIdleConnections() }); ok {
		defer t.CloseIdleConnections()
	}
	ctx, cancel := context.WithTimeout(ctx, c.transport.Timeout)
	defer cancel()
	k := checker{client: client, config: &c}
	var f output.Finding
	if f.Version, err = k.version(ctx); err != nil {
		return f, err
	}
	if f.Known, f.Denied, err = k.denied(ctx, targets); err != nil {
		return f, err
	}
	f.Owners, f.OwnersKnown, err = k.owners(ctx, targets)
	return f, err
}

// checker makes the few requests of a check.
type checker struct {
	client elastictransport.Interface
	config *config
}

// version asks for the cluster's version. Not being allowed to is no trouble:
// publishing does not need it.
func (k *checker) version(ctx context.Context) (string, error) {
	var answer struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	status, err := k.call(ctx, opConnect, http.MethodGet, "/", nil, &answer)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusForbidden:
		return "", nil
	case status != http.StatusOK:
		return "", checkRefusal(opConnect, status)
	case answer.Version.Number == "":
		return "", &output.Error{Op: opConnect, Reason: output.RequestRefused, Status: status, Err: errStranger}
	}
	return answer.Version.Number, nil
}

// denied asks which targets the credentials may not write to.
func (k *checker) denied(ctx context.Context, targets []string) (known bool, denied []string, err error) {
	type index struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	}
	body, err := json.Marshal(map[string]any{"index": []index{{targets, needed}}})
	if err != nil {
		return false, nil, err
	}
	var answer struct {
		Index map[string]map[string]bool `json:"index"`
	}
	status, err := k.call(ctx, opPrivileges, http.MethodPost, "/_security/user/_has_privileges", body, &answer)
	switch {
	case err != nil:
		return false, nil, err
	case status == http.StatusUnauthorized:
		return false, nil, checkRefusal(opPrivileges, status)
	case status != http.StatusOK || answer.Index == nil:
		return false, nil, nil
	}
	for _, target := range targets {
		if slices.ContainsFunc(needed, func(p string) bool { return !answer.Index[target][p] }) {
			denied = append(denied, target)
		}
	}
	return true, denied, nil
}

// call makes one request and decodes an answer that is a success.
func (k *checker) call(ctx context.Context, op, method, path string, body []byte, answer any) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return 0, &output.Error{Op: op, Reason: output.RequestRefused, Err: errors.New("no request can be made")}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := k.client.Perform(r)
	if err != nil {
		return 0, network(op, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerKept))
	if err != nil {
		return 0, network(op, err)
	}
	if response.StatusCode == http.StatusOK && json.Unmarshal(text, answer) != nil {
		return 0, &output.Error{Op: op, Reason: output.RequestRefused, Status: response.StatusCode, Err: errStranger}
	}
	return response.StatusCode, nil
}

func checkRefusal(op string, status int) error {
	var e *output.Error
	if errors.As(refusal(status, nil), &e) {
		e.Op = op
	}
	return e
}
