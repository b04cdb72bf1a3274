package identitytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// Kind is which of the services a Service is.
type Kind uint8

// The services. Sources: Microsoft's pages "how-to-use-vm-token", "overview-managed-
// identity" of App Service and "managed-identity-authentication" of Azure Arc.
const (
	IMDS Kind = iota
	AppService
	Arc
)

// IMDSHost is where every Azure machine finds its service.
const IMDSHost = "169.254.169.254"

// IdentityHeader is the secret by which App Service knows its own processes.
const IdentityHeader = "app-service-header-0123"

// Service vouches for its host. Its fields may be changed by Change.
type Service struct {
	Kind   Kind
	Tenant *defendertest.Tenant
	// System is whether the host has an identity of its own.
	System bool
	// Assigned are the user-assigned identities by their selector: client_id,
	// object_id, msi_res_id (mi_res_id of App Service).
	Assigned map[string]string
	// KeyFile is where Arc writes the key that proves who may read it.
	KeyFile string
	// Fail answers every request with a status and a body, if it is not 0.
	Fail int
	Body string

	mu       sync.Mutex
	key      int
	requests []url.Values
}

// Change changes a service that is in use.
func (s *Service) Change(f func(*Service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// Requests are the queries of those that got past all checks.
func (s *Service) Requests() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values(nil), s.requests...)
}

// Environment is what the host sets for its processes, given the service's URL.
func (s *Service) Environment(base string) map[string]string {
	switch s.Kind {
	case AppService:
		return map[string]string{"IDENTITY_ENDPOINT": base + "/msi/token", "IDENTITY_HEADER": IdentityHeader}
	case Arc:
		return map[string]string{"IDENTITY_ENDPOINT": base + "/metadata/identity/oauth2/token", "IMDS_ENDPOINT": base}
	case IMDS:
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if s.Fail != 0 {
		w.WriteHeader(s.Fail)
		fmt.Fprint(w, s.Body)
		return
	}
	if !s.admits(w, r) {
		return
	}
	query := r.URL.Query()
	if text := s.missing(query); text != "" {
		fail(w, http.StatusBadRequest, "invalid_request", text)
		return
	}
	token, expires, ok := s.Tenant.IssueToken(query.Get("resource"))
	if !ok {
		fail(w, http.StatusBadRequest, "invalid_resource", "AADSTS500011: The resource principal named "+query.Get("resource")+" was not found in the tenant named Contoso.")
		return
	}
	s.requests = append(s.requests, query)
	answer := map[string]string{
		"access_token": token, "expires_in": "3599", "expires_on": fmt.Sprint(expires.Unix()),
		"resource": query.Get("resource"), "token_type": "Bearer",
	}
	for name := range s.Assigned { // the identity that was used
		if query.Has(name) {
			answer[name] = query.Get(name)
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// admits checks what keeps strangers out.
func (s *Service) admits(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method != http.MethodGet:
		fail(w, http.StatusMethodNotAllowed, "invalid_request", "GET alone")
	case r.Header.Get("X-Forwarded-For") != "":
		fail(w, http.StatusBadRequest, "invalid_request", "X-Forwarded-For is not allowed")
	case s.Kind == AppService && r.Header.Get("X-Identity-Header") != IdentityHeader:
		fail(w, http.StatusUnauthorized, "unauthorized", "wrong X-IDENTITY-HEADER")
	case s.Kind != AppService && r.Header.Get("Metadata") != "true":
		fail(w, http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
	case s.Kind == Arc && r.Header.Get("Authorization") != fmt.Sprintf("Basic arc-key-%d", s.key):
		s.key++
		_ = os.WriteFile(s.KeyFile, fmt.Appendf(nil, "arc-key-%d", s.key), 0o600)
		w.Header().Set("WWW-Authenticate", "Basic realm="+s.KeyFile)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		return true
	}
	return false
}

// missing is what a request lacks, or why there is no such identity.
func (s *Service) missing(query url.Values) string {
	version := map[Kind]string{IMDS: "2018-02-01", AppService: "2019-08-01", Arc: "2020-06-01"}[s.Kind]
	if query.Get("api-version") != version {
		return "api-version " + version + " is required"
	}
	for _, name := range []string{"client_id", "object_id", "msi_res_id", "mi_res_id"} {
		if query.Has(name) {
			if s.Assigned[name] == "" || s.Assigned[name] != query.Get(name) {
				return "Identity not found"
			}
			return ""
		}
	}
	if !s.System {
		return "Identity not found"
	}
	return ""
}

func fail(w http.ResponseWriter, status int, code, text string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text})
}

// ArcFolder is where Azure Arc's client looks for the key alone.
func ArcFolder() string {
	if os.PathSeparator == '\\' {
		return filepath.Join(os.Getenv("ProgramData"), "AzureConnectedMachineAgent", "Tokens")
	}
	return "/var/opt/azcmagent/tokens"
}

// Hosts serves each host by a handler of its own, without a network. Any other is
// refused, as by a firewall.
type Hosts map[string]http.Handler

// RoundTrip implements http.RoundTripper.
func (h Hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := h[r.URL.Host]
	if handler == nil {
		return nil, fmt.Errorf("connect: no route to %s", strings.ToLower(r.URL.Host))
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	served := r.Clone(r.Context())
	served.RequestURI, served.Host = r.URL.RequestURI(), r.URL.Host
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, served)
	response := w.Result()
	response.Request = r
	return response, nil
}
