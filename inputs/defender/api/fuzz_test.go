package api_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// FuzzPage reads any bytes as a page: every record is JSON, reading ends, and
// io.EOF comes after a whole JSON object only. What is in a record that is too
// large is not looked at.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		`{"@odata.context":"c","value":[{"id":1},{"id":"x"}],"@odata.nextLink":"https://api.example/n"}`,
		`{"value":[`, `{"value":[1,2`, `{"value":null}`, `[]`, ``, `<html>`, `{"value":[]}x`, `{"error":{"code":"x"},"value":[]}`,
		`{"value":["0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			c := config(&fake{list: always(200, string(body))})
			c.MaxRecord = 64
			page, err := newClient(t, c).Open(t.Context(), alerts)
			tooLarge := false
			for n := 0; err == nil; n++ {
				var record jsontext.Value
				record, err = page.Next()
				e, ok := errors.AsType[*api.Error](err)
				switch {
				case n > len(body):
					t.Fatal("more records than bytes")
				case err == nil && !record.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
					t.Fatalf("no JSON: %q", record)
				case ok && e.IsTooLarge():
					err, tooLarge = nil, true
				}
			}
			if page != nil {
				defer page.Close()
			}
			if err == io.EOF && !tooLarge {
				whole := jsontext.Value(body)
				if !whole.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) || whole.Kind() != '{' {
					t.Fatalf("end of page for %q", body)
				}
			} else if _, ok := errors.AsType[*api.Error](err); !ok && err != io.EOF {
				t.Fatalf("ended with %v", err)
			}
		})
	})
}

// FuzzErrorBody answers the token request and then the call with any bytes:
// each is an *api.Error with printable, bounded text.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		`{"error":{"code":"Forbidden","message":"API required roles: A.B,C.D, application roles: E.","target":"t"}}`,
		`{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215]}`,
		`{"error":[1],"error_codes":{}}`, `{"Error":{"Message":"\u0000"}}`, ``, `<html>`,
	} {
		f.Add(400, []byte(seed))
		f.Add(403, []byte(seed))
		f.Add(429, []byte(seed)) // once failed: the code was believed before the status
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 100 || status > 999 || status/100 == 2 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			for _, fake := range []*fake{{token: always(status, string(body))}, {list: always(status, string(body))}} {
				_, _, err := read(t.Context(), newClient(t, config(fake)))
				e, ok := errors.AsType[*api.Error](err)
				if !ok {
					t.Fatalf("got %v", err)
				}
				text := e.Error()
				if !utf8.ValidString(text) || utf8.RuneCountInString(text) > 600 || e.Kind == api.Throttled != (status == http.StatusTooManyRequests) {
					t.Fatalf("%v: %q", e.Kind, text)
				}
				for _, r := range text {
					if r < ' ' || r == 0x7f {
						t.Fatalf("control character in %q", text)
					}
				}
			}
		})
	})
}

// FuzzFile reads any bytes as a file, as they are and compressed: every record is
// JSON, reading ends, and io.EOF comes after whole records only.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"{\"Id\":1}\n{\"Id\":2}", `[{"Id":1},{"Id":2}]`, `{"Id":1}{`, `[{},`, `[]`, ``, `<html>`, "\x1f\x8b", "\x1f\x8b\x08\x00\x00", `{} x`, `17`, `]`, `{}]`,
		`{"Id":"0123456789012345678901234567890123456789012345678901234567890123456789"}{"Id":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, content := range []string{string(body), gzipped(string(body))} {
			synctest.Test(t, func(t *testing.T) {
				c := config(&fake{list: always(200, content)})
				c.MaxRecord = 64
				page, err := newClient(t, c).Download(t.Context(), export, signed)
				for n := 0; err == nil; n++ {
					var record jsontext.Value
					record, err = page.Next()
					e, ok := errors.AsType[*api.Error](err)
					switch {
					case n > len(body)+1:
						t.Fatal("more records than bytes")
					case err == nil && !record.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
						t.Fatalf("no JSON: %q", record)
					case ok && e.IsTooLarge():
						err = nil
					}
				}
				if page != nil {
					defer page.Close()
				}
				if _, ok := errors.AsType[*api.Error](err); !ok && err != io.EOF {
					t.Fatalf("ended with %v", err)
				}
			})
		}
	})
}
