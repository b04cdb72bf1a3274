package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// tokenSource asks for a token once, in the way of a kind of credentials. It keeps
// nothing between two calls, so that what was replaced is never used again.
type tokenSource interface {
	// ask returns a token. limited ends with caller, or when the answer takes too
	// long. The error is an *Error, or that of a caller who left.
	ask(caller, limited context.Context) (granted, error)
	// ends says when the credentials themselves end; zero where that is not known.
	ends() (time.Time, error)
	// facts are what may be shown of the credentials, for people.
	facts() []string
}

// granted is a token and how long it lives, 0 where the answer does not say.
type granted struct {
	text inputs.Secret
	life time.Duration
}

// wires are the ways to what gives tokens.
type wires struct {
	entra http.RoundTripper // with the settings' proxy and certificates
	// host is for what runs on this host or beside it, which no proxy must see.
	host http.RoundTripper
}

func newTokenSource(c Config, login *url.URL, w wires, secrets *redactor) tokenSource {
	if c.Credentials.kind() == ClientSecret {
		return newSecretSource(c, login, w, secrets)
	}
	return newSDKSource(c, login, w, secrets)
}

// fileLimit is the most that is read of a file with a credential, bytes.
const fileLimit = 256 << 10

// readFile reads a file that a setting names. The error names the setting and not
// the path: people paste secrets there.
func readFile(setting, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(setting, reasonOf(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	switch {
	case err != nil:
		return nil, unreadable(setting, reasonOf(err))
	case len(b) > fileLimit:
		return nil, unreadable(setting, "the file is longer than any credential")
	case len(bytes.TrimSpace(b)) == 0:
		return nil, unreadable(setting, "the file is empty")
	}
	return b, nil
}

// readText is readFile without the white space around a text.
func readText(setting, path string) (inputs.Secret, error) {
	b, err := readFile(setting, path)
	return inputs.Secret(strings.TrimSpace(string(b))), err
}

// reasonOf is what the system says of a file, without its path.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// unreadable is the error of credentials that are set and cannot be used.
func unreadable(setting, cause string) *Error {
	return &Error{
		Op: opToken, Kind: Misconfigured, reason: CredentialsUnreadable, Message: setting + ": " + cause,
		Hint: "check " + setting + ", and that the agent's user may read the file",
	}
}

// whole reads an answer before it hands it on, so that an answer the network
// cut short is distinguished from one that has the wrong thing.
type whole struct {
	http.RoundTripper
	observe func(Call)
}

func (w *whole) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	call := Call{Method: r.Method, Path: r.URL.Path}
	defer func() { w.observe(call) }()
	response, err := w.RoundTripper.RoundTrip(r)
	call.Duration = time.Since(began)
	if err != nil {
		return nil, err
	}
	call.Status = response.StatusCode
	body, err := io.ReadAll(io.LimitReader(&unmarked{r: response.Body}, tokenLimit))
	call.Bytes = int64(len(body))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// days is how long something lasts from now, for people.
func days(until, now time.Time) string {
	switch n := int(until.Sub(now).Hours() / 24); {
	case until.Before(now):
		return "has ended"
	case n == 1:
		return "1 day left"
	default:
		return fmt.Sprintf("%d days left", n)
	}
}
