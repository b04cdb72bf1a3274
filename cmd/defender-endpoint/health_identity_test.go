package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// command is the program with what the rig adds to its environment.
func (r *rig) command() *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, binary)
	cmd.Env = append(os.Environ(), r.environ...)
	return cmd
}

// put writes a file of the rig and returns its path.
func (r *rig) put(name, text string) string {
	r.Helper()
	path := filepath.Join(filepath.Dir(r.dir), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

// overTLS are settings with which the token service is spoken to over TLS, as
// assertions want it.
func (f *faultRig) overTLS(settings map[string]any) map[string]any {
	settings["login_url"] = f.tls.URL
	settings["ssl"] = map[string]any{"certificate_authorities": []any{identitytest.EncodePEM(f.tls.Certificate())}}
	return settings
}

func inAYear() time.Time { return time.Now().AddDate(1, 0, 0) }

// withCertificate are settings with a certificate that ends then; what it does to
// the tenant's trust is up to the case.
func withCertificate(until time.Time, uploaded bool) func(*faultRig) map[string]any {
	return func(f *faultRig) map[string]any {
		c := identitytest.NewCertificate("collector", until, 0)
		if f.certificate = c; uploaded {
			f.tenant.TrustCertificate(c.Certificate)
		}
		return f.overTLS(map[string]any{"credentials": "certificate", "certificate": c.CertificatePEM(), "key": c.KeyPEM()})
	}
}

var caseIssuer = &identitytest.Issuer{URL: "https://issuer.example", Subject: "collector"}

// withAssertion are settings with a file that holds an assertion.
func withAssertion(change ...func(*jwt.RegisteredClaims)) func(*faultRig) map[string]any {
	return func(f *faultRig) map[string]any {
		return f.overTLS(map[string]any{"credentials": "assertion_file", "assertion_file": f.put("assertion", caseIssuer.Assertion(change...))})
	}
}

// onAppService are settings of a host that App Service vouches for, or does not.
func onAppService(system, running bool) func(*faultRig) map[string]any {
	return func(f *faultRig) map[string]any {
		f.service = &identitytest.Service{Kind: identitytest.AppService, Tenant: f.tenant, System: system}
		base := "http://127.0.0.1:1"
		if running {
			base = listen(f.T, f.service)
		}
		for name, value := range f.service.Environment(base) {
			f.environ = append(f.environ, name+"="+value)
		}
		return map[string]any{"credentials": "managed_identity", "client_id": ""}
	}
}

// identityCases are about other credentials than a secret.
var identityCases = []faultCase{
	{
		row: "certificate not known", says: "AADSTS700027", settings: withCertificate(inAYear(), false),
		heal: func(f *faultRig) { f.tenant.TrustCertificate(f.certificate.Certificate) },
	},
	{row: "expired certificate", settings: withCertificate(time.Now().Add(-time.Hour), true), heal: reset},
	{
		row: "federated credential does not match", settings: withAssertion(),
		heal: func(f *faultRig) { f.tenant.Federate(caseIssuer.Trust()) },
	},
	{
		row: "assertion refused", says: "clock", settings: withAssertion(func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }),
		spoil: func(f *faultRig) { f.tenant.Federate(caseIssuer.Trust()) },
		heal:  func(f *faultRig) { f.put("assertion", caseIssuer.Assertion()) },
	},
	{
		row: "no such managed identity", settings: onAppService(false, true),
		heal: func(f *faultRig) { f.service.Change(func(s *identitytest.Service) { s.System = true }) },
	},
	{row: "nobody vouches for this host", slow: true, says: "use other credentials", settings: onAppService(true, false), heal: reset},
	{
		row: "credentials cannot be read", says: "client_secret_file",
		settings: func(f *faultRig) map[string]any {
			return map[string]any{"client_secret": "", "client_secret_file": filepath.Join(filepath.Dir(f.dir), "secret")}
		},
		heal: func(f *faultRig) { f.put("secret", defendertest.ClientSecret+"\n") },
	},
	{
		row: "credentials end soon", name: "secret", says: "client secret ends on", heal: reset,
		settings: setting("client_secret_expires", time.Now().AddDate(0, 0, 2).Format(time.DateOnly)),
	},
	{row: "credentials end soon", name: "certificate", says: "set it in certificate", settings: withCertificate(time.Now().AddDate(0, 0, 2), true), heal: reset},
}

// consentCases are about what was allowed to the application, and where.
var consentCases = []faultCase{
	{
		row: "no permission at all", says: "Alert.Read.All", options: shortTokens,
		spoil: func(f *faultRig) { f.tenant.SetRoles() },
		heal:  func(f *faultRig) { f.tenant.SetRoles("Alert.Read.All") },
	},
	{
		row: "delegated permission", says: "Alert.Read.All", options: shortTokens,
		spoil: func(f *faultRig) { f.tenant.MisissueTokens("", "Alert.Read") },
		heal:  func(f *faultRig) { f.tenant.MisissueTokens("", "") },
	},
	{
		row: "token of another API", says: "graph.microsoft.com",
		spoil: func(f *faultRig) { f.tenant.MisissueTokens("https://graph.microsoft.com", "") },
		heal:  func(f *faultRig) { f.tenant.MisissueTokens("", "") },
	},
	{
		row: "licence not active", says: "20 minutes", heal: healTenant,
		spoil: func(f *faultRig) {
			f.rule(token(650052, "invalid_client", "The app needs access to a service that your organization has not subscribed to or enabled."))
		},
	},
	{
		row: "retired path", says: "HTTP 410", heal: healTenant,
		spoil: func(f *faultRig) { f.rule(defendertest.Rule{Path: alertsPath, Status: http.StatusGone}) },
	},
}
