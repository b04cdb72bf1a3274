package defender_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// given is an answer of the API that a front may change.
type given struct {
	status int
	header http.Header
	body   []byte
	breaks bool // the connection breaks behind the body
}

// fronted lets a front change each answer of the API; n is its number, from 1.
func fronted(change func(n int, r *http.Request, a *given)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var calls atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/api/") {
				next.ServeHTTP(w, r)
				return
			}
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			a := &given{status: recorded.Code, header: recorded.Header(), body: recorded.Body.Bytes()}
			change(int(calls.Add(1)), r, a)
			for name, values := range a.header {
				w.Header()[name] = values
			}
			w.WriteHeader(a.status)
			_, _ = w.Write(a.body)
			if a.breaks {
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		})
	}
}

// body changes the bodies of lists alone.
func body(change func(n int, b []byte) []byte) func(http.Handler) http.Handler {
	return fronted(func(n int, _ *http.Request, a *given) {
		if a.status == http.StatusOK {
			a.body = change(n, a.body)
		}
	})
}

// every lets a front do something to one call of so many.
func every(of int, change func(a *given)) func(http.Handler) http.Handler {
	return fronted(func(n int, _ *http.Request, a *given) {
		if n%of == 0 {
			change(a)
		}
	})
}

// status is an answer of a proxy in the place of the API's.
func status(code int, header ...string) func(*given) {
	return func(a *given) {
		a.status, a.header = code, http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			a.header.Set(header[i], header[i+1])
		}
		a.body = []byte("<html><body>proxy</body></html>")
		if code == http.StatusNoContent || code == http.StatusNotModified {
			a.body = nil
		}
	}
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// fronts are servers, proxies and caches in front of the API, each of which does
// to HTTP or JSON what one has been seen to do somewhere.
func fronts() []hostile {
	var rows []hostile
	for _, res := range []tenant.Resource{tenant.Alerts, tenant.Machines} {
		add := func(name string, front func(http.Handler) http.Handler) *hostile {
			rows = append(rows, hostile{
				name: res.String() + ", in front: " + name, resource: res, front: front, length: 90 * time.Minute,
				options:  tenant.Options{Alerts: 120, Machines: 120, EvidencePerAlert: 1, Live: 0.005},
				settings: map[string]any{"batch_size": 50}, twin: res == tenant.Machines,
			})
			return &rows[len(rows)-1]
		}
		for _, group := range [][]front{encodings(), envelopes(), records(), statuses(), dates(), connections()} {
			for _, f := range group {
				row := add(f.name, f.front)
				row.healthy, row.unreadable = f.then == healthy, f.then == unreadable
				row.twin = row.twin || !inShort[f.name]
			}
		}
	}
	return rows
}

// inShort are the fronts that short runs have: each of those that once broke
// something, and one of each kind.
var inShort = map[string]bool{
	"a byte order mark": true, "gzip that breaks off, now and then": true, "labelled gzip, and is none": true,
	"value is not the first member, counts are texts": true, "an error behind the records of a 200, now and then": true,
	"each record twice in a page": true, "each record is followed by itself": true, "400 now and then": true, "304 now and then": true,
	"429 once, Retry-After soon": true, "Date a year ahead now and then": true, "Date of the year 0": true,
	"the connection breaks, each time at another byte": true, "a cache that does not look at the query": true,
}

// front is what is in front of the API, and what is promised then besides that
// nothing is lost or stored twice.
type front struct {
	name  string
	then  promise
	front func(http.Handler) http.Handler
}

type promise int

const (
	healthy    promise = iota // at the end
	told                      // it may tell of trouble
	unreadable                // nothing can be read, and it must tell so
)

