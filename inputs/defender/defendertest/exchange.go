package defendertest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// exchange is one request, its answer and the rules that spoil it.
type exchange struct {
	http.ResponseWriter
	tenant  *Tenant
	request *http.Request
	rules   []Rule
	entry   Request
	kind    *resource // of the list asked for; nil where it is none
	asked   asked     // and asks for this
	looked  bool      // the page was looked up
	found   found     // and holds this
}

// path is the request's path without the API's version.
func (e *exchange) path() string {
	path := e.request.URL.Path
	if rest, versioned := strings.CutPrefix(path, "/api/v1.0/"); versioned {
		return "/api/" + rest
	}
	return path
}

// WriteHeader notes the status.
func (e *exchange) WriteHeader(status int) {
	e.entry.Status = status
	e.ResponseWriter.WriteHeader(status)
}

// wait is false when the client went away first.
func (e *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.request.Context().Done():
		return false
	}
}

// text sends a short answer.
func (e *exchange) text(status int, contentType, body string) {
	e.Header().Set("Content-Type", contentType)
	e.WriteHeader(status)
	_, _ = e.Write([]byte(body)) // fails only when the client went away
}

// fail sends an error as the API does.
func (e *exchange) fail(status int, code, message string) {
	e.text(status, "application/json; charset=utf-8", apiError(code, message, e.tenant.guid()))
}

// APIError is an error body of the API, for Rule.Body.
func APIError(code, message string) string {
	return apiError(code, message, "11111111-2222-3333-4444-555555555555")
}

func apiError(code, message, target string) string {
	return `{"error":{"code":` + quote(code) + `,"message":` + quote(message) + `,"target":` + quote(target) + `}}`
}

// Wordings are the ways in which a refusal is worded, by name, for Rule.Body.
// The code ODataError is in Microsoft's page of common errors, and so is
// BadRequest; the empty code and those that are no JSON were reported from
// gateways in front of such services (guess for this one).
func Wordings(message string) map[string]string {
	return map[string]string{
		"ODataError": APIError("ODataError", message),
		"BadRequest": APIError("BadRequest", message),
		"no code":    APIError("", message),
		"plain text": message,
		"HTML":       "<html><body><h1>Bad Request</h1><p>" + message + "</p></body></html>",
	}
}

// TokenError is an error body of the token service, for Rule.Body: kind is the
// member error, code the number after AADSTS.
func TokenError(kind string, code int, message string) string {
	return tokenError(kind, code, message, "66666666-7777-8888-9999-000000000000", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", time.Unix(1772000000, 0))
}

func tokenError(kind string, code int, message, trace, correlation string, at time.Time) string {
	stamp := at.UTC().Format("2006-01-02 15:04:05Z")
	number := strconv.Itoa(code)
	body, _ := json.Marshal(struct {
		Error         string `json:"error"`
		Description   string `json:"error_description"`
		Codes         []int  `json:"error_codes"`
		Timestamp     string `json:"timestamp"`
		TraceID       string `json:"trace_id"`
		CorrelationID string `json:"correlation_id"`
		URI           string `json:"error_uri"`
	}{
		kind,
		"AADSTS" + number + ": " + message + "\r\nTrace ID: " + trace + "\r\nCorrelation ID: " + correlation + "\r\nTimestamp: " + stamp,
		[]int{code}, stamp, trace, correlation,
		"https://login.microsoftonline.com/error?code=" + number,
	})
	return string(body)
}
