package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// issuerKey is that of all issuers.
var issuerKey = sync.OnceValue(newKey)

// keys are those of certificates, by number.
var keys = sync.OnceValue(func() []*rsa.PrivateKey { return []*rsa.PrivateKey{newKey(), newKey()} })

func newKey() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

// Certificate is one with its private key.
type Certificate struct {
	*x509.Certificate
	Key any
	// CA is who signed it; itself where nobody else did.
	CA *Certificate
}

// NewCertificate makes one that signed itself and is valid until a time. Those of
// equal number have one key; there are two.
func NewCertificate(name string, until time.Time, number int) *Certificate {
	return sign(name, until, keys()[number%2], nil)
}

// NewSigned makes one that ca signed.
func NewSigned(name string, until time.Time, number int, ca *Certificate) *Certificate {
	return sign(name, until, keys()[number%2], ca)
}

// NewElliptic makes one with a key that Entra does not take.
func NewElliptic(name string, until time.Time) *Certificate {
	return sign(name, until, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), nil)
}

func sign(name string, until time.Time, key any, ca *Certificate) *Certificate {
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: name},
		NotBefore: until.AddDate(-2, 0, 0), NotAfter: until, IsCA: ca == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	var public any
	switch k := key.(type) {
	case *rsa.PrivateKey:
		public = &k.PublicKey
	case *ecdsa.PrivateKey:
		public = &k.PublicKey
	}
	parent, parentKey := template, key
	if ca != nil {
		parent, parentKey = ca.Certificate, ca.Key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, public, parentKey))
	made := &Certificate{Certificate: must(x509.ParseCertificate(der)), Key: key, CA: ca}
	if ca == nil {
		made.CA = made
	}
	return made
}

// CertificatePEM is the certificate, with its signer's where that is another one.
func (c *Certificate) CertificatePEM() string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	if c.CA != c {
		text += c.CA.CertificatePEM()
	}
	return text
}

// KeyPEM is the private key.
func (c *Certificate) KeyPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(c.Key))}))
}

// KeyPKCS1PEM is the private key in the older of its formats.
func (c *Certificate) KeyPKCS1PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(c.Key.(*rsa.PrivateKey))}))
}

// EncryptedKeyPEM is the private key under a pass phrase.
func (c *Certificate) EncryptedKeyPEM(passphrase string) string {
	der := must(pkcs8.MarshalPrivateKey(c.Key, []byte(passphrase), nil))
	return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
}

// PKCS12Base64 is PKCS12 as it is in a setting.
func (c *Certificate) PKCS12Base64(passphrase string) string {
	return base64.StdEncoding.EncodeToString(c.PKCS12(passphrase, false))
}

// PKCS12 holds both, in the format of today's tools or in that of older ones.
func (c *Certificate) PKCS12(passphrase string, legacy bool) []byte {
	encoder := pkcs12.Modern
	if legacy {
		encoder = pkcs12.LegacyDES
	}
	return must(encoder.Encode(c.Key, c.Certificate, nil, passphrase))
}

// must is for what cannot fail with what is made here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// EncodePEM is a certificate as it is in settings.
func EncodePEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}
