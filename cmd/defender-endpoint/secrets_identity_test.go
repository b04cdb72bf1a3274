package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// echo is a token service that refuses, and repeats what it was sent.
type echo struct {
	http.Handler // for all but requests of tokens

	mu   sync.Mutex
	sent []string
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		e.Handler.ServeHTTP(w, r)
		return
	}
	_ = r.ParseForm()
	e.mu.Lock()
	defer e.mu.Unlock()
	sent := r.PostForm.Get("client_assertion") + r.PostForm.Get("client_secret")
	e.sent = append(e.sent, sent)
	all := sent + " " + url.QueryEscape(sent)
	w.Header().Set("X-Ms-Request-Id", all)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, defendertest.TokenError("invalid_client", 700027, all))
}

// TestSecretsOfOtherCredentialsStayInside plants private keys, pass phrases,
// assertions, contents of files and the environment, as TestSecretsStayInside does
// the client secret.
func TestSecretsOfOtherCredentialsStayInside(t *testing.T) {
	leaveOut(t, "TestSecretsOfOtherKindsNeverInErrors of inputs/defender/api")
	t.Parallel()
	const phrase, inFile = "pass-phrase-0123", "secret-of-a-file-0123"
	r := newRig(t, defendertest.Options{Seed: 72, Alerts: 3})
	service := &identitytest.Service{Kind: identitytest.AppService, Tenant: r.tenant}
	for name, value := range service.Environment(listen(t, service)) {
		r.environ = append(r.environ, name+"="+value)
	}
	token := &echo{Handler: r.tenant}
	login := httptest.NewTLSServer(token)
	t.Cleanup(login.Close)
	c := identitytest.NewCertificate("collector", inAYear(), 0)
	assertion := caseIssuer.Assertion()
	kinds := []map[string]any{
		{"credentials": "certificate", "certificate": c.CertificatePEM(), "key": c.EncryptedKeyPEM(phrase), "key_passphrase": phrase},
		{"credentials": "certificate", "certificate": c.CertificatePEM(), "key": c.EncryptedKeyPEM("another"), "key_passphrase": phrase},
		{"credentials": "certificate", "certificate": c.CertificatePEM() + c.KeyPEM()},
		{"credentials": "certificate", "certificate": c.PKCS12Base64(phrase), "key_passphrase": phrase},
		{"credentials": "certificate", "certificate": r.put("c.pem", c.KeyPEM()), "key": r.put("k.pem", c.CertificatePEM())},
		{"credentials": "assertion_file", "assertion_file": r.put("assertion", assertion)},
		{"client_secret": "", "client_secret_file": r.put("secret", inFile)},
		{"credentials": "managed_identity", "client_id": ""},
	}
	var seen strings.Builder
	for i, settings := range kinds {
		settings["enable_request_tracer"], settings["login_url"] = true, login.URL
		settings["ssl"] = map[string]any{"certificate_authorities": []any{identitytest.EncodePEM(login.Certificate())}}
		settings["tags"] = []any{fmt.Sprint("kind-", i)} // a stream of its own, so that its trouble is
		r.set(r.input(settings), elasticsearchUnit(r.esURL))
		if i == 0 {
			r.start()
		}
		r.wait(fmt.Sprint("kind ", i), func(s agenttest.States) bool {
			return s[inputKey].Current && s[inputKey].State == client.UnitStateFailed
		})
		r.look(&seen, "test_connection")
	}
	r.stop()
	r.recall(&seen)
	readAll(t, r.dir, &seen)
	if len(token.sent) < 5 {
		t.Errorf("the token service was asked %d times", len(token.sent))
	}
	secrets := append([]string{phrase, inFile, assertion, identitytest.IdentityHeader, c.PKCS12Base64(phrase), "Bearer ", "eyJ0"}, token.sent...)
	expectHidden(t, seen.String(), append(secrets, keyLines(c.KeyPEM()+c.EncryptedKeyPEM(phrase))...)...)
}

// keyLines are the lines of PEM text that say something.
func keyLines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return line == "" || strings.HasPrefix(line, "-") })
}
