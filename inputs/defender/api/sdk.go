package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// sdkSource asks with azidentity. A credential of that library lives for one
// token: see "Why a credential of azidentity lives for one token" in the package's
// doc.
type sdkSource struct {
	credentials Credentials
	tenant      string
	client      string
	login       *url.URL
	scopes      []string
	wires       wires
	secrets     *redactor
}

func newSDKSource(c Config, login *url.URL, w wires, secrets *redactor) *sdkSource {
	return &sdkSource{
		credentials: c.Credentials, tenant: c.TenantID, client: c.ClientID, login: login, scopes: c.Scopes,
		wires: w, secrets: secrets,
	}
}

func (s *sdkSource) ask(caller, limited context.Context) (granted, error) {
	t := &talk{wire: s.wires.entra, host: s.login.Host, secrets: s.secrets}
	if s.isManaged() {
		t.wire, t.host = s.wires.host, ""
	}
	credential, err := s.credential(t)
	if err != nil {
		return granted{}, err
	}
	options := policy.TokenRequestOptions{Scopes: s.scopes}
	if s.isManaged() {
		options.Claims = "{}" // keeps the library from its cache, which is that of the process
	}
	began := time.Now()
	got, err := credential.GetToken(limited, options)
	if err != nil {
		return granted{}, s.trouble(caller, limited, t)
	}
	return granted{text: inputs.Secret(got.Token), life: got.ExpiresOn.Sub(began)}, nil
}

func (s *sdkSource) isManaged() bool { return s.credentials.kind() == ManagedIdentity }

// credential makes the library's credential of what files hold now.
func (s *sdkSource) credential(t *talk) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: s.login.String()},
		Transport: t,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // repeat decides (retry.go)
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	var made azcore.TokenCredential
	var err error
	switch s.credentials.kind() {
	case Certificate:
		pair, fault := s.credentials.loadKeyPair()
		if fault != nil {
			return nil, fault
		}
		made, err = azidentity.NewClientCertificateCredential(s.tenant, s.client, pair.chain, pair.key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: s.credentials.SendChain,
		})
	case ManagedIdentity:
		made, err = azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: options, ID: s.identity()})
	default:
		made, err = azidentity.NewClientAssertionCredential(s.tenant, s.client, t.presenting(s.credentials.assertion), &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true,
		})
	}
	if err != nil { // a kind of identity that this host's service does not know, for one
		return nil, unreadable("credentials", clean(s.secrets.scrub(err.Error()), messageLimit))
	}
	return made, nil
}

// identity is the user-assigned identity to use; nil is the host's own.
func (s *sdkSource) identity() azidentity.ManagedIDKind {
	switch {
	case s.client != "":
		return azidentity.ClientID(s.client)
	case s.credentials.ObjectID != "":
		return azidentity.ObjectID(s.credentials.ObjectID)
	case s.credentials.ResourceID != "":
		return azidentity.ResourceID(s.credentials.ResourceID)
	}
	return nil
}

// trouble makes an *Error of what was noted on the way: the library's own error is
// text, and may hold a body.
func (s *sdkSource) trouble(caller, limited context.Context, t *talk) error {
	if e, ok := errors.AsType[*Error](t.fault); ok {
		return e
	}
	var e *Error
	switch {
	case t.fault != nil || caller.Err() != nil || limited.Err() != nil:
		err := broken(caller, limited, opToken, t.fault)
		if e, _ = errors.AsType[*Error](err); e == nil || !s.isManaged() {
			return err
		}
		e.reason, e.Hint = NoIdentityService, hintNoIdentity
	case t.answer == nil && s.isManaged():
		e = &Error{Op: opToken, Kind: Auth, reason: IdentityMissing, Message: "the identity service named no such identity", Hint: hintIdentity}
	case t.answer == nil:
		e = stranger()
	default:
		e = refusedToken(t.answer, t.body, s.secrets.scrub)
		switch {
		case s.isManaged():
			e.ofIdentityService(t.answer)
		case e.Reason() == CertificateRefused && s.hasEnded():
			e.reason, e.Hint = CertificateExpired, hintExpired
		}
	}
	return e
}

// hasEnded reports whether the certificate itself has: Entra has one code for all
// that is wrong with one.
func (s *sdkSource) hasEnded() bool {
	end, err := s.ends()
	return err == nil && !end.IsZero() && time.Now().After(end)
}

