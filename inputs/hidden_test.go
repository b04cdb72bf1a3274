package inputs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func TestProxyIsNotQuoted(t *testing.T) {
	for text, good := range map[string]bool{
		"http://proxy.example:3128": true, "socks5://u:secret@proxy.example": true, "http://u:se@cret@proxy.example": true,
		"u:secret@proxy.example:3128": false, "http://u:%secret@proxy": false, "http://u:12/secret@proxy": false,
		"http://u:a secret@proxy": false, "http://u:[secret@proxy": false, "http://u:a#secret@proxy": false,
		"http://u:1?secret@proxy": false, "ftp://secret@proxy": false, "secret": false,
	} {
		u, err := inputs.ParseProxy(inputs.Secret(text))
		if (err == nil) != good || good && !strings.HasPrefix(u.Host, "proxy.example") {
			t.Errorf("%s: %v, %v", text, u, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "proxy_url")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestSSLIsNotQuoted: the name of a file is told, anything else is not.
func TestSSLIsNotQuoted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "such.pem") // is there, and is no certificate
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "MIIEsecret0\nAAAAsecret1\n-----END PRIVATE KEY-----"
	for name, c := range map[string]tlscommon.Config{
		"key":         {Certificate: tlscommon.CertificateConfig{Certificate: "/no/such.pem", Key: key}},
		"certificate": {Certificate: tlscommon.CertificateConfig{Certificate: key, Key: "/no/such.key"}},
		"authority":   {CAs: []string{key, "/no/such.pem"}},
		"key, file":   {Certificate: tlscommon.CertificateConfig{Certificate: file, Key: key}},
		"authority 2": {CAs: []string{key, file}},
	} {
		err := inputs.CheckSSL(&c)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "ssl: ") {
			t.Errorf("%s: %v", name, err)
		}
		if name != "certificate" && name != "key, file" && err != nil && !strings.Contains(err.Error(), "such.pem") {
			t.Errorf("%s: the file is not named: %v", name, err)
		}
	}
	if err := inputs.CheckSSL(nil); err != nil {
		t.Error(err)
	}
}