func encodings() []front {
	utf16of := func(_ int, b []byte) []byte {
		out := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(string(b))) {
			out = binary.LittleEndian.AppendUint16(out, u)
		}
		return out
	}
	return []front{
		{"a byte order mark", healthy, body(func(_ int, b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) })},
		{"UTF-16", unreadable, body(utf16of)},
		{"UTF-16 now and then", healthy, body(func(n int, b []byte) []byte {
			if n%3 == 0 {
				return utf16of(n, b)
			}
			return b
		})},
		{"gzip without a label", unreadable, body(func(_ int, b []byte) []byte { return zipped(b) })},
		{"labelled gzip, and is none", unreadable, fronted(func(_ int, _ *http.Request, a *given) { a.header.Set("Content-Encoding", "gzip") })},
		{"labelled gzip and is none, now and then", healthy, every(3, func(a *given) { a.header.Set("Content-Encoding", "gzip") })},
		{"gzip twice", unreadable, fronted(func(_ int, _ *http.Request, a *given) {
			a.header.Set("Content-Encoding", "gzip")
			a.body = zipped(zipped(a.body))
		})},
		{"gzip that breaks off, now and then", healthy, fronted(func(n int, _ *http.Request, a *given) {
			a.header.Set("Content-Encoding", "gzip")
			if a.body = zipped(a.body); n%3 == 0 {
				a.body = a.body[:len(a.body)/2]
			}
		})},
		{"gzip with a damaged checksum, now and then", healthy, fronted(func(n int, _ *http.Request, a *given) {
			a.header.Set("Content-Encoding", "gzip")
			if a.body = zipped(a.body); n%3 == 0 {
				a.body[len(a.body)-6]++
			}
		})},
		{"several members of gzip", healthy, fronted(func(_ int, _ *http.Request, a *given) {
			a.header.Set("Content-Encoding", "gzip")
			a.body = append(zipped(a.body[:len(a.body)/2]), zipped(a.body[len(a.body)/2:])...)
		})},
		{"labelled as text", healthy, fronted(func(_ int, _ *http.Request, a *given) { a.header.Set("Content-Type", "text/plain; charset=iso-8859-1") })},
		{"HTML that is labelled JSON, now and then", healthy, every(3, func(a *given) { a.body = []byte("<!DOCTYPE html><html></html>") })},
	}
}

var listStart = regexp.MustCompile(`"value":\[`)

func envelopes() []front {
	replaced := func(old, new string) func(http.Handler) http.Handler {
		return body(func(_ int, b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) })
	}
	return []front{
		{"value is not the first member, counts are texts", healthy, replaced(`"value":[`, `"@odata.count":"120","x":{"value":[1,2]},"@odata.nextLink":null,"value":[`)},
		{"members behind value", healthy, body(func(_ int, b []byte) []byte {
			return append(bytes.TrimSuffix(b, []byte("}")), `,"@odata.count":"many","y":[[[{}]]]}`...)
		})},
		{"value twice, empty first", unreadable, replaced(`"value":[`, `"value":[],"value":[`)},
		{"value is null", unreadable, body(func(int, []byte) []byte { return []byte(`{"value":null}`) })},
		{"value is written Value", unreadable, replaced(`"value":[`, `"Value":[`)},
		{"an error in a 200", unreadable, body(func(int, []byte) []byte {
			return []byte(`{"error":{"code":"InternalServerError","message":"x"}}`)
		})},
		{"an error behind the records of a 200, now and then", healthy, body(func(n int, b []byte) []byte {
			if n%3 > 0 {
				return b
			}
			return append(bytes.TrimSuffix(b, []byte("}")), `,"error":{"code":"InternalServerError","message":"x"}}`...)
		})},
		{"an error in the place of the second half, now and then", healthy, body(func(n int, b []byte) []byte {
			if n%3 > 0 {
				return b
			}
			return append(b[:len(b)/2], `{"error":{"code":"ServiceUnavailable","message":"x"}}`...)
		})},
		{"something behind the end", unreadable, body(func(_ int, b []byte) []byte { return append(b, "\n<!-- served by proxy -->"...) })},
		{"white space without end", healthy, body(func(_ int, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`,{"id"`), append(bytes.Repeat([]byte(" \r\n\t"), 2000), `,{"id"`...))
		})},
	}
}

