package api

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/identitytest"
)

// FuzzClaims: a token is any bytes that the other side sends.
func FuzzClaims(f *testing.F) {
	f.Add((&identitytest.Issuer{URL: "https://issuer.example", Subject: "s"}).Assertion())
	f.Add("a.e30.c")
	f.Add("a.eyJhdWQiOltdfQ.c")
	f.Fuzz(func(_ *testing.T, text string) {
		c := claimsOf(text)
		_, _ = c.audience(), c.isForAnother()
	})
}
