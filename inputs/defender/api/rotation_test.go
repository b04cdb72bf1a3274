package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/httpcommon"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

func proxyURL(t *testing.T, text string) *httpcommon.ProxyURI {
	t.Helper()
	u, err := httpcommon.NewProxyURIFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// replaceFile puts a file in place at once, as tools that rotate secrets do.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// rotating counts requests for tokens by the credential they carry.
type rotating struct {
	*rig
	mu            sync.Mutex
	isNew         func(url.Values) bool
	seen          chan struct{} // closed with the first of used and tooLate
	used, tooLate int           // requests with the new credential, and with the former one after it
	underWay      int
}

func (r *rotating) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	form, _ := io.ReadAll(q.Body)
	q.Body = io.NopCloser(bytes.NewReader(form))
	if values, _ := url.ParseQuery(string(form)); len(values) > 0 {
		r.mu.Lock()
		switch former := !r.isNew(values); {
		case former && r.used == 0 && r.underWay == 0:
			r.underWay++ // one client asks once at a time, and had read the file before
		case former:
			r.tooLate++
		default:
			r.used++
		}
		if r.used+r.tooLate == 1 {
			close(r.seen)
		}
		r.mu.Unlock()
	}
	r.tenant.ServeHTTP(w, q)
}

func (r *rotating) late() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tooLate
}

// replaced says that a new credential is in place.
func (r *rotating) replaced(isNew func(url.Values) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isNew, r.used, r.tooLate, r.underWay, r.seen = isNew, 0, 0, 0, make(chan struct{})
}

// rotations replace the credential in a file by the nth one. The token service
// takes the former one until finish, as Entra does until somebody removes it.
func rotations(path string) map[string]struct {
	credentials api.Credentials
	rotate      func(r *rotating, n int) (finish func())
} {
	issuer := &identitytest.Issuer{URL: "https://issuer.example"}
	var certificates []*x509.Certificate
	return map[string]struct {
		credentials api.Credentials
		rotate      func(r *rotating, n int) (finish func())
	}{
		"secret": {api.Credentials{SecretFile: path}, func(r *rotating, n int) func() {
			secret := fmt.Sprint("secret-", n)
			replaceFile(r.T, path, secret)
			r.tenant.TrustSecrets(fmt.Sprint("secret-", n-1), secret)
			r.replaced(func(form url.Values) bool { return form.Get("client_secret") == secret })
			return func() { r.tenant.TrustSecrets(secret) }
		}},
		"certificate": {api.Credentials{Kind: api.Certificate, Certificate: inputs.Secret(path)}, func(r *rotating, n int) func() {
			c := identitytest.NewCertificate("collector", inYears(1), n)
			certificates = append(certificates, c.Certificate)
			r.tenant.TrustCertificate(certificates[max(0, n-1):]...)
			replaceFile(r.T, path, c.CertificatePEM()+c.KeyPEM())
			sum := sha256.Sum256(c.Raw)
			r.replaced(func(form url.Values) bool {
				header, _, _ := strings.Cut(form.Get("client_assertion"), ".")
				text, _ := base64.RawURLEncoding.DecodeString(header)
				return bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(sum[:])))
			})
			return func() { r.tenant.TrustCertificate(c.Certificate) }
		}},
		"assertion": {api.Credentials{Kind: api.WorkloadIdentity, AssertionFile: path}, func(r *rotating, n int) func() {
			former := issuer.Trust()
			issuer.Subject = fmt.Sprint("collector-", n)
			r.tenant.Federate(former, issuer.Trust())
			assertion := issuer.Assertion()
			replaceFile(r.T, path, assertion)
			r.replaced(func(form url.Values) bool { return form.Get("client_assertion") == assertion })
			return func() { r.tenant.Federate(issuer.Trust()) }
		}},
	}
}

// callers read without end, each in a goroutine of its own.
type callers struct {
	sync.WaitGroup
	ctx   context.Context
	polls [8]atomic.Int64
}

func (c *callers) start(t *testing.T, client *api.Client, stop func()) {
	for i := range c.polls {
		c.Go(func() {
			for c.ctx.Err() == nil {
				if _, _, err := read(c.ctx, client); err != nil && c.ctx.Err() == nil {
					t.Errorf("poll lost: %v", err)
					stop()
				}
				c.polls[i].Add(1)
			}
		})
	}
}

// everyPolled waits until each caller began and ended a poll from now on.
func (c *callers) everyPolled() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range c.polls {
		for from := c.polls[i].Load(); c.polls[i].Load() < from+2 && c.ctx.Err() == nil; {
			<-tick.C
		}
	}
}

// TestRotationUnderLoad: eight callers read while the credential is replaced three
// times, each time with tokens that end at once. No call fails, and once the new
// credential was used the former one never is again.
func TestRotationUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credential")
	for name, test := range rotations(path) {
		t.Run(name, func(t *testing.T) {
			r := &rotating{rig: newRig(t, test.credentials)}
			r.hosts[loginHost] = r
			r.config.Pace = api.NewPace(api.Limit{PerMinute: 1e9, PerHour: 1e9})
			test.rotate(r, 0)()
			ctx, stop := context.WithCancel(t.Context())
			c := &callers{ctx: ctx}
			defer c.Wait()
			defer stop()
			c.start(t, newClient(t, r.config), stop)
			for n := range 3 {
				c.everyPolled()
				finish := test.rotate(r, n+1)
				r.tenant.RevokeTokens() // so that a new one is needed now and not in an hour
				c.everyPolled()
				r.tenant.RevokeTokens() // again, for a request that was under way the first time
				select {
				case <-r.seen:
				case <-ctx.Done():
				}
				if finish(); r.late() > 0 {
					t.Fatalf("%d requests with a former credential", r.late())
				}
			}
			c.everyPolled()
			stop()
			c.Wait()
			if r.late() > 0 {
				t.Errorf("%d requests with a former credential", r.late())
			}
		})
	}
}