func records() []front {
	times := regexp.MustCompile(`("[a-zA-Z]*(?:Time|Seen|Utc)":")([0-9-]+T[0-9:]+)(?:\.(\d+))?Z"`)
	return []front{
		{"each record twice in a page", healthy, body(func(_ int, b []byte) []byte {
			at := listStart.FindIndex(b)
			if at == nil || bytes.Contains(b, []byte(`"value":[]`)) {
				return b
			}
			list := b[at[1] : len(b)-2]
			return fmt.Appendf(nil, "%s%s,%s]}", b[:at[1]], list, list)
		})},
		{"each record is followed by itself", healthy, body(func(_ int, b []byte) []byte {
			var list struct {
				Value []json.RawMessage `json:"value"`
			}
			if json.Unmarshal(b, &list) != nil || len(list.Value) == 0 {
				return b
			}
			var twice [][]byte
			for _, record := range list.Value {
				twice = append(twice, record, record)
			}
			return fmt.Appendf(nil, `{"value":[%s]}`, bytes.Join(twice, []byte(",")))
		})},
		{"each record has its id twice", healthy, body(func(_ int, b []byte) []byte {
			return regexp.MustCompile(`\{("id":"[^"]+")`).ReplaceAll(b, []byte(`{$1,$1`))
		})},
		{"times with an offset", healthy, body(func(_ int, b []byte) []byte {
			return times.ReplaceAllFunc(b, func(m []byte) []byte { return fmt.Appendf(nil, `%s+00:00"`, bytes.TrimSuffix(m, []byte(`Z"`))) })
		})},
		{"times of nine digits", healthy, body(func(_ int, b []byte) []byte {
			return times.ReplaceAllFunc(b, func(m []byte) []byte {
				if !bytes.Contains(m, []byte(".")) {
					return m
				}
				return fmt.Appendf(nil, `%s00Z"`, bytes.TrimSuffix(m, []byte(`Z"`)))
			})
		})},
		{"invalid UTF-8 and lone surrogates", healthy, body(func(_ int, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`{"id"`), []byte("{\""+addedByFront+"\":\"\xff\xfe\\ud800\\u0000\",\"id\""))
		})},
		{"members that are very long", healthy, body(func(_ int, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`{"id"`), []byte(`{"`+addedByFront+strings.Repeat("m", 5000)+`":1,"id"`))
		})},
	}
}

func statuses() []front {
	var fronts []front
	for _, code := range []int{203, 204, 206, 226, 304, 400, 402, 405, 406, 408, 409, 410, 413, 414, 417, 421, 423, 425, 431, 451, 499, 501, 505, 508, 511, 520, 524, 599} {
		fronts = append(fronts, front{fmt.Sprintf("%d now and then", code), healthy, every(4, status(code))})
	}
	for _, code := range []int{204, 304, 405, 410, 425, 451, 511, 599} {
		fronts = append(fronts, front{fmt.Sprintf("%d", code), unreadable, every(1, status(code))})
	}
	for _, after := range []string{"0", "-5", "1e9", "NaN", "Inf", "soon", "Mon, 01 Jan 1990 00:00:00 GMT", " 3 ", "3, 5", "0x10"} {
		then := healthy
		if after == "1e9" || after == "Inf" { // for five minutes each
			then = told
		}
		fronts = append(fronts,
			front{"503 now and then, Retry-After " + after, then, every(4, status(503, "Retry-After", after))},
			front{"429 once, Retry-After " + after, healthy, fronted(func(n int, _ *http.Request, a *given) {
				if n == 3 {
					status(429, "Retry-After", after)(a)
				}
			})})
	}
	return append(fronts,
		front{"206 with a whole answer", healthy, fronted(func(_ int, _ *http.Request, a *given) {
			if a.status == 200 {
				a.status = 206
			}
		})},
		front{"each call is sent elsewhere on the same host", healthy, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/api/") && r.Header.Get("Referer") == "" {
					http.Redirect(w, r, r.URL.RequestURI(), http.StatusTemporaryRedirect)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
		front{"sent to a sign-in page of another host now and then", healthy, every(5, status(302, "Location", "https://signin.example/login"))},
		front{"sent to itself for ever", unreadable, fronted(func(_ int, r *http.Request, a *given) { status(307, "Location", r.URL.RequestURI())(a) })},
		front{"early hints", healthy, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusProcessing)
				next.ServeHTTP(w, r)
			})
		}},
	)
}

