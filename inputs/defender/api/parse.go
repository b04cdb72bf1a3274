package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	errorBodyLimit = 64 << 10 // bytes read of an error's body
	messageLimit   = 300      // characters kept of a message
	codeLimit      = 64       // characters kept of a code or request id
)

// lenient is how JSON from the other side is read: what it means matters, not
// whether it is tidy.
var lenient = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	json.MatchCaseInsensitiveNames(true),
)

// errorBody holds the members of the error shapes that are in use: the API's
// {"error":{"code","message","target"}}, Entra's {"error","error_description",
// "error_codes","correlation_id"} and a gateway's {"code","message"}. Every
// member is raw, so that a wrong type in one does not hide the others.
type errorBody struct {
	Error       jsontext.Value `json:"error"`
	Description jsontext.Value `json:"error_description"`
	Codes       jsontext.Value `json:"error_codes"`
	Correlation jsontext.Value `json:"correlation_id"`
	Code        jsontext.Value `json:"code"`
	Message     jsontext.Value `json:"message"`
	Target      jsontext.Value `json:"target"`
}

// parseBody reads an error's body as far as it can be read; only an object is one.
func parseBody(body []byte) (b errorBody, ok bool) {
	if jsontext.Value(body).Kind() != '{' {
		return b, false
	}
	return b, json.Unmarshal(body, &b, lenient) == nil
}

// text is the content of a JSON string, or the text of a number.
func text(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		s, err := jsontext.AppendUnquote(nil, v)
		if err != nil && len(s) == 0 {
			return ""
		}
		return string(s)
	case '0':
		return string(v)
	}
	return ""
}

// parseError makes an Error of an answer of the API that is not a success.
// scrub takes our secrets out of what the other side wrote.
func parseError(op string, status int, h http.Header, body []byte, now time.Time, scrub func(string) string) *Error {
	e := &Error{Op: op, Status: status, Kind: statusKind(status), RetryAfter: retryAfter(h, now)}
	e.bound()
	if b, ok := parseBody(body); ok {
		if inner, ok := parseBody(b.Error); ok {
			b = inner
		}
		e.Code = clean(scrub(text(b.Code)), codeLimit)
		e.Message = clean(scrub(text(b.Message)), messageLimit)
		e.RequestID = clean(scrub(text(b.Target)), codeLimit)
	}
	if e.RequestID == "" {
		e.RequestID = clean(scrub(h.Get("X-Ms-Request-Id")), codeLimit)
	}
	e.Hint = statusHint(e)
	return e
}

// statusKind is the kind of trouble an HTTP status means. Source: the API's
// page common-errors.
func statusKind(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return Auth
	case status == http.StatusForbidden:
		return Permission
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusRequestTimeout, status >= 500:
		return Transient
	case status == http.StatusProxyAuthRequired, status >= 300 && status < 400:
		return Misconfigured
	case status < 300:
		return Malformed
	}
	return Other
}

// parseTokenError makes an Error of a refusal by the token endpoint.
func parseTokenError(status int, h http.Header, body []byte, now time.Time, scrub func(string) string) *Error {
	e := &Error{Op: opToken, Status: status, Kind: tokenKind(status), RetryAfter: retryAfter(h, now)}
	e.bound()
	b, ok := parseBody(body)
	if !ok {
		e.Hint = statusHint(e)
		if e.Kind == Auth || e.Kind == Malformed {
			e.Kind, e.Message, e.Hint = Malformed, "the answer is not that of a token endpoint", hintStranger
		}
		return e
	}
	if inner, ok := parseBody(b.Error); ok { // not Entra's shape: the API's, or a proxy's
		b.Description = inner.Message
		b.Error = inner.Code
	}
	description := scrub(text(b.Description))
	name := clean(scrub(text(b.Error)), codeLimit)
	code := entraCode(b.Codes, description)
	e.RequestID = clean(scrub(text(b.Correlation)), codeLimit)
	e.Code, e.Hint = name, hintToken
	if code != "" {
		e.Code = "AADSTS" + code
	}
	// A 429 is a 429 regardless of its body: coming back is right either way.
	if h, ok := entraHints[code]; ok && status != http.StatusTooManyRequests {
		e.Kind, e.Hint = h.kind, h.hint
	} else if name == "temporarily_unavailable" {
		e.Kind, e.Hint = Transient, ""
	}
	// The rest of a description is trace id, correlation id and time: new every time.
	description, _, _ = strings.Cut(description, "\n")
	description, _, _ = strings.Cut(description, "Trace ID:")
	description = strings.TrimPrefix(strings.TrimSpace(description), e.Code+":")
	e.Message = clean(description, messageLimit)
	return e
}

// tokenKind is the kind of a refusal whose code says nothing more exact.
func tokenKind(status int) Kind {
	switch k := statusKind(status); k {
	case Other, Permission:
		return Auth
	case Malformed: // some services send errors with 200
		return Auth
	default:
		return k
	}
}

var entraNumber = regexp.MustCompile(`AADSTS(\d{4,10})`)

// entraCode is the first AADSTS number of an answer, without the letters.
func entraCode(codes jsontext.Value, description string) string {
	var numbers []jsontext.Value
	if json.Unmarshal(codes, &numbers, lenient) == nil {
		for _, n := range numbers {
			if s := strings.TrimPrefix(text(n), "AADSTS"); s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == "" {
				return s
			}
		}
	}
	if m := entraNumber.FindStringSubmatch(description); m != nil {
		return m[1]
	}
	return ""
}

// clean makes text from outside fit to print: one line, no control or
// formatting characters, valid UTF-8, at most limit characters.
func clean(s string, limit int) string {
	var b strings.Builder
	n, gap := 0, false
	for _, r := range s {
		if !unicode.IsPrint(r) || r == ' ' || r == unicode.ReplacementChar {
			gap = true
			continue
		}
		if n >= limit {
			return b.String() + "..."
		}
		if gap && n > 0 {
			b.WriteByte(' ')
			n++
		}
		gap = false
		b.WriteRune(r)
		n++
	}
	return b.String()
}

var roleWord = regexp.MustCompile(`[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)+`)

// missingRoles are the roles that a 403 names as required, any one of which is
// enough: "Missing application roles. API required roles: A.Read,B.Read,
// application roles: C.Read."
func missingRoles(message string) []string {
	_, after, found := strings.Cut(strings.ToLower(message), "required roles:")
	if !found {
		return nil
	}
	rest := message[len(message)-len(after):]
	if i := strings.Index(strings.ToLower(rest), "application roles:"); i >= 0 {
		rest = rest[:i]
	}
	return roleWord.FindAllString(rest, -1)
}

// isUnauthorized reports whether the API did not take the token.
func isUnauthorized(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusUnauthorized && e.Op != opToken
}

// isForbidden reports whether the token lacks a role.
func isForbidden(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == Permission && e.Op != opToken
}
