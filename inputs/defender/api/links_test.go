package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

func TestNextLinkToForeignHostGetsNoToken(t *testing.T) {
	for _, link := range []string{
		"https://evil.example/api/alerts?$skip=1",
		"//evil.example/x",
		"http://api.example/api/alerts",
		"https://api.example:8443/api/alerts",
		"https://user:pw@api.example/api/alerts",
		"https://user@api.security.microsoft.com/api/alerts",
		"http://api.security.microsoft.com/api/alerts",
		"https://api.security.microsoft.com:8443/api/alerts",
		"https://security.microsoft.com.evil.example/",
		"https://evilsecurity.microsoft.com/",
		"https://.security.microsoft.com/",
		"https://api.security.microsoft.com./",
		"https://tvmexport.blob.core.windows.net/x?sig=1",
		"https://api-gov.securitycenter.microsoft.us/x", // another cloud's
		"https:api.example/x",
		"https://evil.example\\@api.example/",
		"ftp://api.example/", "javascript:alert(1)", "", "https://[::1", "https://api.example%2fevil/",
	} {
		f := &fake{}
		c := config(f)
		c.Cloud = "commercial"
		_, err := newClient(t, c).Follow(t.Context(), alerts, link)
		e := wantError(t, err, api.Malformed, "follow a next link")
		if strings.Contains(e.Error(), "skip") || strings.Contains(e.Error(), "pw") || strings.Contains(e.Error(), "sig") {
			t.Errorf("shows the link: %v", e)
		}
		wantCounts(t, f, 0, 0)
	}
}

// TestNextLinkToTheAPI: the host of url is trusted, and the hosts of its cloud.
func TestNextLinkToTheAPI(t *testing.T) {
	const own = "https://api.example/api/alerts?$filter=a ge b&$skip=10"
	for _, test := range []struct{ cloud, link, want string }{
		{"", own, "https://api.example/api/alerts?$filter=a%20ge%20b&$skip=10"},
		{"", "https://API.example:443/x#frag", "https://API.example:443/x"},
		{"", "/api/alerts?$skip=10", "https://api.example/api/alerts?$skip=10"},
		{"commercial", "https://api.example/x", "https://api.example/x"},
		{"commercial", "https://api-eu3.securitycenter.microsoft.com/api/alerts?$s=", "https://api-eu3.securitycenter.microsoft.com/api/alerts?$s="},
		{"commercial", "https://eu.api.security.microsoft.com/x", "https://eu.api.security.microsoft.com/x"},
		{"commercial", "https://ina.api.security.microsoft.com/x", "https://ina.api.security.microsoft.com/x"},
		{"gcc", "https://api-gcc.securitycenter.microsoft.us/x", "https://api-gcc.securitycenter.microsoft.us/x"},
		{"dod", "https://api-gov.securitycenter.microsoft.us/x", "https://api-gov.securitycenter.microsoft.us/x"},
	} {
		f := &fake{}
		c := config(f)
		c.Cloud = test.cloud
		page, err := newClient(t, c).Follow(t.Context(), alerts, test.link)
		if err != nil {
			t.Errorf("%s: %v", test.link, err)
			continue
		}
		_ = page.Close()
		if got := f.sent[1].URL.String(); strings.ReplaceAll(got, " ", "%20") != test.want {
			t.Errorf("%s: went to %s", test.link, got)
		}
	}
}

func TestNextLinkToSimulatedHost(t *testing.T) {
	f := &fake{}
	c := config(f)
	c.URL = "http://127.0.0.1:8080"
	page, err := newClient(t, c).Follow(t.Context(), alerts, "http://127.0.0.1:8080/api/alerts?$skip=1")
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Close()
	_, err = newClient(t, c).Follow(t.Context(), alerts, "http://127.0.0.1:8081/api/alerts")
	wantError(t, err, api.Malformed, "127.0.0.1")
}

func TestRedirectToForeignHostGetsNoToken(t *testing.T) {
	visited := 0
	client := serve(t, config(nil), func(w http.ResponseWriter, r *http.Request) {
		visited++
		switch r.URL.Path {
		case "/api/alerts":
			http.Redirect(w, r, "http://localhost:1/evil?q=1", http.StatusTemporaryRedirect)
		case "/api/machines":
			http.Redirect(w, r, "/api/other", http.StatusTemporaryRedirect)
		case "/api/other":
			if r.Header.Get("Authorization") != "Bearer token" {
				t.Error("no token on the same host")
			}
			_, _ = io.WriteString(w, `{"value":[]}`)
		default:
			http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		}
	})
	_, err := client.Open(t.Context(), alerts)
	wantError(t, err, api.Misconfigured, "307 Temporary Redirect: redirected to localhost", "check url")
	page, err := client.Open(t.Context(), api.Request{Path: "/api/machines"})
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Close()
	if visited != 3 {
		t.Errorf("%d visits", visited)
	}
	_, err = client.Open(t.Context(), api.Request{Path: "/loop"})
	wantError(t, err, api.Misconfigured, "redirected to")
}