func dates() []front {
	date := func(of func(n int, now time.Time) string) func(http.Handler) http.Handler {
		return fronted(func(n int, _ *http.Request, a *given) {
			now, err := http.ParseTime(a.header.Get("Date"))
			if err != nil {
				return
			}
			if text := of(n, now); text != "" {
				a.header.Set("Date", text)
			} else {
				a.header["Date"] = nil
			}
		})
	}
	year := 365 * 24 * time.Hour
	return []front{
		{"Date a year ahead now and then", healthy, date(func(n int, now time.Time) string {
			return now.Add(time.Duration(min(1, n%7)-1) * -year).Format(http.TimeFormat)
		})},
		{"Date a year ahead and a year behind by turns", told, date(func(n int, now time.Time) string {
			return now.Add(time.Duration(n%2*2-1) * year).Format(http.TimeFormat)
		})},
		{"Date absent now and then", healthy, date(func(n int, now time.Time) string {
			if n%2 == 0 {
				return ""
			}
			return now.Format(http.TimeFormat)
		})},
		{"Date that is none", healthy, date(func(int, time.Time) string { return "yesterday" })},
		{"Date that stands, of a cache", told, date(func(int, time.Time) string { return "Sat, 01 Jan 2000 00:00:00 GMT" })},
		{"Date of the year 0", healthy, date(func(int, time.Time) string { return "Sat, 01 Jan 0000 00:00:00 GMT" })},
		{"Date of the year 1", healthy, date(func(int, time.Time) string { return "Mon, 01 Jan 0001 00:00:00 GMT" })},
		{"Date of the year 9999", healthy, date(func(int, time.Time) string { return "Fri, 31 Dec 9999 23:59:59 GMT" })},
		{"Date in another form", healthy, date(func(_ int, now time.Time) string { return now.Format(time.ANSIC) })},
	}
}

func connections() []front {
	cached := func(next http.Handler) http.Handler {
		var mu sync.Mutex
		kept := map[string]given{}
		return fronted(func(n int, r *http.Request, a *given) {
			mu.Lock()
			defer mu.Unlock()
			fresh := r.Header.Get("Cache-Control") == "no-cache"
			if old, ok := kept[r.URL.Path]; ok && n%20 != 0 && !fresh { // no matter what is asked
				a.status, a.header, a.body = old.status, old.header, old.body
				return
			}
			kept[r.URL.Path] = *a
		})(next)
	}
	return []front{
		{"the connection breaks, each time at another byte", healthy, fronted(func(n int, _ *http.Request, a *given) {
			if n%2 == 0 {
				a.body, a.breaks = a.body[:n*37%(len(a.body)+1)], true
			}
		})},
		{"an answer ends as if it were whole, each time at another byte", healthy, fronted(func(n int, _ *http.Request, a *given) {
			if n%2 == 0 {
				a.body = a.body[:n*41%(len(a.body)+1)]
			}
		})},
		{"a length that is too large, now and then", healthy, every(3, func(a *given) { a.header.Set("Content-Length", fmt.Sprint(len(a.body)+100)) })},
		{"a length that is too small, now and then", healthy, every(3, func(a *given) {
			a.body = a.body[:len(a.body)-1]
			a.header.Set("Content-Length", fmt.Sprint(len(a.body)))
		})},
		{"a header of a megabyte now and then", healthy, every(4, func(a *given) { a.header.Set("X-Large", strings.Repeat("x", 2<<20)) })},
		{"a cache that does not look at the query", healthy, cached},
	}
}
