package defendertest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// TokenPath is how the path of the token endpoint ends, after the tenant's id.
const TokenPath = "/oauth2/v2.0/token"

// Scope is the scope that gives access to the API in the commercial cloud.
const Scope = "https://api.securitycenter.microsoft.com/.default"

// audiences are the resources that the API is known by.
var audiences = []string{
	"https://api.securitycenter.microsoft.com", "https://securitycenter.onmicrosoft.com/windowsatpservice",
	"https://api.securitycenter.windows.com", "https://api.security.microsoft.com",
	"https://api-gcc.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us",
}

// entra is what the token service knows. The tenant's lock guards it.
type entra struct {
	secrets []string
	roles   []string
	granted map[string]grant // by token
	numbers uint64           // of drawn ids

	certificates []*x509.Certificate
	subjects     []trustedSubject
	federated    []FederatedCredential

	misissued func(*issuedClaims) // nil, or what is wrong with tokens from now on
	foreign   bool                // they are for another API
}

type grant struct {
	expires time.Time
	roles   []string
}

// RotateSecret makes another secret the only valid one. Tokens stay valid.
func (t *Tenant) RotateSecret(secret string) { t.TrustSecrets(secret) }

// TrustSecrets makes these secrets the valid ones: an application may have several,
// for the time of a change.
func (t *Tenant) TrustSecrets(secrets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.secrets = slices.Clone(secrets)
}

// RevokeTokens makes every token issued so far invalid.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.entra.granted)
}

// SetRoles changes the consent given: tokens issued from now on carry these
// roles, or no roles claim. Tokens issued before keep theirs.
func (t *Tenant) SetRoles(roles ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.roles = slices.Clone(roles)
}

// MisissueTokens changes the claims of tokens from now on, as set-up faults do: made
// out to another API, or with delegated permissions. The API refuses them as it
// refuses such tokens. Nil ends it.
func (t *Tenant) MisissueTokens(audience, scope string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.misissued = func(c *issuedClaims) {
		if audience != "" {
			c.Audience = audience
		}
		c.Scope, c.Roles = scope, nil
	}
	t.entra.foreign = audience != ""
	if audience == "" && scope == "" {
		t.entra.misissued = nil
	}
	clear(t.entra.granted)
}

// dice are thrown for each id that the services draw.
func (t *Tenant) dice() dice {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entra.numbers++
	return throw(t.world.seed, streamTokens, t.entra.numbers)
}

func (t *Tenant) guid() string {
	d := t.dice()
	return string(d.guid(nil))
}

func (e *exchange) failToken(status int, kind string, code int, message string) {
	t := e.tenant
	e.text(status, "application/json; charset=utf-8", tokenError(kind, code, message, t.guid(), t.guid(), t.Now()))
}

