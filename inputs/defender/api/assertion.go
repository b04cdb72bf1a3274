package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// exchangeAudience is whom an assertion must be made out to: Entra's name in every
// cloud but China's (Microsoft's page "workload-identity-federation-create-trust").
const exchangeAudience = "api://AzureADTokenExchange"

// assertion is the token of another issuer to present now.
func (c *Credentials) assertion(ctx context.Context) (inputs.Secret, error) {
	if c.AssertionFile == "" {
		return c.Issuer.assertion(ctx)
	}
	return readText("assertion_file", c.AssertionFile)
}

// assertion asks the issuer. The contract is that of Elastic's Beats
// (x-pack/libbeat, identity federation): a POST over TLS with a client certificate,
// whose files are read each time.
func (i Issuer) assertion(ctx context.Context) (inputs.Secret, error) {
	settings, err := i.tls()
	if err != nil {
		return "", err
	}
	transport := &http.Transport{TLSClientConfig: settings, ResponseHeaderTimeout: tokenPatience}
	defer transport.CloseIdleConnections()
	body, _ := json.Marshal(map[string]string{"aud": exchangeAudience})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL+"/token", bytes.NewReader(body))
	if err != nil {
		return "", unreadable("WORKLOAD_IDENTITY_ISSUER_URL", "it is no URL")
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(r)
	if err != nil {
		return "", i.trouble(ctx, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, errorBodyLimit))
	if err != nil {
		return "", i.trouble(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		kind := statusKind(response.StatusCode)
		if kind == Other || kind == Permission {
			kind = Auth
		}
		e := &Error{Op: opToken, Status: response.StatusCode, Kind: kind, reason: issuerReasons[kind],
			RetryAfter: retryAfter(response.Header, time.Now()), Message: "the issuer of assertions refuses", Hint: hintIssuer}
		e.bound()
		return "", e
	}
	var got struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(answer, &got, lenient) != nil || got.Token == "" {
		return "", &Error{Op: opToken, Status: response.StatusCode, Kind: Malformed, Message: "the answer of the issuer of assertions holds no token", Hint: hintIssuer}
	}
	return inputs.Secret(got.Token), nil
}

// issuerReasons are those of an issuer's refusal; of other kinds Entra's fit.
var issuerReasons = map[Kind]Reason{Auth: AssertionRefused, Transient: NoIdentityService}

func (i Issuer) trouble(ctx context.Context, err error) error {
	err = broken(ctx, ctx, opToken, err)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == Transient {
		e.reason, e.Hint = NoIdentityService, hintIssuer
	}
	return err
}

// tls reads the files of the issuer's settings.
func (i Issuer) tls() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.CertificateFile != "" {
		certificate, err := readFile("WORKLOAD_IDENTITY_SSL_CERT_FILE", i.CertificateFile)
		if err != nil {
			return nil, err
		}
		key, err := readFile("WORKLOAD_IDENTITY_SSL_KEY_FILE", i.KeyFile)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, unreadable("WORKLOAD_IDENTITY_SSL_CERT_FILE", "certificate and key are not one pair")
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	if i.CAFile != "" {
		text, err := readFile("WORKLOAD_IDENTITY_SSL_CA_FILE", i.CAFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(text) {
			return nil, unreadable("WORKLOAD_IDENTITY_SSL_CA_FILE", "it holds no certificate")
		}
	}
	return settings, nil
}
