package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says what sort of trouble an error is. It is a closed set: retry (in
// this package) and a stream's state (FAILED or DEGRADED) are decided by it alone.
type Kind uint8

// The kinds of trouble. None of them means "stop for good": the poller
// continues, since consent, licences and networks come back.
const (
	Other         Kind = iota // refused for a reason of its own: 400, 404, ...
	Auth                      // no token, or a token the API does not take
	Permission                // a valid token without the right, or a feature that is off
	Throttled                 // too many calls; RetryAfter says when to come back
	Transient                 // network, 5xx, an answer cut short: try again
	Malformed                 // an answer that is not what the API sends
	Misconfigured             // a setting does not fit: tenant, scope, cloud, certificate, redirect
)

var kindNames = [...]string{"other", "auth", "permission", "throttled", "transient", "malformed", "config"}

// String is the kind in lower case, for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Codes of our own; all other codes are the API's or Entra's.
const (
	codeTooLarge = "RecordTooLarge"

	CodeTLS   = "TLSFailure"   // no trusted connection
	CodeProxy = "ProxyFailure" // the proxy cannot be reached or refuses to connect
)

// Error is what went wrong between us and the API or its token service.
// Everything in it may be shown: it holds no query, header, token or body, and
// all that the other side wrote was cleaned, cut and searched for our secrets.
type Error struct {
	Op         string        // what was being done: "get /api/alerts", "get a token"
	Status     int           // HTTP status; 0 when no answer came
	Code       string        // the API's code, an AADSTS code, or one of ours
	Message    string        // the cause: one line of at most 300 characters
	RequestID  string        // what Microsoft's support asks for; changes with every call
	RetryAfter time.Duration // 0 when the other side did not say
	Kind       Kind
	Hint       string // what an operator can do; may be empty
	Cloud      string // which one the settings belong to, for people; may be empty

	reason Reason // where more is known than kind, status and code show; else RequestRefused
}

// Error is one line without a changing part such as the request's id or a
// waiting time, so that equal trouble reads equal.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	label := e.Code
	if e.Status != 0 {
		if label == "" {
			label = http.StatusText(e.Status)
		}
		label = strings.TrimSpace(strconv.Itoa(e.Status) + " " + label)
	}
	if label != "" {
		b.WriteString(": ")
		b.WriteString(label)
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	return b.String()
}

// IsToken reports whether it was the token service that did not do its part.
func (e *Error) IsToken() bool { return e.Op == opToken }

// IsTooLarge reports whether one record was longer than Config.MaxRecord.
// Page.Next passes over it when it is called again.
func (e *Error) IsTooLarge() bool { return e.Code == codeTooLarge }

// bound keeps an error that is no 429 from holding its caller for long: an
// outage ends when it ends, regardless of what one node said.
func (e *Error) bound() {
	if e.Kind != Throttled {
		e.RetryAfter = min(e.RetryAfter, longestOutage)
	}
}
