package api

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // it names a certificate in Entra's pages and protects nothing
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// form is how a certificate or a key is given.
type form uint8

const (
	formUnknown form = iota
	formPEM
	formFile
	formPKCS12 // as base64
)

const formWanted = "want PEM text, PKCS#12 as base64, or the absolute path of a file of either"

// formOf finds the form of a text by how it begins. Base64 of PKCS#12 never begins as
// an absolute path does, since DER begins with 0x30.
func formOf(s inputs.Secret) form {
	text := strings.TrimSpace(s.Reveal())
	switch {
	case tlscommon.IsPEMString(text):
		return formPEM
	case strings.HasPrefix(text, "M") && !strings.ContainsAny(text, `\:`):
		return formPKCS12
	case filepath.IsAbs(text) && !strings.Contains(text, "\n"):
		return formFile
	}
	return formUnknown
}

// keyPair is a certificate with its chain and private key.
type keyPair struct {
	chain []*x509.Certificate // the application's first
	key   crypto.PrivateKey
}

// loadKeyPair reads certificate and key again. The error is an *Error that quotes
// nothing of either.
func (c *Credentials) loadKeyPair() (keyPair, error) {
	content, err := contentOf("certificate", c.Certificate)
	if err != nil {
		return keyPair{}, err
	}
	if !tlscommon.IsPEMString(string(content)) {
		return fromPKCS12(content, c.Passphrase.Reveal())
	}
	key, keySetting := content, "certificate"
	if c.Key.Reveal() != "" {
		keySetting = "key"
		if key, err = contentOf("key", c.Key); err != nil {
			return keyPair{}, err
		}
	}
	return fromPEM(content, key, keySetting, c.Passphrase.Reveal())
}

// contentOf is what a setting holds or names.
func contentOf(setting string, value inputs.Secret) ([]byte, error) {
	text := strings.TrimSpace(value.Reveal())
	switch formOf(value) {
	case formPEM:
		return []byte(text), nil
	case formPKCS12:
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, unreadable(setting, "it is neither PEM text nor base64")
		}
		return der, nil
	case formFile:
		return readFile(setting, text)
	case formUnknown:
	}
	return nil, unreadable(setting, formWanted)
}

func fromPKCS12(der []byte, passphrase string) (keyPair, error) {
	key, certificate, chain, err := pkcs12.DecodeChain(der, passphrase)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return keyPair{}, unreadable("key_passphrase", "it does not open the certificate")
	case err != nil:
		return keyPair{}, unreadable("certificate", "it is neither PEM nor PKCS#12 with one key")
	}
	return keyPair{append([]*x509.Certificate{certificate}, chain...), key}.fit()
}

// fromPEM takes text that holds certificates, and text that holds the key, which
// may be the same.
func fromPEM(certificate, key []byte, keySetting, passphrase string) (keyPair, error) {
	if keySetting == "key" && !tlscommon.IsPEMString(string(key)) {
		return keyPair{}, unreadable("key", "it is no PEM text")
	}
	plain, err := tlscommon.ReadPEMFile(logp.NewNopLogger(), string(onlyKeys(key)), passphrase)
	if err != nil {
		return keyPair{}, unreadable(keySetting, "it holds no private key that key_passphrase opens")
	}
	pair, err := tls.X509KeyPair(certificate, plain)
	if err != nil {
		return keyPair{}, unreadable(keySetting, "certificate and private key are not one pair, or not both there")
	}
	found := keyPair{key: pair.PrivateKey}
	for _, der := range pair.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return keyPair{}, unreadable("certificate", "it cannot be parsed")
		}
		found.chain = append(found.chain, one)
	}
	return found.fit()
}

// onlyKeys are the blocks of PEM text that hold keys: the library takes a block
// that it cannot decrypt for a fault of all.
func onlyKeys(text []byte) []byte {
	var keys bytes.Buffer
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			_ = pem.Encode(&keys, block) // into memory
		}
	}
	return keys.Bytes()
}

// fit reports what Entra would refuse of a pair that can be read.
func (p keyPair) fit() (keyPair, error) {
	if p.chain[0].PublicKeyAlgorithm != x509.RSA {
		return keyPair{}, unreadable("certificate", "its key is "+p.chain[0].PublicKeyAlgorithm.String()+", and Entra takes RSA keys alone")
	}
	return p, nil
}

// fact is what may be shown of the certificate: what Entra's pages show of it.
func (p keyPair) fact(now time.Time) string {
	own := p.chain[0]
	sum := sha1.Sum(own.Raw) //nolint:gosec // see the import
	return fmt.Sprintf("certificate %s, thumbprint %s, valid until %s (%s)",
		own.Subject, strings.ToUpper(hex.EncodeToString(sum[:])), own.NotAfter.UTC().Format(time.DateOnly), days(own.NotAfter, now))
}
