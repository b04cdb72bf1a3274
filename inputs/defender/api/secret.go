package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// secretSource asks with a client secret, or with what the settings put into the
// form in place of one.
type secretSource struct {
	config      clientcredentials.Config // without the secret, so that it can be printed
	credentials Credentials
	http        *http.Client
	secrets     *redactor
}

func newSecretSource(c Config, login *url.URL, w wires, secrets *redactor) *secretSource {
	endpoint := login.JoinPath(c.TenantID, "oauth2", "v2.0", "token")
	return &secretSource{
		config: clientcredentials.Config{
			ClientID:       c.ClientID,
			TokenURL:       endpoint.String(),
			Scopes:         c.Scopes,
			EndpointParams: c.TokenParams,
			AuthStyle:      oauth2.AuthStyleInParams,
		},
		credentials: c.Credentials,
		http: &http.Client{
			Transport:     w.entra,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		secrets: secrets,
	}
}

func (s *secretSource) ask(caller, limited context.Context) (granted, error) {
	config := s.config
	config.ClientSecret = s.credentials.Secret.Reveal()
	if s.credentials.SecretFile != "" {
		secret, err := readText("client_secret_file", s.credentials.SecretFile)
		if err != nil {
			return granted{}, err
		}
		s.secrets.add(secret)
		config.ClientSecret = secret.Reveal()
	}
	began := time.Now()
	got, err := config.Token(context.WithValue(limited, oauth2.HTTPClient, s.http))
	if err == nil {
		answer := granted{text: inputs.Secret(got.AccessToken)}
		if !got.Expiry.IsZero() {
			answer.life = got.Expiry.Sub(began)
		}
		return answer, nil
	}
	if isNetwork(err) || caller.Err() != nil {
		return granted{}, broken(caller, limited, opToken, err)
	}
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return granted{}, s.refusal(refusal)
	}
	return granted{}, stranger()
}

// stranger is the error of an answer that no token service gives.
func stranger() *Error {
	return &Error{Op: opToken, Status: http.StatusOK, Kind: Malformed,
		Message: "the answer is not that of a token endpoint", Hint: hintStranger}
}

// isNetwork reports whether oauth2 got no answer: the rest of its errors are
// about what an answer holds.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

// refusal makes an Error of what oauth2 found out. That library's own text
// holds the body and is never used.
func (s *secretSource) refusal(r *oauth2.RetrieveError) error {
	return refusedToken(r.Response, r.Body, s.secrets.scrub)
}

// refusedToken makes an Error of an answer that is not a success.
func refusedToken(r *http.Response, body []byte, scrub func(string) string) *Error {
	if r.StatusCode >= 300 && r.StatusCode < 400 {
		return redirected(opToken, r, "check login_url", scrub)
	}
	body = body[:min(len(body), errorBodyLimit)]
	return parseTokenError(r.StatusCode, r.Header, body, time.Now(), scrub)
}

func (s *secretSource) ends() (time.Time, error) { return s.credentials.SecretExpires, nil }

func (s *secretSource) facts() []string {
	if s.credentials.SecretFile != "" {
		return []string{"client secret from a file, read again for every token"}
	}
	return []string{"client secret"}
}
