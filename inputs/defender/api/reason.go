package api

import (
	"net/http"
	"strings"
	"time"
)

// Reason is what an operator reads about an error. It is a closed set: each value
// belongs to one Kind, and an input has one text for each.
type Reason uint8

// The reasons, by their kind.
const (
	RequestRefused Reason = iota // Other
	PathRetired                  // Other, 410

	CredentialsRefused // Auth, for a reason without a value of its own
	WrongSecret
	SecretExpired
	UnknownApplication
	TokenRefused // a token was issued, and the API does not take it
	TokenOfAnotherAPI
	CertificateRefused
	CertificateExpired
	FederationUnknown // no federated credential with the assertion's issuer, subject and audience
	AssertionRefused
	IdentityMissing // Azure vouches for no such identity of this host

	SettingsUnfit // Misconfigured, for a reason without a value of its own
	CredentialsUnreadable
	UnknownTenant
	WrongCloud
	Untrusted    // no trusted connection
	ProxyRefuses // the proxy answers, and refuses

	PermissionMissing // Permission
	ConsentMissing    // the token has no role at all
	PermissionDelegated
	LicenceInactive

	CallsThrottled // Throttled
	QuotaGone      // Throttled, for longer than the quota of a minute explains

	Unreachable // Transient, without an answer
	NoIdentityService
	ServerFails
	ProxyUnreachable

	AnswerUnusable // Malformed

	reasons // how many there are
)

// Reasons are all of them, for tests and tables.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// hourlyQuotaHold distinguishes the quota of the hour from that of the minute: a
// minute's is whole again sooner.
const hourlyQuotaHold = 5 * time.Minute

// Reason is why the error came about. The kind alone decides what happens; among
// the reasons of one kind the code chooses, then the status.
func (e *Error) Reason() Reason {
	if e.reason != RequestRefused {
		return e.reason
	}
	if code, ok := strings.CutPrefix(e.Code, "AADSTS"); ok {
		if known, ok := entraHints[code]; ok && known.kind == e.Kind {
			return known.reason
		}
	}
	switch e.Kind {
	case Auth:
		if e.Status == http.StatusUnauthorized && !e.IsToken() {
			return TokenRefused
		}
		return CredentialsRefused
	case Misconfigured:
		switch {
		case e.Code == CodeTLS:
			return Untrusted
		case e.Code == CodeProxy, e.Status == http.StatusProxyAuthRequired:
			return ProxyRefuses
		}
		return SettingsUnfit
	case Permission:
		return PermissionMissing
	case Throttled:
		if e.RetryAfter >= hourlyQuotaHold {
			return QuotaGone
		}
		return CallsThrottled
	case Transient:
		switch {
		case e.Code == CodeProxy:
			return ProxyUnreachable
		case e.Status != 0 && e.Status != http.StatusOK:
			return ServerFails
		}
		return Unreachable
	case Malformed:
		return AnswerUnusable
	case Other:
		if e.Status == http.StatusGone {
			return PathRetired
		}
	}
	return RequestRefused
}
