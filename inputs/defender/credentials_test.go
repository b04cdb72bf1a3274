package defender

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// TestClouds: one name sets three settings, and single settings win.
func TestClouds(t *testing.T) {
	const login, login2 = "https://login.microsoftonline.com", "https://login.microsoftonline.us"
	const global, gcc, gov = "https://api.security.microsoft.com", "https://api-gcc.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"
	const scope = "https://api.securitycenter.microsoft.com/.default"
	for name, test := range map[string]struct {
		settings                 map[string]any
		cloud, login, url, scope string
	}{
		"none":              {nil, "commercial", login, global, scope},
		"commercial":        {map[string]any{"cloud": "commercial"}, "commercial", login, global, scope},
		"gcc":               {map[string]any{"cloud": "gcc"}, "gcc", login, gcc, gcc + "/.default"},
		"gcc_high":          {map[string]any{"cloud": "gcc_high"}, "gcc_high", login2, gov, gov + "/.default"},
		"dod":               {map[string]any{"cloud": "dod"}, "dod", login2, gov, gov + "/.default"},
		"region":            {map[string]any{"region": "ina"}, "commercial", login, "https://ina.api.security.microsoft.com", scope},
		"region of a cloud": {map[string]any{"cloud": "commercial", "region": "aea"}, "commercial", login, "https://aea.api.security.microsoft.com", scope},
		"url wins":          {map[string]any{"region": "eu", "url": "https://api-eu.securitycenter.microsoft.com"}, "commercial", login, "https://api-eu.securitycenter.microsoft.com", scope},
		"scope wins":        {map[string]any{"cloud": "gcc", "token_scopes": []any{scope}}, "gcc", login, gcc, scope},
		"as before, by url": {map[string]any{"url": gov, "login_url": login2, "token_scopes": []any{gov + "/.default"}}, "gcc_high", login2, gov, gov + "/.default"},
		"as before, GCC":    {map[string]any{"url": gcc}, "gcc", login, gcc, scope},
		"private hosts":     {map[string]any{"url": "http://127.0.0.1:1", "login_url": "http://127.0.0.1:1"}, "", "http://127.0.0.1:1", "http://127.0.0.1:1", scope},
		"a gateway":         {map[string]any{"cloud": "gcc_high", "url": "https://gateway.example/mde"}, "gcc_high", login2, "https://gateway.example/mde", gov + "/.default"},
		"cleared in Fleet":  {map[string]any{"cloud": "dod", "url": "", "login_url": "", "token_scopes": []any{}}, "dod", login2, gov, gov + "/.default"},
		"oldest host":       {map[string]any{"url": "https://api.securitycenter.windows.com"}, "commercial", login, "https://api.securitycenter.windows.com", scope},
	} {
		c := decoded(t, test.settings, nil)
		if c.Cloud != test.cloud || c.LoginURL != test.login || c.URL != test.url || len(c.TokenScopes) != 1 || c.TokenScopes[0] != test.scope {
			t.Errorf("%s: cloud %q, %s, %s, %q", name, c.Cloud, c.LoginURL, c.URL, c.TokenScopes)
		}
	}
}