// TestTokenRefusedIsRenewedOnce with every kind that keeps a cache in its library.
func TestTokenRefusedIsRenewedOnce(t *testing.T) {
	c := identitytest.NewCertificate("collector", inYears(1), 0)
	certificate := newRig(t, api.Credentials{Kind: api.Certificate, Certificate: inputs.Secret(c.CertificatePEM() + c.KeyPEM())})
	certificate.tenant.TrustCertificate(c.Certificate)
	managed, _ := managedRig(t, identitytest.IMDS)
	for name, r := range map[string]*rig{"certificate": certificate, "managed identity": managed} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, r.config)
			for range 2 {
				if _, _, err := read(t.Context(), client); err != nil {
					t.Fatal(err)
				}
				r.tenant.RevokeTokens()
			}
			if _, _, err := read(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			lists := 0
			for _, request := range r.tenant.Requests() {
				if request.Path == "/api/alerts" {
					lists++
				}
			}
			if lists != 1+2+2 {
				t.Errorf("%d calls of the list, want 5", lists)
			}
		})
	}
}

// TestSettingsHoldForTokenCalls: certificates and proxy of the input are those of
// token requests of every kind.
func TestSettingsHoldForTokenCalls(t *testing.T) {
	c := identitytest.NewCertificate("collector", inYears(1), 0)
	r := newRig(t, api.Credentials{Kind: api.Certificate, Certificate: inputs.Secret(c.CertificatePEM() + c.KeyPEM())})
	r.tenant.TrustCertificate(c.Certificate)
	login := httptest.NewTLSServer(r.tenant)
	defer login.Close()
	r.config.RoundTripper, r.config.LoginURL, r.config.URL = nil, login.URL, login.URL
	r.refused(api.Untrusted, "ssl.certificate_authorities")
	ca := identitytest.EncodePEM(login.Certificate())
	r.config.Transport.TLS = &tlscommon.Config{CAs: []string{ca}}
	r.works()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer proxy.Close()
	r.config.Transport.Proxy.URL = proxyURL(t, proxy.URL)
	r.refused(api.ProxyRefuses, "proxy_url")
}

// TestTokenServiceOnAnotherHost: a discovery document may name any host; the
// credential goes to none but the configured one.
func TestTokenServiceOnAnotherHost(t *testing.T) {
	issuer := &identitytest.Issuer{URL: "https://issuer.example", Subject: "collector"}
	r := newRig(t, api.Credentials{Kind: api.AssertionFile, AssertionFile: write(t, filepath.Join(t.TempDir(), "token"), issuer.Assertion())})
	r.tenant.Federate(issuer.Trust())
	stolen := false
	r.hosts["evil.example"] = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true })
	r.hosts[loginHost] = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = w.Write([]byte(`{"issuer":"https://login.example/x","authorization_endpoint":"https://evil.example/a","token_endpoint":"https://evil.example/token"}`))
	})
	r.refused(api.SettingsUnfit, "evil.example")
	if stolen {
		t.Error("the assertion left")
	}
}

// TestIssuer: the service beside an agentless agent is asked with the certificate
// that is in its files now.
func TestIssuer(t *testing.T) {
	issuer := &identitytest.Issuer{URL: "https://issuer.example", Subject: "connector"}
	own := identitytest.NewCertificate("pod", inYears(1), 0)
	server := httptest.NewUnstartedServer(issuer)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{{Certificate: [][]byte{own.Raw}, PrivateKey: own.Key}}}
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	r := newRig(t, api.Credentials{Kind: api.Federated, Issuer: api.Issuer{URL: server.URL, CertificateFile: at("crt"), KeyFile: at("key"), CAFile: at("ca")}})
	r.refused(api.CredentialsUnreadable, "WORKLOAD_IDENTITY_SSL_CERT_FILE")
	write(t, at("crt"), own.CertificatePEM())
	write(t, at("key"), own.KeyPEM())
	write(t, at("ca"), identitytest.NewCertificate("other", inYears(1), 1).CertificatePEM())
	r.refused(api.Untrusted, "certificate")
	write(t, at("ca"), own.CertificatePEM())
	r.refused(api.FederationUnknown, "issuer")
	r.tenant.Federate(issuer.Trust())
	r.works()
	issuer.FailNext(http.StatusServiceUnavailable, http.StatusBadGateway)
	before := issuer.Calls()
	r.works()
	if got := issuer.Calls() - before; got != 3 {
		t.Errorf("asked %d times", got)
	}
	issuer.FailNext(http.StatusForbidden)
	r.refused(api.AssertionRefused, "the issuer of assertions refuses")
	r.config.Credentials.Issuer.CertificateFile = ""
	r.refused(api.AssertionRefused, "401")
}
