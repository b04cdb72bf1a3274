package api_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

const loginHost, apiHost = "login.example", "api.example"

// rig is a simulated tenant and what vouches for us beside it.
type rig struct {
	*testing.T
	tenant *defendertest.Tenant
	hosts  identitytest.Hosts
	config api.Config
}

func newRig(t *testing.T, credentials api.Credentials) *rig {
	r := &rig{T: t, tenant: defendertest.New(defendertest.Options{Seed: 1, Alerts: 3})}
	r.hosts = identitytest.Hosts{loginHost: r.tenant, apiHost: r.tenant}
	r.config = api.Config{
		URL: "https://" + apiHost, LoginURL: "https://" + loginHost,
		TenantID: defendertest.TenantID, ClientID: defendertest.ClientID, Credentials: credentials,
		Scopes: []string{defendertest.Scope}, RoundTripper: r.hosts, Timeout: 5 * time.Second,
	}
	return r
}

// poll reads the alerts with a new client, so with a new token.
func (r *rig) poll() error {
	r.Helper()
	records, _, err := read(r.Context(), newClient(r.T, r.config))
	if err == nil && len(records) != 3 {
		r.Errorf("%d records", len(records))
	}
	return err
}

// works wants a token and the alerts.
func (r *rig) works() {
	r.Helper()
	if err := r.poll(); err != nil {
		r.Errorf("got %v", err)
	}
}

// refused wants an error with a reason.
func (r *rig) refused(reason api.Reason, words ...string) {
	r.Helper()
	err := r.poll()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Reason() != reason {
		r.Errorf("got %v (reason %v), want reason %v", err, e.Reason(), reason)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Error()+" "+e.Hint, w) {
			r.Errorf("no %q in %v; %s", w, e, e.Hint)
		}
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	r := newRig(t, api.Credentials{SecretFile: path})
	r.refused(api.CredentialsUnreadable, "client_secret_file: no such file")
	write(t, path, " \n")
	r.refused(api.CredentialsUnreadable, "empty")
	write(t, path, "another")
	r.refused(api.WrongSecret)
	write(t, path, strings.Repeat("x", 1<<20))
	r.refused(api.CredentialsUnreadable, "longer")
	write(t, path, defendertest.ClientSecret+"\n")
	r.works()
}

// inYears is far enough for every test, and inside what fits in a certificate.
func inYears(n int) time.Time { return time.Now().AddDate(n, 0, 0) }

// TestCertificateForms: all that tools write is taken, inline and from files.
func TestCertificateForms(t *testing.T) {
	const phrase = "pass phrase 0123"
	c := identitytest.NewCertificate("collector", inYears(1), 0)
	dir := t.TempDir()
	file := func(name, text string) inputs.Secret { return inputs.Secret(write(t, filepath.Join(dir, name), text)) }
	for name, credentials := range map[string]api.Credentials{
		"PEM in one text":        {Certificate: inputs.Secret(c.CertificatePEM() + c.KeyPEM())},
		"PEM in two texts":       {Certificate: inputs.Secret(c.CertificatePEM()), Key: inputs.Secret(c.KeyPEM())},
		"key first":              {Certificate: inputs.Secret(c.KeyPEM() + c.CertificatePEM())},
		"PKCS#1 key":             {Certificate: inputs.Secret(c.CertificatePEM() + c.KeyPKCS1PEM())},
		"encrypted key":          {Certificate: inputs.Secret(c.CertificatePEM()), Key: inputs.Secret(c.EncryptedKeyPEM(phrase)), Passphrase: phrase},
		"encrypted, in one text": {Certificate: inputs.Secret(c.CertificatePEM() + c.EncryptedKeyPEM(phrase)), Passphrase: phrase},
		"PEM file":               {Certificate: file("a.pem", c.CertificatePEM()+c.KeyPEM())},
		"PEM files":              {Certificate: file("b.crt", c.CertificatePEM()), Key: file("b.key", c.KeyPEM())},
		"file and text":          {Certificate: file("c.crt", c.CertificatePEM()), Key: inputs.Secret(c.KeyPEM())},
		"PKCS#12 file":           {Certificate: file("d.pfx", string(c.PKCS12(phrase, false))), Passphrase: phrase},
		"older PKCS#12 file":     {Certificate: file("e.pfx", string(c.PKCS12(phrase, true))), Passphrase: phrase},
		"PKCS#12 as base64":      {Certificate: inputs.Secret(c.PKCS12Base64(phrase)), Passphrase: phrase},
	} {
		t.Run(name, func(t *testing.T) {
			credentials.Kind = api.Certificate
			r := newRig(t, credentials)
			r.tenant.TrustCertificate(c.Certificate)
			r.works()
			if request := r.tenant.Requests(); !strings.HasSuffix(request[0].Path, defendertest.DiscoveryPath) || len(request) != 3 {
				t.Errorf("requests: %+v", request)
			}
		})
	}
}

