package defendertest

import (
	"crypto"
	"crypto/sha1" //nolint:gosec // a thumbprint, as the service takes it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DiscoveryPath is how the path of the document ends by which clients find the
// token endpoint.
const DiscoveryPath = "/v2.0/.well-known/openid-configuration"

// assertionType is the only one that the token service takes.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// FederatedCredential is whose assertions the application trusts: all three must be
// equal, letter by letter. Key is that of the issuer, which the service fetches.
type FederatedCredential struct {
	Issuer, Subject, Audience string
	Key                       crypto.PublicKey
}

// trustedSubject is trust in any certificate an authority gave to a name.
type trustedSubject struct {
	name string
	ca   *x509.Certificate
}

// TrustCertificate uploads certificates to the application in place of those it had.
func (t *Tenant) TrustCertificate(certificates ...*x509.Certificate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.certificates = slices.Clone(certificates)
}

// TrustSubject trusts certificates of a common name that ca signed, if the assertion
// carries its chain.
func (t *Tenant) TrustSubject(name string, ca *x509.Certificate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.subjects = append(t.entra.subjects, trustedSubject{name, ca})
}

// Federate gives the application federated credentials in place of those it had.
func (t *Tenant) Federate(credentials ...FederatedCredential) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.federated = slices.Clone(credentials)
}

func (t *Tenant) serveDiscovery(e *exchange) {
	tenant := strings.Trim(strings.TrimSuffix(e.request.URL.Path, DiscoveryPath), "/")
	if !strings.EqualFold(tenant, t.options.TenantID) && tenant != Domain {
		e.failToken(http.StatusBadRequest, "invalid_tenant", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", tenant))
		return
	}
	base := "https://" + e.request.Host + "/"
	body, _ := json.Marshal(map[string]string{
		"issuer": base + t.options.TenantID + "/v2.0", "token_endpoint": base + tenant + TokenPath,
		"authorization_endpoint": base + tenant + "/oauth2/v2.0/authorize",
	})
	e.text(http.StatusOK, "application/json; charset=utf-8", string(body))
}

// assertionRefusal is why an assertion is not taken.
type assertionRefusal struct {
	code int
	text string
}

func refuseAssertion(code int, format string, args ...any) *assertionRefusal {
	return &assertionRefusal{code, fmt.Sprintf(format, args...)}
}

// judgeAssertion checks an assertion as the service's pages say. One that is made
// out by the application itself is signed with a certificate's key; any other is an
// issuer's.
func (t *Tenant) judgeAssertion(r *http.Request) *assertionRefusal {
	if r.PostForm.Get("client_assertion_type") != assertionType {
		return refuseAssertion(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
	}
	text := r.PostForm.Get("client_assertion")
	var claims jwt.RegisteredClaims
	token, _, err := jwt.NewParser().ParseUnverified(text, &claims)
	if err != nil {
		return refuseAssertion(50027, "JWT token is invalid or malformed.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var key crypto.PublicKey
	var refusal *assertionRefusal
	if client := t.options.ClientID; claims.Issuer == client {
		key, refusal = t.ownKey(token, claims, "https://"+r.Host+r.URL.Path)
	} else {
		key, refusal = t.federatedKey(claims)
	}
	if refusal != nil {
		return refusal
	}
	now := t.Now()
	if claims.ExpiresAt == nil || now.After(claims.ExpiresAt.Time) || claims.NotBefore != nil && now.Add(5*time.Minute).Before(claims.NotBefore.Time) {
		return refuseAssertion(700024, "Client assertion is not within its valid time range. Current time: %s.", now.UTC().Format(time.RFC3339))
	}
	check := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"PS256", "RS256", "ES256"}))
	if _, err := check.Parse(text, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		if claims.Issuer == t.options.ClientID {
			return refuseAssertion(700027, "Client assertion contains an invalid signature. [Reason - The provided signature value did not match the expected signature value.]")
		}
		return refuseAssertion(5002738, "Invalid JWT token. Token signature verification failed.")
	}
	return nil
}

// ownKey is that of the certificate which an assertion names.
func (t *Tenant) ownKey(token *jwt.Token, claims jwt.RegisteredClaims, endpoint string) (crypto.PublicKey, *assertionRefusal) {
	switch {
	case claims.Subject != t.options.ClientID:
		return nil, refuseAssertion(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case !slices.Contains(claims.Audience, endpoint):
		return nil, refuseAssertion(700023, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .")
	}
	named := t.named(token.Header)
	if named == nil {
		return nil, refuseAssertion(700027, "Client assertion contains an invalid signature. [Reason - The key was not found., Thumbprint of key used by client: '%v']", token.Header["x5t#S256"])
	}
	if t.Now().After(named.NotAfter) {
		return nil, refuseAssertion(700027, "Client assertion contains an invalid signature. [Reason - The key used is expired., Thumbprint of key used by client: '%v']", token.Header["x5t#S256"])
	}
	return named.PublicKey, nil
}

// named finds the certificate by the thumbprint in a header, in either length and
// either alphabet; or by the chain, where its subject is trusted.
func (t *Tenant) named(header map[string]any) *x509.Certificate {
	matches := func(c *x509.Certificate) bool {
		long, short := sha256.Sum256(c.Raw), sha1.Sum(c.Raw) //nolint:gosec // see the import
		for name, sum := range map[string][]byte{"x5t#S256": long[:], "x5t": short[:]} {
			text, _ := header[name].(string)
			if text == base64.StdEncoding.EncodeToString(sum) || text == base64.RawURLEncoding.EncodeToString(sum) {
				return true
			}
		}
		return false
	}
	for _, c := range t.entra.certificates {
		if matches(c) {
			return c
		}
	}
	chain, _ := header["x5c"].([]any)
	if len(chain) == 0 {
		return nil
	}
	text, _ := chain[0].(string)
	der, _ := base64.StdEncoding.DecodeString(text)
	own, err := x509.ParseCertificate(der)
	if err != nil || !matches(own) {
		return nil
	}
	for _, s := range t.entra.subjects {
		if own.Subject.CommonName == s.name && own.CheckSignatureFrom(s.ca) == nil {
			return own
		}
	}
	return nil
}

// federatedKey is that of the issuer whom the application trusts.
func (t *Tenant) federatedKey(claims jwt.RegisteredClaims) (crypto.PublicKey, *assertionRefusal) {
	left := slices.Clone(t.entra.federated)
	for _, part := range []struct {
		name string
		code int
		of   func(FederatedCredential) bool
	}{
		{"issuer", 700211, func(c FederatedCredential) bool { return c.Issuer == claims.Issuer }},
		{"audience", 700212, func(c FederatedCredential) bool { return slices.Contains(claims.Audience, c.Audience) }},
		{"subject", 700213, func(c FederatedCredential) bool { return c.Subject == claims.Subject }},
	} {
		left = slices.DeleteFunc(left, func(c FederatedCredential) bool { return !part.of(c) })
		if len(left) == 0 {
			return nil, refuseAssertion(part.code, "No matching federated identity record found for presented assertion %s. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion.", part.name)
		}
	}
	return left[0].Key, nil
}
