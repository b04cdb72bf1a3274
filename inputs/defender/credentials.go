package defender

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// Variables of the environment by which the one who runs the agent vouches for it: of
// Azure's SDK, which AKS sets, and of Elastic's agentless.
const (
	envTenant    = "AZURE_TENANT_ID"
	envClient    = "AZURE_CLIENT_ID"
	envAuthority = "AZURE_AUTHORITY_HOST"
	envTokenFile = "AZURE_FEDERATED_TOKEN_FILE"

	envConnectorFile = "CLOUD_CONNECTORS_ID_TOKEN_FILE"
	envIssuer        = "WORKLOAD_IDENTITY_ISSUER_URL"
	envIssuerCert    = "WORKLOAD_IDENTITY_SSL_CERT_FILE"
	envIssuerKey     = "WORKLOAD_IDENTITY_SSL_KEY_FILE"
	envIssuerCA      = "WORKLOAD_IDENTITY_SSL_CA_FILE"
)

// dayOf is a day that YAML took for a time, as it was entered.
func dayOf(text string) string {
	if at, err := time.Parse(time.RFC3339, text); err == nil && at.Equal(at.UTC().Truncate(24*time.Hour)) {
		return at.UTC().Format(time.DateOnly)
	}
	return text
}

// takeEnvironment fills settings that are not set from the environment, for the
// kinds of credentials that belong to one.
func (c *Config) takeEnvironment() {
	take := func(setting *string, name string) {
		if *setting == "" {
			*setting = os.Getenv(name)
		}
	}
	switch api.CredentialKind(c.Credentials) {
	case api.WorkloadIdentity:
		take(&c.TenantID, envTenant)
		take(&c.ClientID, envClient)
		take(&c.AssertionFile, envTokenFile)
		if c.Cloud == "" {
			take(&c.LoginURL, envAuthority)
		}
	case api.Federated:
		if os.Getenv(envIssuer) == "" {
			take(&c.AssertionFile, envConnectorFile)
		}
	default:
	}
}

// credentials are the settings as package api takes them.
func (c *Config) credentials() api.Credentials {
	ends, _ := c.secretEnds() // was checked
	made := api.Credentials{
		Kind: api.CredentialKind(c.Credentials), Secret: c.ClientSecret, SecretFile: c.ClientSecretFile, SecretExpires: ends,
		Certificate: c.Certificate, Key: c.Key, Passphrase: c.KeyPassphrase, SendChain: c.SendCertificateChain,
		ObjectID: c.ManagedIdentityObjectID, ResourceID: c.ManagedIdentityResourceID, AssertionFile: c.AssertionFile,
	}
	if made.Kind == api.Federated && made.AssertionFile == "" {
		made.Issuer = api.Issuer{
			URL: strings.TrimRight(os.Getenv(envIssuer), "/"), CertificateFile: os.Getenv(envIssuerCert),
			KeyFile: os.Getenv(envIssuerKey), CAFile: os.Getenv(envIssuerCA),
		}
	}
	return made
}

// application is what the service counts calls of: the client, or the managed
// identity by what names it.
func (c *Config) application() string {
	for _, name := range []string{c.ClientID, c.ManagedIdentityObjectID, c.ManagedIdentityResourceID} {
		if name != "" {
			return strings.ToLower(name)
		}
	}
	return c.Credentials
}

// secretEnds is when the secret ends, as the operator says: with the end of that day.
func (c *Config) secretEnds() (time.Time, error) {
	if c.ClientSecretExpires == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, c.ClientSecretExpires)
	if err != nil {
		return time.Parse(time.RFC3339, c.ClientSecretExpires)
	}
	return day.AddDate(0, 0, 1), nil
}

// checkCredentials returns every fault of the credentials.
func (c *Config) checkCredentials(r *policy.Reader) {
	credentials := c.credentials()
	r.Named(credentials.Check(c.ClientID, nil)...)
	secret := c.ClientSecret.Reveal()
	r.Check(secret == strings.TrimSpace(secret) && !strings.ContainsAny(secret, "\r\n"), "client_secret", "remove the white space in or around it, which no secret of Entra has")
	_, err := c.secretEnds()
	r.Check(err == nil, "client_secret_expires", "want a day such as 2027-01-31")
	r.Check(c.SecretExpiryWarning >= 0, "secret_expiry_warning", "want 0 or more")
	r.Check(len(c.TokenScopes) == 1 || credentials.Kind != api.ManagedIdentity, "token_scopes", "want exactly one with a managed identity")
	r.Check(!slices.Contains(api.Kinds(), credentials.Kind) || !credentials.Kind.NeedsTLS() || !strings.HasPrefix(c.LoginURL, "http:"), "login_url", "want https with these credentials")
}

// fillCloud fills what the cloud sets. Two settings that name two clouds are a
// fault: one of them is left from before.
func (c *Config) fillCloud(r *policy.Reader) {
	known := slices.Contains(api.CloudNames(), c.Cloud)
	r.Check(known || c.Cloud == "", "cloud", "want one of "+strings.Join(api.CloudNames(), ", "))
	r.Check(c.Region == "" || slices.Contains(api.Regions(), c.Region), "region", "want one of "+strings.Join(api.Regions(), ", "))
	r.Check(c.Region == "" || c.Cloud == "" || c.Cloud == "commercial", "region", "the commercial cloud alone has regions")
	for _, s := range []struct{ name, text string }{{"url", c.URL}, {"login_url", c.LoginURL}} {
		other := anotherCloud(c.Cloud, s.name, s.text)
		r.Check(!known || other == "", s.name, fmt.Sprintf("its host belongs to the cloud %s and not to %s: leave it empty", other, c.Cloud))
	}
	name := c.Cloud
	if !known {
		name = "commercial"
	}
	cloud, _ := api.CloudNamed(name)
	if c.URL == "" && c.Region != "" {
		c.URL = api.RegionURL(c.Region)
	}
	for _, fill := range []struct {
		setting *string
		value   string
	}{{&c.URL, cloud.URL}, {&c.LoginURL, cloud.LoginURL}} {
		if *fill.setting == "" {
			*fill.setting = fill.value
		}
	}
	if len(c.TokenScopes) == 0 {
		c.TokenScopes = []string{cloud.Scope}
	}
	if c.Cloud == "" {
		c.Cloud = api.CloudOf(c.URL, c.LoginURL)
	}
}

// anotherCloud is the cloud that a setting belongs to, if not to the one named.
func anotherCloud(name, setting, text string) string {
	cloud, _ := api.CloudNamed(name)
	other := ""
	if setting == "url" {
		other = api.CloudOf(text, "")
	} else {
		other = api.CloudOf("", text)
	}
	found, _ := api.CloudNamed(other)
	if other == "" || setting == "url" && found.URL == cloud.URL || setting == "login_url" && found.LoginURL == cloud.LoginURL {
		return ""
	}
	return other
}

// plainNotice says that a secret crosses the network in plain text, which a test on
// one host may do and nothing else should.
func (c *Config) plainNotice() string {
	for _, s := range []struct{ name, text string }{{"login_url", c.LoginURL}, {"url", c.URL}} {
		u, err := url.Parse(s.text)
		if err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
			return s.name + ": secret and token cross the network in plain text: write https"
		}
	}
	return ""
}
