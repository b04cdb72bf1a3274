package defender_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// oddLists are lists that are not what their query says, or hold what is no record.
func oddLists() []hostile {
	few := map[string]any{"batch_size": 50}
	usual := tenant.Options{Alerts: 120, Machines: 120, Actions: 120, EvidencePerAlert: 1, Live: 0.005}
	ties := tenant.Options{Alerts: 200, Actions: 200, EvidencePerAlert: 1, TieRun: 20}
	rows := []hostile{
		{name: "ge is taken for gt, many alerts of one time", options: ties, settings: few, front: asking(" ge ", " gt ")},
		{name: "ge is taken for gt, many actions of one time", resource: tenant.MachineActions, options: ties, settings: few, front: asking(" ge ", " gt "), twin: true},
		{name: "ge is taken for gt, machines", resource: tenant.Machines, options: usual, settings: few, front: asking(" ge ", " gt ")},
		{name: "lt is taken for le, alerts", options: ties, settings: few, front: asking(" lt ", " le "), healthy: true},
		{name: "times are shown in milliseconds, rounded", options: tenant.Options{Alerts: 400, EvidencePerAlert: 1, Span: 2 * time.Second}, settings: few, front: rounded(time.Millisecond), ids: true, twin: true},
		{name: "times are shown in seconds, rounded", options: tenant.Options{Alerts: 400, EvidencePerAlert: 1, Span: time.Minute}, settings: few, front: rounded(time.Second), ids: true},
		{name: "ids are sorted without regard to case", resource: tenant.Machines, options: usual, settings: few, front: mixedCase},
		{name: "two records in a page, whatever is asked", options: usual, settings: few, rules: []tenant.Rule{{Path: "/api/", ClampTop: 2}}, healthy: true},
		{name: "one machine in a page, whatever is asked", resource: tenant.Machines, options: usual, settings: few, rules: []tenant.Rule{{Path: "/api/", ClampTop: 1}}, healthy: true},
		{name: "one record less than asked", options: usual, settings: few, front: oneLess, healthy: true},
		{name: "every other answer is ten minutes old", options: usual, settings: few, front: replica, healthy: true, length: 90 * time.Minute},
		{name: "alerts join while the list is read", options: usual, settings: few, before: growing(tenant.Alerts), healthy: true},
		{name: "machines join while the list is read", resource: tenant.Machines, options: usual, settings: few, before: growing(tenant.Machines), healthy: true},
		{name: "HTTP/2 with GOAWAY behind each answer", options: usual, settings: few, http2: true, healthy: true},
		{name: "HTTP/2 with streams that are reset", options: usual, settings: few, http2: true, rules: []tenant.Rule{{Path: "/api/", CutAfter: 5000, Times: 7}}, healthy: true},
	}
	for name, record := range map[string]string{
		"null": `null`, "a number": `7`, "a text": `"x"`, "a list": `[1,[2]]`, "an empty object": `{}`, "true": `true`,
		"no id": `{"lastUpdateTime":"2026-01-01T00:00:00Z","title":"x"}`, "an id that is a number": `{"id":7,"title":"x"}`, "an empty id": `{"id":"","title":"x"}`,
		"an id that is an object": `{"id":{"a":1}}`, "a leap second": `{"id":"leap","lastUpdateTime":"2026-06-30T23:59:60Z","lastSeen":"2026-06-30T23:59:60Z"}`,
		"a time of the year 0":    `{"id":"zero","lastUpdateTime":"0000-00-00T00:00:00Z","lastSeen":"0000-00-00T00:00:00Z"}`,
		"a time that is a number": `{"id":"epoch","lastUpdateTime":1767225600,"lastSeen":1767225600}`,
		"a time without seconds":  `{"id":"short","lastUpdateTime":"2026-01-01T00:00Z","lastSeen":"2026-01-01T00:00Z"}`,
	} {
		for _, res := range []tenant.Resource{tenant.Alerts, tenant.Machines} {
			rows = append(rows, hostile{
				name: res.String() + ", in every page " + name, resource: res, options: usual, settings: few, length: 90 * time.Minute,
				front: body(func(_ int, b []byte) []byte {
					return bytes.Replace(bytes.Replace(b, []byte(`"value":[{`), []byte(`"value":[`+record+`,{`), 1), []byte(`}]}`), []byte(`},`+record+`]}`), 1)
				}),
				twin: res == tenant.Alerts || name != "null" && name != "a leap second",
			})
		}
	}
	return append(rows, oddTokens()...)
}

