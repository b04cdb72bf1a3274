package api_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// TestSecretsOfOtherKindsNeverInErrors: the token service repeats assertion, file
// content and settings wherever it can.
func TestSecretsOfOtherKindsNeverInErrors(t *testing.T) {
	c := identitytest.NewCertificate("collector", inYears(1), 0)
	issuer := &identitytest.Issuer{URL: "https://issuer.example", Subject: "collector"}
	path := write(t, filepath.Join(t.TempDir(), "secret"), "secret-in-a-file")
	assertion := issuer.Assertion()
	for name, credentials := range map[string]api.Credentials{
		"file":        {SecretFile: path},
		"certificate": {Kind: api.Certificate, Certificate: inputs.Secret(c.CertificatePEM() + c.EncryptedKeyPEM("pass-phrase-0123")), Passphrase: "pass-phrase-0123"},
		"assertion":   {Kind: api.AssertionFile, AssertionFile: write(t, filepath.Join(t.TempDir(), "token"), assertion)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, credentials)
			sent := ""
			r.hosts[loginHost] = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodGet {
					r.tenant.ServeHTTP(w, q)
					return
				}
				_ = q.ParseForm()
				sent = q.PostForm.Get("client_assertion") + q.PostForm.Get("client_secret")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q,"error_codes":[7000215]}`, sent+" "+credentials.Passphrase.Reveal()+" "+url.QueryEscape(sent))
			})
			err := r.poll()
			e, _ := errors.AsType[*api.Error](err)
			if all := fmt.Sprintf("%v %+v", err, e); sent == "" || strings.Contains(all, sent) || strings.Contains(all, "pass-phrase") || strings.Contains(all, "secret-in-a-file") {
				t.Errorf("shows a secret: %s", all)
			}
		})
	}
}

const bearer = "bearer-token-0123456789"

// failingPaths are servers that repeat the secret and the token wherever they can.
func failingPaths() map[string]*fake {
	echo := strings.Join([]string{secret, url.QueryEscape(secret), url.PathEscape(secret)}, " ")
	entraError := fmt.Sprintf(`{"error":%q,"error_description":%q,"correlation_id":%q}`, echo, echo, echo)
	echo += " " + bearer // which the token service has not given out when it refuses
	apiError := fmt.Sprintf(`{"error":{"code":%q,"message":%q,"target":%q}}`, echo, echo, echo)
	padded := fmt.Sprintf(`{"error":{"message":%q}}`, strings.Repeat("x", 290)+secret)
	location := "/" + url.PathEscape(secret) + "?token=" + bearer
	paths := map[string]*fake{
		"token network": {token: func(_ int, r *http.Request) (*http.Response, error) { return nil, errors.New("reset") }},
		"other answer":  {token: always(200, echo)},
		"token page":    {token: always(403, "<html>"+echo)},
		"error as text": {token: always(401, "error="+url.QueryEscape(echo), "Content-Type", "text/plain")},
		"api network":   {list: func(_ int, r *http.Request) (*http.Response, error) { return nil, errors.New("reset") }},
		"cut body": {list: func(int, *http.Request) (*http.Response, error) {
			return streamed(200, io.NopCloser(io.MultiReader(strings.NewReader(`{"value":["`+echo), failing{errors.New("reset")})))
		}},
		"list of no JSON":  {list: always(200, echo)},
		"late trouble":     {list: always(200, `{"value":[],`+apiError[1:])},
		"media type":       {list: always(200, "x", "Content-Type", "text/"+bearer)},
		"cut at the limit": {list: always(400, padded)},
	}
	for _, status := range []int{200, 302, 400, 401, 403, 429, 500} {
		paths[fmt.Sprint("token ", status)] = &fake{token: always(status, entraError, "Location", "https://host"+location, "Retry-After", "900")}
		paths[fmt.Sprint("api ", status)] = &fake{list: always(status, apiError, "Location", "https://"+bearer+location, "Retry-After", "900", "X-Ms-Request-Id", echo)}
	}
	return paths
}

// TestSecretNeverInErrors drives every failing path with a server that repeats
// the secret and the token wherever it can.
func TestSecretNeverInErrors(t *testing.T) {
	for name, f := range failingPaths() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if f.token == nil {
					f.token = func(int, *http.Request) (*http.Response, error) { return granted(bearer, "3599") }
				}
				c := config(f)
				seen := ""
				c.TraceFile = filepath.Join(t.TempDir(), "trace")
				c.Observe = func(call api.Call) { seen += fmt.Sprintf("%+v", call) }
				client := newClient(t, c)
				_, _, err := read(t.Context(), client)
				if err == nil {
					t.Fatal("no error")
				}
				e, _ := errors.AsType[*api.Error](err)
				seen += fmt.Sprintf("%v %+v %#v %+v %+v", err, err, e, *client, c)
				client.Close()
				trace := traces(t, c.TraceFile)
				if trace == "" {
					t.Error("no trace was written")
				}
				seen += trace
				for _, hidden := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), secret[:12], bearer} {
					if strings.Contains(seen, hidden) {
						t.Errorf("%q shows in %s", hidden, seen)
					}
				}
			})
		})
	}
}
