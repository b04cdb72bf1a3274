package identitytest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// Audience is whom assertions for Entra are made out to.
const Audience = "api://AzureADTokenExchange"

// Issuer signs assertions, as Kubernetes, a CI or Elastic's agentless does. As an
// http.Handler it is the one beside an agentless agent: it knows its callers by
// their certificates.
type Issuer struct {
	URL, Subject string

	mu       sync.Mutex
	failures []int // statuses of the next answers
	calls    int
	given    []string
}

// Trust is the federated credential that trusts the issuer.
func (i *Issuer) Trust() defendertest.FederatedCredential {
	return defendertest.FederatedCredential{Issuer: i.URL, Subject: i.Subject, Audience: Audience, Key: &issuerKey().PublicKey}
}

// Assertion is signed and valid for an hour; change may spoil its claims.
func (i *Issuer) Assertion(change ...func(*jwt.RegisteredClaims)) string {
	now := time.Now()
	claims := &jwt.RegisteredClaims{
		Issuer: i.URL, Subject: i.Subject, Audience: jwt.ClaimStrings{Audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
	}
	for _, f := range change {
		f(claims)
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(issuerKey())
	if err != nil {
		panic(err) // of a key made here
	}
	return signed
}

// FailNext makes the next answers fail with these statuses.
func (i *Issuer) FailNext(statuses ...int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failures = append(i.failures, statuses...)
}

// Calls is how often the issuer was asked.
func (i *Issuer) Calls() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls
}

// Given are the assertions that were handed out over HTTP.
func (i *Issuer) Given() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.given...)
}

// ServeHTTP implements http.Handler.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	var asked struct {
		Audience string `json:"aud"`
	}
	switch {
	case len(i.failures) > 0:
		w.WriteHeader(i.failures[0])
		i.failures = i.failures[1:]
		return
	case r.Method != http.MethodPost || r.URL.Path != "/token":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.TLS == nil || len(r.TLS.PeerCertificates) == 0:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Audience != Audience:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	assertion := i.Assertion()
	i.given = append(i.given, assertion)
	fmt.Fprintf(w, `{"token":%q,"expires_at":%d}`, assertion, time.Now().Add(time.Hour).Unix())
}