// TestCertificateRefused: every check of the token service fails once.
func TestCertificateRefused(t *testing.T) {
	c, other := identitytest.NewCertificate("collector", inYears(1), 0), identitytest.NewCertificate("other", inYears(1), 1)
	ended := identitytest.NewCertificate("ended", time.Now().Add(-time.Hour), 0)
	elliptic := identitytest.NewElliptic("elliptic", inYears(1))
	text := func(c *identitytest.Certificate) inputs.Secret {
		return inputs.Secret(c.CertificatePEM() + c.KeyPEM())
	}
	for name, test := range map[string]struct {
		credentials api.Credentials
		change      func(*rig)
		reason      api.Reason
		words       string
	}{
		"not uploaded":       {api.Credentials{Certificate: text(other)}, nil, api.CertificateRefused, "upload the certificate"},
		"has ended":          {api.Credentials{Certificate: text(ended)}, func(r *rig) { r.tenant.TrustCertificate(ended.Certificate) }, api.CertificateExpired, "new certificate"},
		"other application":  {api.Credentials{Certificate: text(c)}, func(r *rig) { r.config.ClientID = "00000000-0000-0000-0000-000000000001" }, api.UnknownApplication, "client_id"},
		"other tenant":       {api.Credentials{Certificate: text(c)}, func(r *rig) { r.config.TenantID = "nowhere.example" }, api.UnknownTenant, "tenant_id"},
		"clock is wrong":     {api.Credentials{Certificate: text(c)}, func(r *rig) { r.tenant.MoveClock(time.Hour) }, api.AssertionRefused, "clock"},
		"wrong scope":        {api.Credentials{Certificate: text(c)}, func(r *rig) { r.config.Scopes = []string{"https://graph.microsoft.com/.default"} }, api.WrongCloud, "token_scopes"},
		"key of another":     {api.Credentials{Certificate: inputs.Secret(c.CertificatePEM()), Key: inputs.Secret(other.KeyPEM())}, nil, api.CredentialsUnreadable, "not one pair"},
		"no key":             {api.Credentials{Certificate: inputs.Secret(c.CertificatePEM())}, nil, api.CredentialsUnreadable, "private key"},
		"elliptic":           {api.Credentials{Certificate: text(elliptic)}, nil, api.CredentialsUnreadable, "ECDSA"},
		"wrong pass phrase":  {api.Credentials{Certificate: inputs.Secret(c.PKCS12Base64("right")), Passphrase: "wrong"}, nil, api.CredentialsUnreadable, "key_passphrase"},
		"no pass phrase":     {api.Credentials{Certificate: inputs.Secret(c.CertificatePEM() + c.EncryptedKeyPEM("x"))}, nil, api.CredentialsUnreadable, "key_passphrase"},
		"no base64":          {api.Credentials{Certificate: "MIIx*"}, nil, api.CredentialsUnreadable, "base64"},
		"no PKCS#12":         {api.Credentials{Certificate: "MIIC"}, nil, api.CredentialsUnreadable, "PKCS#12"},
		"file is not there":  {api.Credentials{Certificate: "/no/such/file.pem"}, nil, api.CredentialsUnreadable, "certificate: no such file"},
		"service is another": {api.Credentials{Certificate: text(c)}, func(r *rig) { r.hosts[loginHost] = http.NotFoundHandler() }, api.AnswerUnusable, "login_url"},
		"redirected": {api.Credentials{Certificate: text(c)}, func(r *rig) {
			r.hosts[loginHost] = http.RedirectHandler("https://evil.example/", http.StatusTemporaryRedirect)
		}, api.SettingsUnfit, "redirected to evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			test.credentials.Kind = api.Certificate
			r := newRig(t, test.credentials)
			r.tenant.TrustCertificate(c.Certificate)
			if test.change != nil {
				test.change(r)
			}
			r.refused(test.reason, test.words)
		})
	}
}

// TestCertificateChain: trust by name and issuer needs the chain in the assertion.
func TestCertificateChain(t *testing.T) {
	ca := identitytest.NewCertificate("authority", inYears(1), 1)
	own := identitytest.NewSigned("collector", inYears(1), 0, ca)
	r := newRig(t, api.Credentials{Kind: api.Certificate, Certificate: inputs.Secret(own.CertificatePEM() + own.KeyPEM())})
	r.tenant.TrustSubject("collector", ca.Certificate)
	r.refused(api.CertificateRefused)
	r.config.Credentials.SendChain = true
	r.works()
}

// TestAssertionRefused: every part of an assertion is compared, and a wrong one
// distinguished.
func TestAssertionRefused(t *testing.T) {
	issuer := &identitytest.Issuer{URL: "https://issuer.example", Subject: "system:serviceaccount:elastic:agent"}
	for name, test := range map[string]struct {
		spoil  func(*jwt.RegisteredClaims)
		reason api.Reason
		words  string
	}{
		"issuer":   {func(c *jwt.RegisteredClaims) { c.Issuer = "https://other.example" }, api.FederationUnknown, "issuer"},
		"subject":  {func(c *jwt.RegisteredClaims) { c.Subject = "system:serviceaccount:elastic:other" }, api.FederationUnknown, "subject"},
		"audience": {func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"api://other"} }, api.FederationUnknown, "audience"},
		"expiry": {func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Hour)) },
			api.AssertionRefused, "AADSTS700024"},
		"signature": {nil, api.AssertionRefused, "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			assertion := issuer.Assertion()
			if test.spoil != nil {
				assertion = issuer.Assertion(test.spoil)
			} else {
				assertion = assertion[:len(assertion)-8] + "AAAAAAAA"
			}
			path := write(t, filepath.Join(t.TempDir(), "token"), assertion)
			for _, kind := range []api.CredentialKind{api.WorkloadIdentity, api.AssertionFile, api.Federated} {
				r := newRig(t, api.Credentials{Kind: kind, AssertionFile: path})
				r.tenant.Federate(issuer.Trust())
				r.refused(test.reason, test.words)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "token")
	r := newRig(t, api.Credentials{Kind: api.WorkloadIdentity, AssertionFile: path})
	r.tenant.Federate(issuer.Trust())
	r.refused(api.CredentialsUnreadable, "assertion_file: no such file")
	write(t, path, issuer.Assertion())
	r.works()
	write(t, path, "no token\n")
	r.refused(api.CredentialsRefused)
}
