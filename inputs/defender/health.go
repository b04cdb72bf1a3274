package defender

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	withRightSettings = "with the first full poll after the policy holds the right settings"
	withRightFile     = "with the first full poll after files or settings are right"
	untilUpload       = "with the first full poll after the application or the settings are right"
	byItself          = "with the first full poll; it is tried again until then"
)

// throttled is a row that another one refers to.
var throttled = &inputs.Condition{
	Name:    "throttled for longer than a poll",
	Message: "{call}: throttled by the API ({code}); collecting continues by itself; other programs may share the application's quota",
	Clears:  byItself,
}

// conditions are the rows of the health table about the API and its token
// service, in the order of the documents: one for each reason of an api.Error,
// which a test holds.
var conditions = []struct {
	reason api.Reason
	row    *inputs.Condition
}{
	{api.WrongSecret, &inputs.Condition{
		Name: "wrong secret", Failed: true,
		Message: "{call}: the client secret is wrong ({code}); enter the value of the client secret, not its ID, in client_secret",
		Clears:  withRightSettings,
	}},
	{api.SecretExpired, &inputs.Condition{
		Name: "expired secret", Failed: true,
		Message: "{call}: the client secret has expired ({code}); create a new one and enter its value in client_secret",
		Clears:  withRightSettings,
	}},
	{api.UnknownApplication, &inputs.Condition{
		Name: "unknown application", Failed: true,
		Message: "{call}: the application is not in this tenant ({code}); check client_id and tenant_id",
		Clears:  withRightSettings,
	}},
	{api.CertificateRefused, &inputs.Condition{
		Name: "certificate not known", Failed: true,
		Message: "{call}: the application does not know the certificate ({code}); upload it to the application under Certificates & secrets, and check client_id",
		Clears:  untilUpload,
	}},
	{api.CertificateExpired, &inputs.Condition{
		Name: "expired certificate", Failed: true,
		Message: "{call}: the certificate has ended ({code}); make a new one, upload it to the application and set it in certificate",
		Clears:  withRightFile,
	}},
	{api.FederationUnknown, &inputs.Condition{
		Name: "federated credential does not match", Failed: true,
		Message: "{call}: the application has no federated credential for the assertion presented ({code}); make issuer, subject and audience there equal to those that check shows",
		Clears:  untilUpload,
	}},
	{api.AssertionRefused, &inputs.Condition{
		Name: "assertion refused", Failed: true,
		Message: "{call}: the assertion is not taken ({code}); {remedy}",
		Clears:  withRightFile,
	}},
	{api.IdentityMissing, &inputs.Condition{
		Name: "no such managed identity", Failed: true,
		Message: "{call}: this host has no such managed identity ({code}); assign it to the host, and check client_id, managed_identity_object_id or managed_identity_resource_id",
		Clears:  untilUpload,
	}},
	{api.CredentialsUnreadable, &inputs.Condition{
		Name: "credentials cannot be read", Failed: true,
		Message: "{call}: the credentials cannot be used: {cause}; {remedy}",
		Clears:  withRightFile,
	}},
	{api.NoIdentityService, &inputs.Condition{
		Name: "nobody vouches for this host", Lasting: true,
		Message: "{call}: no answer from what vouches for this host: {cause}; trying again; {remedy}",
		Clears:  byItself,
	}},
	{api.CredentialsRefused, &inputs.Condition{
		Name: "credentials refused", Failed: true,
		Message: "{call}: credentials refused ({code}); {remedy}",
		Clears:  withRightSettings + ", or consent is given",
	}},
	{api.UnknownTenant, &inputs.Condition{
		Name: "unknown tenant", Failed: true,
		Message: "{call}: there is no such tenant ({code}); check tenant_id, and that login_url belongs to the tenant's cloud",
		Clears:  withRightSettings,
	}},
	{api.WrongCloud, &inputs.Condition{
		Name: "wrong cloud", Failed: true,
		Message: "{call}: the settings belong to another cloud than the tenant ({code}); set login_url, token_scopes and url of the tenant's cloud, and check that it has Microsoft Defender for Endpoint",
		Clears:  withRightSettings,
	}},
	{api.TokenRefused, &inputs.Condition{
		Name: "token of another cloud", Failed: true,
		Message: "{call}: the API does not take the token ({code}); check that url and token_scopes belong to the same cloud",
		Clears:  withRightSettings,
	}},
	{api.TokenOfAnotherAPI, &inputs.Condition{
		Name: "token of another API", Failed: true,
		Message: "{call}: {cause} and not for the Defender API ({code}); check token_scopes, and that the permissions were added on WindowsDefenderATP",
		Clears:  withRightSettings,
	}},
	{api.SettingsUnfit, &inputs.Condition{
		Name: "request does not fit", Failed: true,
		Message: "{call}: request refused ({code}); {remedy}",
		Clears:  withRightSettings,
	}},
	{api.PermissionMissing, &inputs.Condition{
		Name:    "missing permission or consent",
		Message: "{call}: permission missing ({code}); {remedy}",
		Clears:  "with the first full poll after consent; the token is renewed within a minute",
	}},
	{api.ConsentMissing, &inputs.Condition{
		Name:    "no permission at all",
		Message: "{call}: the token holds no application permission ({code}); {remedy}; permissions on Microsoft Graph or without admin consent do not count",
		Clears:  "with the first full poll after consent; the token is renewed within a minute",
	}},
	{api.PermissionDelegated, &inputs.Condition{
		Name:    "delegated permission",
		Message: "{call}: the token holds delegated permissions alone ({code}); {remedy}, of the kind Application and not Delegated",
		Clears:  "with the first full poll after consent; the token is renewed within a minute",
	}},
	{api.LicenceInactive, &inputs.Condition{
		Name:    "licence not active",
		Message: "{call}: the tenant has no active licence of Microsoft Defender for Endpoint ({code}); assign one; a new licence works after some 20 minutes, and collecting begins by itself",
		Clears:  byItself,
	}},
	{api.Unreachable, &inputs.Condition{
		Name: "API unreachable", Lasting: true,
		Message: "{call}: no connection: {cause}; trying again; check url, login_url, proxy_url and the network",
		Clears:  byItself,
	}},
	{api.Untrusted, &inputs.Condition{
		Name: "TLS failure", Failed: true,
		Message: "{call}: no TLS connection: {cause}; check ssl.certificate_authorities and url, and whether a proxy replaces the certificate",
		Clears:  byItself,
	}},
	{api.ProxyUnreachable, &inputs.Condition{
		Name: "proxy failure", Lasting: true,
		Message: "{call}: no connection to the proxy: {cause}; trying again; check proxy_url and the network",
		Clears:  byItself,
	}},
	{api.ProxyRefuses, &inputs.Condition{
		Name: "proxy refuses", Failed: true,
		Message: "{call}: the proxy refuses the connection ({code}); check the credentials in proxy_url and that the proxy lets this host through",
		Clears:  byItself,
	}},
	{api.CallsThrottled, throttled},
	{api.QuotaGone, &inputs.Condition{
		Name:    "hourly quota gone",
		Message: "{call}: the quota of the hour is used up ({code}); collecting continues by itself within the hour; raise interval, or find what else uses this application",
		Clears:  "when the API takes calls again, within the hour",
	}},
	{api.ServerFails, &inputs.Condition{
		Name: "API fails (5xx)", Lasting: true,
		Message: "{call}: the service fails ({code}); trying again; if it stays, look at Microsoft's service health",
		Clears:  byItself,
	}},
	{api.AnswerUnusable, &inputs.Condition{
		Name: "malformed answers", Lasting: true,
		Message: "{call}: the answer cannot be used: {cause}; trying again; check that url and proxy_url lead to the API",
		Clears:  byItself,
	}},
	{api.PathRetired, &inputs.Condition{
		Name:    "retired path",
		Message: "{call}: the API has retired this path ({code}); install a newer version of the component; trying again",
		Clears:  byItself,
	}},
	{api.RequestRefused, &inputs.Condition{
		Name:    "request refused",
		Message: "{call}: the API refuses the request ({code}); trying again; {remedy}",
		Clears:  byItself,
	}},
}