// asking changes the words of each filter.
func asking(word, other string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if f := q.Get("$filter"); f != "" {
				q.Set("$filter", strings.ReplaceAll(f, word, other))
				r = withQuery(r, q)
			}
			next.ServeHTTP(w, r)
		})
	}
}

func withQuery(r *http.Request, q url.Values) *http.Request {
	r = r.Clone(r.Context())
	r.URL.RawQuery = q.Encode()
	return r
}

var anyTime = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"`)

// rounded shows times less exactly than they are compared.
func rounded(to time.Duration) func(http.Handler) http.Handler {
	return body(func(_ int, b []byte) []byte {
		return anyTime.ReplaceAllFunc(b, func(m []byte) []byte {
			at, err := time.Parse(`"2006-01-02T15:04:05.9999999Z"`, string(m))
			if err != nil {
				return m
			}
			return []byte(at.Round(to).Format(`"2006-01-02T15:04:05.9999999Z"`))
		})
	})
}

var machineID = regexp.MustCompile(`"id":"[0-9a-f]+[13579bdf]"`)

// mixedCase shows some ids in capitals, and sorts and compares them as all others.
func mixedCase(next http.Handler) http.Handler {
	shown := body(func(_ int, b []byte) []byte {
		return machineID.ReplaceAllFunc(b, func(m []byte) []byte {
			return append([]byte(`"id"`), bytes.ToUpper(m[len(`"id"`):])...)
		})
	})(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if f := q.Get("$filter"); strings.Contains(f, "id ") {
			q.Set("$filter", strings.ToLower(f))
			r = withQuery(r, q)
		}
		shown.ServeHTTP(w, r)
	})
}

func oneLess(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if top := q.Get("$top"); len(top) > 1 {
			var n int
			_, _ = fmt.Sscan(top, &n)
			q.Set("$top", fmt.Sprint(n-1))
			r = withQuery(r, q)
		}
		next.ServeHTTP(w, r)
	})
}

// replica leaves what is younger than ten minutes out of every other answer.
func replica(next http.Handler) http.Handler {
	var calls atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if f := q.Get("$filter"); f != "" && calls.Add(1)%2 == 0 {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			if now, err := http.ParseTime(recorded.Header().Get("Date")); err == nil {
				q.Set("$filter", f+" and lastUpdateTime lt "+now.Add(-10*time.Minute).UTC().Format(time.RFC3339))
				r = withQuery(r, q)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// growing adds records at the beginning, in the middle and at the end of the list
// behind each of its first pages.
func growing(res tenant.Resource) func(*hostileRun) {
	return func(h *hostileRun) {
		var pages atomic.Int64
		h.tenant.AfterPage(func(tenant.Request) {
			n := pages.Add(1)
			if n > 8 {
				return
			}
			for i, ago := range []time.Duration{14 * time.Minute, 5 * time.Minute, 0} {
				h.tenant.Add(res, recordAt(res, fmt.Sprintf("%x-grown-%d", n*7%16, 3*n+int64(i)), h.tenant.Now().Add(-ago)))
			}
		})
	}
}

// oddTokens are answers of the token service.
func oddTokens() []hostile {
	var rows []hostile
	usual := tenant.Options{Alerts: 60, EvidencePerAlert: 1, Live: 0.005, TokenLifetime: 10 * time.Minute}
	expires := regexp.MustCompile(`"expires_in":\d+`)
	lifetime := func(text string) func([]byte) []byte {
		return func(b []byte) []byte { return expires.ReplaceAll(b, []byte(text)) }
	}
	for name, change := range map[string]func([]byte) []byte{
		"a byte order mark":       func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) },
		"a lifetime as text":      lifetime(`"expires_in":"599"`),
		"no lifetime":             lifetime(`"x":1`),
		"a lifetime of 0":         lifetime(`"expires_in":0`),
		"a negative lifetime":     lifetime(`"expires_in":-5`),
		"a lifetime that is null": lifetime(`"expires_in":null`),
		"a lower-case type":       func(b []byte) []byte { return bytes.Replace(b, []byte(`"Bearer"`), []byte(`"bearer"`), 1) },
	} {
		rows = append(rows, hostile{name: "tokens with " + name, options: usual, length: time.Hour, healthy: true, twin: name != "a byte order mark", front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/api/") {
					next.ServeHTTP(w, r)
					return
				}
				recorded := httptest.NewRecorder()
				next.ServeHTTP(recorded, r)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(recorded.Code)
				_, _ = w.Write(change(recorded.Body.Bytes()))
			})
		}})
	}
	return rows
}
