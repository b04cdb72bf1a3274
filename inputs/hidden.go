package inputs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"
)

// ParseProxy reads a proxy_url. Its errors do not quote it: a password with a
// character that a URL must escape is the most frequent reason for them.
func ParseProxy(text Secret) (*url.URL, error) {
	u, err := url.Parse(text.Reveal())
	if err != nil || u.Hostname() == "" || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") ||
		!slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, errors.New("proxy_url: must be a URL with scheme and host, such as http://proxy.example:3128; " +
			"write special characters of user and password as %xx")
	}
	return u, nil
}

// CheckSSL loads certificates and keys and reports what is wrong with them.
func CheckSSL(t *tlscommon.Config) error {
	if err := missingFiles(t); err != nil {
		return err
	}
	if _, err := tlscommon.LoadTLSConfig(t, logp.NewNopLogger()); err != nil {
		return SSLFault(t, err)
	}
	return nil
}

// missingFiles names the files that are not there, may not be read, or are none.
func missingFiles(t *tlscommon.Config) error {
	if t == nil || !t.IsEnabled() {
		return nil
	}
	type value struct{ setting, path string }
	files := []value{{"certificate", t.Certificate.Certificate}, {"key_passphrase_path", t.Certificate.PassphrasePath}}
	for i, ca := range t.CAs {
		files = append(files, value{fmt.Sprintf("certificate_authorities[%d]", i), ca})
	}
	var faults []string
	for _, f := range files {
		if err := unreadable(f.path); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", f.setting, err))
		}
	}
	if err := unreadable(t.Certificate.Key); err != nil { // or a key with a typing error: not reported
		faults = append(faults, fmt.Sprintf("key: %v", errors.Unwrap(err)))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("ssl: %s; name a PEM file that this user can read, or give its text", strings.Join(faults, "; "))
}

// unreadable is why the library could not read a file. Only a regular file is opened: a
// pipe may wait for a writer, and a device need not end. A text that is no path is left
// to the library.
func unreadable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is no regular file")}
	}
	if !isPath(path) {
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // the operator's own file
	if err != nil {
		return err
	}
	return f.Close()
}

// SSLFault is an error about ssl settings on one line, with the names of the
// settings in place of their values: the library takes a key or certificate with
// a typing error in it for the name of a file, and quotes it.
func SSLFault(t *tlscommon.Config, err error) error {
	text := err.Error()
	if t == nil {
		return sslFault(text)
	}
	type value struct{ text, name string }
	values := []value{{t.Certificate.Key, "ssl.key"}, {t.Certificate.Passphrase, "ssl.key_passphrase"}}
	if !isPath(t.Certificate.Certificate) {
		values = append(values, value{t.Certificate.Certificate, "ssl.certificate"})
	}
	for i, ca := range t.CAs {
		if !isPath(ca) {
			values = append(values, value{ca, fmt.Sprintf("ssl.certificate_authorities[%d]", i)})
		}
	}
	for _, v := range slices.Clone(values) {
		for line := range strings.Lines(v.text) {
			values = append(values, value{strings.TrimSpace(line), v.name})
		}
	}
	slices.SortStableFunc(values, func(a, b value) int { return cmp.Compare(len(b.text), len(a.text)) })
	for _, v := range values {
		if len(v.text) >= 4 { // a shorter one would make the rest unreadable
			text = strings.ReplaceAll(text, v.text, v.name)
		}
	}
	return sslFault(text)
}

// sslRemedies are what to do about the library's faults, by words of theirs.
var sslRemedies = []struct{ words, remedy string }{
	{"CA load failed", "certificate_authorities wants PEM files with certificates, by absolute path, or their text"},
	{"certificate load failed", "certificate and key want the PEM files of one pair, by absolute path, or their text; key_passphrase opens the key"},
	{"no pem file", "certificate and key want the PEM files of one pair, by absolute path, or their text"},
	{"verification mode", "verification_mode wants full, strict, certificate or none"},
	{"tls version", "supported_protocols wants TLSv1.2 or TLSv1.3"},
	{"cipher suite", "cipher_suites wants names such as ECDHE-RSA-AES-256-GCM-SHA384"},
	{"curve type", "curve_types wants P-256, P-384, P-521 or X25519"},
	{"renegotiation", "renegotiation wants never, once or freely"},
}

func sslFault(text string) error {
	for _, r := range sslRemedies {
		if strings.Contains(text, r.words) {
			return fmt.Errorf("ssl: %s; %s", oneLine(text), r.remedy)
		}
	}
	return fmt.Errorf("ssl: %s", oneLine(text))
}

// isPath reports whether a text is the name of a file, which may be shown, and not a
// certificate.
func isPath(s string) bool { return filepath.IsAbs(s) && len(s) < 256 && !strings.Contains(s, "\n") }

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