// Conditions implements inputs.Input.
func (in *Input) Conditions() []*inputs.Condition {
	rows := make([]*inputs.Condition, len(conditions), len(conditions)+1)
	for i := range conditions {
		rows[i] = conditions[i].row
	}
	return append(rows, credentialsEnd)
}

// Diagnose implements inputs.Input.
func (in *Input) Diagnose(err error) inputs.Diagnosis {
	if soon, ok := errors.AsType[*endsSoon](err); ok {
		return soon.diagnose()
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		return inputs.Diagnosis{}
	}
	d := inputs.Diagnosis{
		Condition: conditionOf(e.Reason()), Call: e.Op, Code: codeOf(e), Cause: e.Message,
		Remedy: cmp.Or(e.Hint, "check tenant_id, client_id, client_secret, login_url and url"),
	}
	if e.Reason() == api.ServerFails {
		d.Code = "HTTP 5xx" // which one changes from answer to answer
	}
	if e.Cloud != "" && slices.Contains(cloudReasons, e.Reason()) {
		d.Call += " in the " + e.Cloud
	}
	return d
}

// cloudReasons are those where the settings may belong to another cloud than the
// tenant.
var cloudReasons = []api.Reason{api.UnknownTenant, api.UnknownApplication, api.WrongCloud, api.TokenRefused, api.TokenOfAnotherAPI}

func conditionOf(reason api.Reason) *inputs.Condition {
	for _, c := range conditions {
		if c.reason == reason {
			return c.row
		}
	}
	return nil
}

// codeOf is the stable part of an answer: HTTP status and code.
func codeOf(e *api.Error) string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.Code != "" {
		parts = append(parts, e.Code)
	}
	return strings.Join(parts, ", ")
}