// serveToken checks in the order in which the real service is thought to.
func (t *Tenant) serveToken(e *exchange) {
	r := e.request
	if r.Method != http.MethodPost {
		e.text(http.StatusMethodNotAllowed, "text/plain", "")
		return
	}
	r.Body = http.MaxBytesReader(e, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		e.failToken(http.StatusBadRequest, "invalid_request", 900144, "The request body is not well formed.")
		return
	}
	client, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		client, secret = unescape(user), unescape(password)
	}
	t.mu.Lock()
	valid := slices.Contains(t.entra.secrets, secret)
	t.mu.Unlock()
	tenant := strings.Trim(strings.TrimSuffix(r.URL.Path, TokenPath), "/")
	scope := strings.Join(slices.DeleteFunc(strings.Fields(r.PostForm.Get("scope")), isSignIn), " ")
	audience, isDefault := strings.CutSuffix(scope, "/.default")
	switch grant := r.PostForm.Get("grant_type"); {
	case !strings.EqualFold(tenant, t.options.TenantID) && tenant != Domain:
		e.failToken(http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", tenant))
	case grant != "client_credentials":
		e.failToken(http.StatusBadRequest, "unsupported_grant_type", 70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", grant))
	case client == "":
		e.failToken(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.")
	case !strings.EqualFold(client, t.options.ClientID):
		e.failToken(http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", client))
	case !isDefault:
		e.failToken(http.StatusBadRequest, "invalid_scope", 1002012, fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope))
	case secret == "" && r.PostForm.Has("client_assertion"):
		if refusal := t.judgeAssertion(e.request); refusal != nil {
			e.failToken(http.StatusUnauthorized, "invalid_client", refusal.code, refusal.text)
		} else if !slices.Contains(audiences, audience) {
			e.failUnknownAudience(audience)
		} else {
			t.grant(e, audience)
		}
	case secret == "":
		e.failToken(http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case !valid:
		e.failToken(http.StatusUnauthorized, "invalid_client", 7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", client))
	case !slices.Contains(audiences, audience):
		e.failUnknownAudience(audience)
	default:
		t.grant(e, audience)
	}
}

// isSignIn reports whether a scope is about the sign-in of people. Microsoft's client
// libraries send these always, and the service passes over them.
func isSignIn(scope string) bool {
	return scope == "openid" || scope == "offline_access" || scope == "profile"
}

func (e *exchange) failUnknownAudience(audience string) {
	e.failToken(http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", audience))
}

// unescape undoes the form encoding that OAuth prescribes inside Basic.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (t *Tenant) grant(e *exchange, audience string) {
	token, _ := t.issue(audience)
	e.Header().Set("Cache-Control", "no-store, no-cache")
	seconds := int(t.options.TokenLifetime / time.Second)
	e.text(http.StatusOK, "application/json; charset=utf-8",
		fmt.Sprintf(`{"token_type":"Bearer","expires_in":%d,"ext_expires_in":%d,"access_token":"%s"}`, seconds, seconds, token))
}

// IssueToken is a token of the tenant for a managed identity, as the services that
// vouch for a host fetch it; false where the tenant does not know the audience.
func (t *Tenant) IssueToken(audience string) (token string, expires time.Time, ok bool) {
	if !slices.Contains(audiences, audience) {
		return "", time.Time{}, false
	}
	token, expires = t.issue(audience)
	return token, expires, true
}

// issue makes a token and remembers it.
func (t *Tenant) issue(audience string) (token string, expires time.Time) {
	d, now := t.dice(), t.Now()
	expires = now.Add(t.options.TokenLifetime)
	t.mu.Lock()
	roles := t.entra.roles
	token = t.mint(&d, audience, roles, now, expires)
	for token, g := range t.entra.granted { // forget the expired
		if now.After(g.expires) {
			delete(t.entra.granted, token)
		}
	}
	switch {
	case t.entra.misissued == nil:
		t.entra.granted[token] = grant{expires, roles}
	case t.entra.foreign: // not known to the API
	default:
		t.entra.granted[token] = grant{expires, nil}
	}
	t.mu.Unlock()
	return token, expires
}

// issuedClaims are those that a client may read for diagnosis.
type issuedClaims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	Issued   int64    `json:"iat"`
	From     int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
	App      string   `json:"appid"`
	AppACR   string   `json:"appidacr"`
	Roles    []string `json:"roles,omitempty"`
	Scope    string   `json:"scp,omitempty"`
	Tenant   string   `json:"tid"`
	Unique   string   `json:"uti"`
	Version  string   `json:"ver"`
}

// mint makes a token. Its signature is noise: the tenant remembers what it has
// issued.
func (t *Tenant) mint(d *dice, audience string, roles []string, now, expires time.Time) string {
	c := issuedClaims{
		Audience: audience, Issuer: "https://sts.windows.net/" + t.options.TenantID + "/", Issued: now.Unix(), From: now.Unix(), Expires: expires.Unix(),
		App: t.options.ClientID, AppACR: "1", Roles: roles, Tenant: t.options.TenantID, Unique: string(d.hex(nil, 11)), Version: "1.0",
	}
	if t.entra.misissued != nil {
		t.entra.misissued(&c)
	}
	claims, _ := json.Marshal(c)
	encode := base64.RawURLEncoding.EncodeToString
	header := encode([]byte(`{"typ":"JWT","alg":"RS256","kid":"` + string(d.hex(nil, 14)) + `"}`))
	return header + "." + encode(claims) + "." + encode(d.hex(nil, 128))
}

// authorize answers 401 or 403 itself when it returns false.
func (t *Tenant) authorize(e *exchange, kind *resource) bool {
	token, bearer := strings.CutPrefix(e.request.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	g, known := t.entra.granted[token]
	t.mu.Unlock()
	if !bearer || !known || !t.Now().Before(g.expires) {
		e.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		e.fail(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
		return false
	}
	if slices.ContainsFunc(kind.roles, func(role string) bool { return slices.Contains(g.roles, role) }) {
		return true
	}
	e.fail(http.StatusForbidden, "Forbidden", fmt.Sprintf("Missing application roles. API required roles: %s, application roles: %s.",
		strings.Join(kind.roles, ","), strings.Join(g.roles, ",")))
	return false
}

// quota is one limit on calls in a window that starts with its first call.
type quota struct {
	limit, calls  int
	window, start ticks
}

// admit counts a call, or answers 429 and returns false. Calls that were
// refused do not count.
func (t *Tenant) admit(e *exchange) bool {
	now := toTicks(t.Now())
	var wait ticks
	t.mu.Lock()
	for i := range t.quota {
		q := &t.quota[i]
		if q.calls > 0 && now >= q.start+q.window {
			q.calls = 0
		}
		if q.calls >= q.limit {
			wait = max(wait, q.start+q.window-now)
		}
	}
	for i := range t.quota {
		if q := &t.quota[i]; wait == 0 {
			if q.calls == 0 {
				q.start = now
			}
			q.calls++
		}
	}
	t.mu.Unlock()
	if wait == 0 {
		return true
	}
	e.Header().Set("Retry-After", fmt.Sprint((wait+second-1)/second))
	e.fail(http.StatusTooManyRequests, "TooManyRequests", "API calls quota exceeded! Maximum allowed calls are exceeded for this application.")
	return false
}
