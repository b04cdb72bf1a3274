package api

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// CredentialKind is how an application proves who it is.
type CredentialKind string

// The kinds of credentials.
const (
	ClientSecret     CredentialKind = "client_secret"     // a text that both sides know
	Certificate      CredentialKind = "certificate"       // an assertion signed with a certificate's key
	ManagedIdentity  CredentialKind = "managed_identity"  // Azure vouches for the host
	WorkloadIdentity CredentialKind = "workload_identity" // Kubernetes vouches for the pod
	Federated        CredentialKind = "federated"         // Elastic vouches for its agentless pod
	AssertionFile    CredentialKind = "assertion_file"    // anyone who writes the file vouches
)

// Kinds are all of them, the default first.
func Kinds() []CredentialKind {
	return []CredentialKind{ClientSecret, Certificate, ManagedIdentity, WorkloadIdentity, Federated, AssertionFile}
}

// Credentials are how the application proves who it is; of the fields those of the
// Kind are used. Files are read again for every token, so that anyone who replaces
// one need not say.
type Credentials struct {
	Kind CredentialKind // default ClientSecret

	// Secret is the client secret's value, or SecretFile the absolute path of a file
	// that holds it and nothing else. Both may be empty if Config.TokenParams hold
	// another credential.
	Secret     inputs.Secret
	SecretFile string
	// SecretExpires is when the secret ends, which nobody but the operator knows;
	// zero where it was not said.
	SecretExpires time.Time

	// Certificate is PEM text, PKCS#12 as base64, or the absolute path of a file of
	// either format. Key is the same for a PEM key that is not together with the
	// certificate. Passphrase opens either.
	Certificate, Key, Passphrase inputs.Secret
	// SendChain puts the chain into the assertion, which trust by subject name and
	// issuer needs.
	SendChain bool

	// ObjectID or ResourceID choose a user-assigned managed identity where
	// Config.ClientID does not. With none of them it is the system-assigned one.
	ObjectID, ResourceID string

	// AssertionFile is the absolute path of a file with a signed token of another
	// issuer, for WorkloadIdentity, Federated and AssertionFile.
	AssertionFile string
	// Issuer gives such tokens where there is no file, for Federated.
	Issuer Issuer
}

// Issuer is a service beside the agent that vouches for it. The files are those of
// the certificate with which it knows us.
type Issuer struct{ URL, CertificateFile, KeyFile, CAFile string }

// kind is the Kind with its default.
func (c *Credentials) kind() CredentialKind {
	if c.Kind == "" {
		return ClientSecret
	}
	return c.Kind
}

// NeedsTLS reports whether a kind is refused by the library where the token
// service is not spoken to over https.
func (k CredentialKind) NeedsTLS() bool {
	return k != "" && k != ClientSecret && k != ManagedIdentity
}

// secrets are the texts of the settings that must not be seen.
func (c *Credentials) secrets() []string {
	return []string{c.Secret.Reveal(), c.Certificate.Reveal(), c.Key.Reveal(), c.Passphrase.Reveal()}
}

// Check returns every fault, each beginning with the name of its setting. It reads
// no file. clientID and params are those of the Config.
func (c *Credentials) Check(clientID string, params url.Values) []error {
	var faults []error
	want := func(ok bool, setting, text string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: %s", setting, text))
		}
	}
	want(clientID != "" || c.kind() == ManagedIdentity, "client_id", "required: the application (client) id")
	switch c.kind() {
	case ClientSecret:
		want(c.Secret.Reveal() != "" || c.SecretFile != "" || len(params) > 0, "client_secret",
			"required: the value of a client secret of the application, or client_secret_file, or other credentials")
		want(c.Secret.Reveal() == "" || c.SecretFile == "", "client_secret_file", "set client_secret or client_secret_file, not both")
		want(c.SecretFile == "" || filepath.IsAbs(c.SecretFile), "client_secret_file", "want the absolute path of a file")
	case Certificate:
		want(c.Certificate.Reveal() != "", "certificate", "required: PEM text, PKCS#12 as base64, or the absolute path of such a file")
		want(c.Certificate.Reveal() == "" || formOf(c.Certificate) != formUnknown, "certificate", formWanted)
		want(c.Key.Reveal() == "" || formOf(c.Key) != formUnknown, "key", "want PEM text or the absolute path of such a file")
	case ManagedIdentity:
		named := 0
		for _, id := range []string{clientID, c.ObjectID, c.ResourceID} {
			if id != "" {
				named++
			}
		}
		want(named <= 1, "managed_identity_object_id", "name a user-assigned identity once: by client_id, managed_identity_object_id or managed_identity_resource_id")
	case WorkloadIdentity, AssertionFile:
		want(c.AssertionFile != "", "assertion_file", "required: the absolute path of the file with the token to present")
	case Federated:
		want(c.AssertionFile != "" || c.Issuer.URL != "", "credentials",
			"federated works where Elastic runs the agent: neither CLOUD_CONNECTORS_ID_TOKEN_FILE nor WORKLOAD_IDENTITY_ISSUER_URL is set here")
	default:
		want(false, "credentials", "want client_secret, certificate, managed_identity, workload_identity, federated or assertion_file")
	}
	want(c.AssertionFile == "" || filepath.IsAbs(c.AssertionFile), "assertion_file", "want the absolute path of a file")
	return faults
}

// secretParam is the name of a field of the token request that holds a secret.
// It is not token_format or the like: their values are words of any text.
var secretParam = regexp.MustCompile(`(?i)secret|assertion$|password|passcode|_token$|key$|^code$`)