// ofIdentityService reads an answer as that of a service which vouches for its
// host. Source: Microsoft's page "how-to-use-vm-token", error handling.
func (e *Error) ofIdentityService(answer *http.Response) {
	switch {
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone: // being updated
		e.Kind, e.reason, e.Hint = Transient, RequestRefused, ""
	case e.Status == http.StatusUnauthorized && answer.Header.Get("WWW-Authenticate") != "":
		// Azure Arc wants the content of a file that its group may read.
		e.Kind, e.reason, e.Hint = Misconfigured, CredentialsUnreadable, "add the agent's user to the group himds"
		e.Message = "the key file of Azure Arc may not be read"
	case e.Kind == Auth:
		e.reason, e.Hint = IdentityMissing, hintIdentity
	}
}

func (s *sdkSource) ends() (time.Time, error) {
	if s.credentials.kind() != Certificate {
		return time.Time{}, nil
	}
	pair, err := s.credentials.loadKeyPair()
	if err != nil {
		return time.Time{}, err
	}
	return pair.chain[0].NotAfter, nil
}

func (s *sdkSource) facts() []string {
	switch kind := s.credentials.kind(); kind {
	case Certificate:
		pair, err := s.credentials.loadKeyPair()
		if err != nil {
			return []string{"certificate"}
		}
		return []string{pair.fact(time.Now())}
	case ManagedIdentity:
		if id := s.identity(); id != nil {
			return []string{"managed identity, user-assigned " + id.String()}
		}
		return []string{"managed identity, system-assigned"}
	default:
		return []string{strings.ReplaceAll(string(kind), "_", " ") + s.presented()}
	}
}

// presented is what a federated credential must be equal to. An issuer that would
// have to be asked for it is not.
func (s *sdkSource) presented() string {
	if s.credentials.AssertionFile == "" {
		return ", assertions from the issuer beside the agent"
	}
	assertion, err := s.credentials.assertion(context.Background()) // of a file
	c := claimsOf(assertion.Reveal())
	if err != nil || !c.isJWT() {
		return ", assertions from a file"
	}
	return clean(fmt.Sprintf(", issuer %s, subject %s, audience %s", c.Issuer, c.Subject, text(c.Audience)), messageLimit)
}

// talk is the transport of one credential. It notes what went wrong, and lets
// nothing through to another host than the token service's.
type talk struct {
	wire    http.RoundTripper
	host    string // empty where the library chooses, which is on this host
	secrets *redactor

	fault  error          // of the network, or ours
	answer *http.Response // the last one, if it is no success
	body   []byte
}

// Do implements policy.Transporter. It follows no redirect.
func (t *talk) Do(r *http.Request) (*http.Response, error) {
	t.fault, t.answer, t.body = nil, nil, nil
	if t.host != "" && (r.URL.Host != t.host || r.URL.Scheme != "https") {
		t.fault = &Error{Op: opToken, Kind: Misconfigured, Hint: "check login_url",
			Message: "the token service leads to another host: " + clean(t.secrets.scrub(r.URL.Hostname()), codeLimit)}
		return nil, t.fault
	}
	if err := t.hide(r); err != nil {
		return nil, err
	}
	response, err := t.wire.RoundTrip(r)
	if err != nil {
		t.fault = err
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	if t.body, err = io.ReadAll(response.Body); err != nil { // of memory: see whole
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(t.body))
	t.answer = response
	return response, nil
}

// hide remembers the secrets of a request: the other side may repeat them.
func (t *talk) hide(r *http.Request) error {
	for _, name := range []string{"Authorization", "X-Identity-Header"} {
		_, value, found := strings.Cut(r.Header.Get(name), " ")
		if !found {
			value = r.Header.Get(name)
		}
		t.secrets.add(inputs.Secret(value))
	}
	if r.Body == nil || r.Method != http.MethodPost {
		return nil
	}
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(form))
	values, _ := url.ParseQuery(string(form))
	t.secrets.add(inputs.Secret(values.Get("client_assertion")))
	return nil
}

// presenting notes why there is no assertion.
func (t *talk) presenting(get func(context.Context) (inputs.Secret, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		assertion, err := get(ctx)
		if err != nil {
			t.fault = err
			return "", fmt.Errorf("assertion: %w", err)
		}
		t.secrets.add(assertion)
		return assertion.Reveal(), nil
	}
}