// TestCredentialFaults: each is named, and none quotes a value.
func TestCredentialFaults(t *testing.T) {
	for name, test := range map[string]struct {
		settings map[string]any
		fault    string
	}{
		"unknown cloud":             {map[string]any{"cloud": "china"}, "cloud: want one of"},
		"unknown region":            {map[string]any{"region": "mars"}, "region: want one of us, eu"},
		"region elsewhere":          {map[string]any{"region": "eu", "cloud": "gcc"}, "region: the commercial cloud alone"},
		"left from before":          {map[string]any{"cloud": "gcc_high", "login_url": "https://login.microsoftonline.com"}, "login_url: its host belongs to the cloud commercial"},
		"url left from before":      {map[string]any{"cloud": "gcc_high", "url": "https://api.security.microsoft.com"}, "url: its host belongs to the cloud commercial"},
		"unknown kind":              {map[string]any{"credentials": "canary"}, "credentials: want client_secret, certificate"},
		"no secret":                 {map[string]any{"client_secret": ""}, "client_secret: required"},
		"two secrets":               {map[string]any{"client_secret_file": "/run/canary"}, "client_secret_file: set client_secret or"},
		"file is relative":          {map[string]any{"client_secret": "", "client_secret_file": "canary"}, "client_secret_file: want the absolute path"},
		"no certificate":            {map[string]any{"credentials": "certificate"}, "certificate: required"},
		"certificate is no text":    {map[string]any{"credentials": "certificate", "certificate": "canary"}, "certificate: want PEM text"},
		"key is no text":            {map[string]any{"credentials": "certificate", "certificate": "/c.pem", "key": "canary"}, "key: want PEM text"},
		"no assertion":              {map[string]any{"credentials": "workload_identity"}, "assertion_file: required"},
		"assertion is the token":    {map[string]any{"credentials": "assertion_file", "assertion_file": "eyJcanary"}, "assertion_file: want the absolute path"},
		"federated outside":         {map[string]any{"credentials": "federated"}, "credentials: federated works where Elastic runs the agent"},
		"two identities":            {map[string]any{"credentials": "managed_identity", "managed_identity_object_id": "canary"}, "managed_identity_object_id: name a user-assigned identity once"},
		"two scopes":                {map[string]any{"credentials": "managed_identity", "token_scopes": []any{"a", "b"}}, "token_scopes: want exactly one"},
		"no day":                    {map[string]any{"client_secret_expires": "canary"}, "client_secret_expires: want a day"},
		"negative warning":          {map[string]any{"secret_expiry_warning": "-1h"}, "secret_expiry_warning: want 0 or more"},
		"assertions over http":      {map[string]any{"credentials": "certificate", "certificate": "/c.pem", "login_url": "http://login.example"}, "login_url: want https"},
		"no application":            {map[string]any{"client_id": ""}, "client_id: required"},
		"no application, assertion": {map[string]any{"credentials": "assertion_file", "assertion_file": "/a", "client_id": ""}, "client_id: required"},
	} {
		_, err := decodeConfig(over(required(), test.settings), nil)
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+test.fault) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func over(settings, more map[string]any) map[string]any {
	for name, v := range more {
		settings[name] = v
	}
	return settings
}

// TestEnvironmentVouches: what AKS and Elastic's agentless set is used where the
// policy sets nothing, and by those kinds alone.
func TestEnvironmentVouches(t *testing.T) {
	for name, value := range map[string]string{
		envTenant: "env-tenant", envClient: "env-client", envTokenFile: "/env/token", envAuthority: "https://login.microsoftonline.us/",
		envConnectorFile: "/env/connector",
	} {
		t.Setenv(name, value)
	}
	c := decoded(t, map[string]any{"credentials": "workload_identity", "tenant_id": "", "client_id": "", "client_secret": ""}, nil)
	if c.TenantID != "env-tenant" || c.ClientID != "env-client" || c.credentials().AssertionFile != "/env/token" || c.LoginURL != "https://login.microsoftonline.us/" {
		t.Errorf("workload identity: %s, %s, %+v", c.TenantID, c.ClientID, c.credentials())
	}
	c = decoded(t, map[string]any{"credentials": "workload_identity", "assertion_file": "/own/token"}, nil)
	if c.TenantID != "t" || c.ClientID != "c" || c.credentials().AssertionFile != "/own/token" {
		t.Errorf("settings: %s, %s, %+v", c.TenantID, c.ClientID, c.credentials())
	}
	if c = decoded(t, map[string]any{"credentials": "federated"}, nil); c.credentials().AssertionFile != "/env/connector" {
		t.Errorf("federated: %+v", c.credentials())
	}
	t.Setenv(envIssuer, "https://issuer.example/")
	t.Setenv(envIssuerCert, "/env/crt")
	t.Setenv(envIssuerKey, "/env/key")
	c = decoded(t, map[string]any{"credentials": "federated"}, nil)
	if want := (api.Issuer{URL: "https://issuer.example", CertificateFile: "/env/crt", KeyFile: "/env/key"}); c.credentials().Issuer != want || c.AssertionFile != "" {
		t.Errorf("issuer: %+v", c.credentials())
	}
	if c = decoded(t, nil, nil); c.credentials() != (api.Credentials{Kind: api.ClientSecret, Secret: "s"}) || c.TenantID != "t" {
		t.Errorf("secret: %+v", c.credentials())
	}
}

// TestCredentialsEndSoon: from the warning on, with the day, until they are replaced.
func TestCredentialsEndSoon(t *testing.T) {
	now := time.Date(2027, 1, 20, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		expires, before string
		warned          bool
	}{
		{"2027-01-31", "168h", false}, {"2027-01-26", "168h", true}, {"2027-01-27", "168h", false}, {"2027-01-31", "288h", true},
		{"2027-01-20", "168h", true}, {"2027-01-19", "168h", true}, {"2027-01-20", "0s", false}, {"", "168h", false},
	} {
		c := decoded(t, map[string]any{"client_secret_expires": test.expires, "secret_expiry_warning": test.before}, nil)
		end, _ := c.secretEnds()
		err := c.warning(end, now)
		d := New("test").Diagnose(err)
		if (err != nil) != test.warned || test.warned && (d.Condition != credentialsEnd || d.Cause != "client secret ends on "+test.expires) {
			t.Errorf("%+v: got %v, %+v", test, err, d)
		}
	}
}

// TestTextsNameTheCloud where settings may belong to another than the tenant.
func TestTextsNameTheCloud(t *testing.T) {
	in := New("test")
	e := &api.Error{Op: "get a token", Kind: api.Misconfigured, Code: "AADSTS90002", Cloud: "GCC High cloud"}
	if d := in.Diagnose(fmt.Errorf("poll: %w", e)); d.Call != "get a token in the GCC High cloud" {
		t.Errorf("got %q", d.Call)
	}
	e.Kind, e.Code = api.Transient, ""
	if d := in.Diagnose(e); d.Call != "get a token" {
		t.Errorf("got %q", d.Call)
	}
}

// TestTryTellsOfTheCredentials: what a person compares with Entra's pages.
func TestTryTellsOfTheCredentials(t *testing.T) {
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of the bubble's clock
	c := identitytest.NewCertificate("collector", began.AddDate(0, 0, 30), 0)
	config := decoded(t, map[string]any{"credentials": "certificate", "certificate": c.CertificatePEM() + c.KeyPEM(), "cloud": "gcc"}, nil)
	in := New("test")
	in.RoundTripper = identitytest.Hosts{}
	var trial inputs.Trial
	synctest.Test(t, func(t *testing.T) { trial = in.try(t.Context(), config) })
	all := strings.Join(trial.Notes, "\n")
	for _, want := range []string{"tenant t as application c, GCC cloud", "CN=collector, thumbprint ", "(30 days left)", "MC1220762"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
	if e, ok := errors.AsType[*api.Error](trial.Err); !ok || e.Cloud != "GCC cloud" {
		t.Errorf("got %v", trial.Err)
	}
}
