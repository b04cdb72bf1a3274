package inputs_test

import (
	"errors"
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

// TestSSLIsNotQuoted: the name of a file is shown, anything else is not.
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

// TestSSLFaultsSayTheRemedy for each way to get a file or a word wrong.
func TestSSLFaultsSayTheRemedy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text.pem")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	pair := func(certificate, key string) *tlscommon.Config {
		return &tlscommon.Config{Certificate: tlscommon.CertificateConfig{Certificate: certificate, Key: key}}
	}
	for name, c := range map[string]struct {
		config *tlscommon.Config
		says   []string
	}{
		"key is missing":      {pair(file, "/no/secret.key"), []string{"ssl: key: no such file or directory", "name a PEM file"}},
		"both are missing":    {pair("/no/such.pem", "/no/secret.key"), []string{"certificate: open /no/such.pem: ", "key: no such", "name a PEM file"}},
		"not PEM":             {pair(file, file), []string{"certificate and key want"}},
		"authority is no PEM": {&tlscommon.Config{CAs: []string{file}}, []string{"certificate_authorities wants"}},
		"authority's path":    {&tlscommon.Config{CAs: []string{"ca.pem"}}, []string{"certificate_authorities wants", "by absolute path"}},
	} {
		err := inputs.CheckSSL(c.config)
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: got %v, want %q", name, err, says)
			}
		}
	}
	for words, want := range map[string]string{
		"unknown verification mode 'off'": "want", "invalid tls version 'x'": "want", "invalid tls cipher suite 'x'": "want",
		"invalid tls curve type 'x'": "want", "invalid tls renegotiation type 'x'": "want", "anything else": "anything else",
	} {
		if err := inputs.SSLFault(nil, errors.New(words)); !strings.HasPrefix(err.Error(), "ssl: "+words) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", words, err)
		}
	}
}
