package api

import (
	"net/http"
	"strings"
)

// What an operator can do, where several errors share it.
const (
	hintToken     = "check tenant_id, client_id, client_secret and login_url"
	hintSecret    = "enter the value of the client secret, not its ID, in client_secret"
	hintTenant    = "check tenant_id, and that login_url belongs to the tenant's cloud"
	hintScope     = "check that token_scopes belongs to the tenant's cloud, and that the tenant has Microsoft Defender for Endpoint"
	hintConsent   = "give admin consent to the application in Entra ID"
	hintDisabled  = "enable the application in Entra ID"
	hintCloud     = "set login_url and token_scopes to those of the tenant's national cloud"
	hintAssertion = "make a new assertion, and check this host's clock"
	hintUpload    = "upload the certificate to the application under Certificates & secrets, and check client_id"
	hintExpired   = "the certificate has ended: make a new certificate, upload it to the application and set it here"
	hintFederate  = "make issuer, subject and audience of the application's federated credential equal to those of the assertion"
	hintIdentity  = "assign the managed identity to this host, and check client_id, managed_identity_object_id or managed_identity_resource_id"
	hintIssuer    = "check what gives assertions beside the agent"
	hintLicence   = "assign a licence of Microsoft Defender for Endpoint; a new one works after some 20 minutes"

	hintNoIdentity = "managed identities are there on Azure and on Azure Arc alone; use other credentials elsewhere"
	hintThrottled  = "the API's quota is used up: poll less often, or find what else calls it with the same application"
	hintAudience   = "the token was issued but the API does not take it: check that token_scopes and url belong to the same cloud"
	hintStranger   = "something else answered: check url, login_url and proxy_url"
	hintTrust      = "check ssl.certificate_authorities, and whether a proxy replaces the certificate"
	hintFile       = "check that a firewall or proxy lets requests to the file's host through unchanged"
	hintFileHost   = "if files come from a host of your own, name it in file_hosts"
	hintNetwork    = "check url, login_url, proxy_url and the network"
)

type entraHint struct {
	kind   Kind
	reason Reason
	hint   string
}

// entraHints are the AADSTS codes that mean something to an operator: the only
// place that knows them. Microsoft says that codes change, so they choose words
// and kind only; an unknown code is Auth with a general hint. Source: Entra's reference-error-codes.
var entraHints = map[string]entraHint{
	"7000215": {Auth, WrongSecret, hintSecret},
	"70002":   {Auth, WrongSecret, hintSecret},
	"7000222": {Auth, SecretExpired, "the client secret has expired: create a new one and enter its value in client_secret"},
	"7000218": {Misconfigured, SettingsUnfit, "set client_secret"},

	"90002":   {Misconfigured, UnknownTenant, hintTenant},
	"900023":  {Misconfigured, UnknownTenant, hintTenant},
	"9001023": {Misconfigured, UnknownTenant, "set tenant_id to the tenant's id or domain, not to common or consumers"},
	"700016":  {Auth, UnknownApplication, "check client_id and tenant_id: the application is not in this tenant"},
	"700011":  {Auth, UnknownApplication, "check client_id and tenant_id: the application is not in this tenant"},

	"500011":  {Misconfigured, WrongCloud, hintScope},
	"70011":   {Misconfigured, WrongCloud, hintScope},
	"1002012": {Misconfigured, SettingsUnfit, "token_scopes must end in /.default"},
	"650052":  {Permission, LicenceInactive, hintLicence},

	"65001":  {Auth, CredentialsRefused, hintConsent},
	"650056": {Auth, CredentialsRefused, hintConsent},
	"650057": {Auth, CredentialsRefused, hintConsent},
	"90094":  {Auth, CredentialsRefused, hintConsent},

	"7000112": {Auth, CredentialsRefused, hintDisabled},
	"70001":   {Auth, CredentialsRefused, hintDisabled},

	"700027":  {Auth, CertificateRefused, hintUpload},
	"700030":  {Auth, CertificateRefused, hintUpload},
	"50012":   {Auth, CertificateRefused, hintUpload},
	"70021":   {Auth, FederationUnknown, hintFederate},
	"700211":  {Auth, FederationUnknown, hintFederate},
	"700212":  {Auth, FederationUnknown, hintFederate},
	"700213":  {Auth, FederationUnknown, hintFederate},
	"700021":  {Auth, AssertionRefused, hintAssertion},
	"700023":  {Auth, AssertionRefused, hintAssertion},
	"700024":  {Auth, AssertionRefused, hintAssertion},
	"50013":   {Auth, AssertionRefused, hintAssertion},
	"5002738": {Auth, AssertionRefused, hintAssertion},
	"700229":  {Auth, CredentialsRefused, "use an app-only token as the federated credential"},

	"900382": {Misconfigured, WrongCloud, hintCloud},
	"900432": {Misconfigured, WrongCloud, hintCloud},
	"90038":  {Misconfigured, WrongCloud, hintCloud},

	"530032": {Auth, CredentialsRefused, "a Conditional Access policy for workload identities blocks the application"},

	"90006": {Transient, ServerFails, ""},
	"90012": {Transient, ServerFails, ""},
	"90024": {Transient, ServerFails, ""},
	"90033": {Transient, ServerFails, ""},
	"90055": {Transient, ServerFails, ""},
	"90090": {Transient, ServerFails, ""},
}

// statusHint is what an operator can do about an answer of that status.
func statusHint(e *Error) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return hintAudience
	case http.StatusForbidden:
		return permissionHint(e, nil)
	case http.StatusNotFound:
		return "check url"
	case http.StatusProxyAuthRequired:
		return "check the credentials in proxy_url"
	case http.StatusTooManyRequests:
		return hintThrottled
	}
	return ""
}

// permissionHint names the roles to grant: those that the API asked for, else
// those the caller knows to be needed.
func permissionHint(e *Error, needed []string) string {
	if strings.EqualFold(e.Code, "DisabledFeature") {
		return "the feature is off in this tenant: check its licence and settings"
	}
	roles := missingRoles(e.Message)
	if len(roles) == 0 {
		roles = needed
	}
	switch len(roles) {
	case 0:
		return "check the application's permissions on WindowsDefenderATP and give admin consent"
	case 1:
		return "grant " + roles[0] + " to the application and give admin consent"
	}
	return "grant one of " + strings.Join(roles, ", ") + " to the application and give admin consent"
}
