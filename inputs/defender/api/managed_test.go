package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

const (
	userClient   = "0a0a0a0a-0000-0000-0000-000000000001"
	userObject   = "0a0a0a0a-0000-0000-0000-000000000002"
	userResource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/collector"
)

// managedRig is a rig on a host with a managed identity service. Other services of
// the machine that runs the test are hidden.
func managedRig(t *testing.T, kind identitytest.Kind) (*rig, *identitytest.Service) {
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT"} {
		t.Setenv(name, "")
	}
	r := newRig(t, api.Credentials{Kind: api.ManagedIdentity})
	r.config.ClientID = ""
	s := &identitytest.Service{Kind: kind, Tenant: r.tenant, System: true, Assigned: map[string]string{
		"client_id": userClient, "object_id": userObject, "msi_res_id": userResource, "mi_res_id": userResource,
	}}
	host := identitytest.IMDSHost
	if kind != identitytest.IMDS {
		host = "127.0.0.1:40342"
	}
	for name, value := range s.Environment("http://" + host) {
		t.Setenv(name, value)
	}
	if kind == identitytest.Arc {
		if err := os.MkdirAll(identitytest.ArcFolder(), 0o700); err != nil {
			t.Skipf("Azure Arc's client looks for its key in one folder, which cannot be made here: %v", err)
		}
		s.KeyFile = filepath.Join(identitytest.ArcFolder(), "defender-endpoint-test.key")
		t.Cleanup(func() { os.Remove(s.KeyFile) })
	}
	r.hosts[host] = s
	delete(r.hosts, loginHost) // nobody asks it
	return r, s
}

// TestManagedIdentity: each service, the host's identity and each way to name
// another one.
func TestManagedIdentity(t *testing.T) {
	for name, kind := range map[string]identitytest.Kind{"IMDS": identitytest.IMDS, "App Service": identitytest.AppService, "Azure Arc": identitytest.Arc} {
		t.Run(name, func(t *testing.T) {
			r, s := managedRig(t, kind)
			r.works()
			r.config.ClientID = userClient
			r.works()
			r.config.ClientID, r.config.Credentials.ObjectID = "", userObject
			r.works()
			r.config.Credentials.ObjectID, r.config.Credentials.ResourceID = "", userResource
			r.works()
			asked := s.Requests()
			if len(asked) != 4 || asked[0].Has("client_id") || asked[1].Get("client_id") != userClient || asked[2].Get("object_id") != userObject ||
				asked[0].Get("resource") != "https://api.securitycenter.microsoft.com" {
				t.Errorf("asked %v", asked)
			}
			r.config.Credentials.ResourceID = userResource + "2"
			r.refused(api.IdentityMissing, "assign")
			r.config.Credentials.ResourceID = ""
			s.Change(func(s *identitytest.Service) { s.System = false })
			r.refused(api.IdentityMissing, "assign")
			s.Change(func(s *identitytest.Service) { s.System = true })
			r.works()
		})
	}
}

// TestIdentityServiceFails: what does not last is tried again, what does is reported.
func TestIdentityServiceFails(t *testing.T) {
	r, s := managedRig(t, identitytest.IMDS)
	for _, test := range []struct {
		status int
		body   string
		reason api.Reason
		words  string
	}{
		{http.StatusGone, "", api.ServerFails, "410"},
		{http.StatusNotFound, `{"error":"not_found"}`, api.ServerFails, "404"},
		{http.StatusTooManyRequests, "{}", api.CallsThrottled, "429"},
		{http.StatusInternalServerError, "", api.ServerFails, "500"},
		{http.StatusBadRequest, `{"error":"invalid_request","error_description":"Identity not found"}`, api.IdentityMissing, "Identity not found"},
		{http.StatusForbidden, "<html>", api.AnswerUnusable, ""},
		{http.StatusOK, "<html>", api.IdentityMissing, ""},
	} {
		s.Change(func(s *identitytest.Service) { s.Fail, s.Body = test.status, test.body })
		synctest.Test(t, func(t *testing.T) {
			inner := *r
			inner.T = t
			inner.refused(test.reason, test.words)
		})
	}
	delete(r.hosts, identitytest.IMDSHost)
	synctest.Test(t, func(t *testing.T) {
		inner := *r
		inner.T = t
		inner.refused(api.NoIdentityService, "use other credentials")
	})
}

// TestArcKeyUnreadable: the group of those who may read the key is the most
// frequent fault of set-up on Azure Arc.
func TestArcKeyUnreadable(t *testing.T) {
	r, s := managedRig(t, identitytest.Arc)
	s.Change(func(s *identitytest.Service) {
		s.KeyFile = filepath.Join(identitytest.ArcFolder(), "no such folder", "x.key")
	})
	r.refused(api.CredentialsUnreadable, "himds")
}

// TestIdentityServiceIsAskedWithoutProxy: Microsoft's pages demand that, and the
// answers are tokens.
func TestIdentityServiceIsAskedWithoutProxy(t *testing.T) {
	r, s := managedRig(t, identitytest.AppService)
	server := httptest.NewServer(s)
	defer server.Close()
	for name, value := range s.Environment(server.URL) {
		t.Setenv(name, value)
	}
	list := httptest.NewServer(r.tenant)
	defer list.Close()
	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, p *http.Request) {
		proxied++
		r.tenant.ServeHTTP(w, p)
	}))
	defer proxy.Close()
	r.config.RoundTripper, r.config.URL = nil, list.URL
	r.config.Transport.Proxy.URL = proxyURL(t, proxy.URL)
	r.works()
	if proxied != 1 || len(s.Requests()) != 1 {
		t.Errorf("%d requests through the proxy, %d of the identity service", proxied, len(s.Requests()))
	}
	for _, request := range r.tenant.Requests() {
		if request.Path != "/api/alerts" {
			t.Errorf("%s went through the proxy", request.Path)
		}
	}
}
