//go:build !windows

package inputs_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestSSLReadsRegularFilesAlone: a pipe that nobody writes to, or a device that does
// not end, would hold up the policy.
func TestSSLReadsRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]tlscommon.Config{
		"certificate":                {Certificate: tlscommon.CertificateConfig{Certificate: pipe, Key: "/no/such.key"}},
		"key":                        {Certificate: tlscommon.CertificateConfig{Certificate: "/no/such.pem", Key: pipe}},
		"key_passphrase_path":        {Certificate: tlscommon.CertificateConfig{Certificate: "/no/such.pem", Key: "/no/such.key", PassphrasePath: pipe}},
		"certificate_authorities[1]": {CAs: []string{"/no/such.pem", pipe}},
		"certificate_authorities[0]": {CAs: []string{"pipe"}}, // the library would read it, too
	} {
		done := make(chan error, 1)
		go func() { done <- inputs.CheckSSL(&c) }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), "is no regular file") {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: waits for the pipe", name)
		}
	}
}
