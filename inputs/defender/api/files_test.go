package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	signature = "c2lnbmF0dXJl%2Bof+a%2Flink"
	signed    = inputs.Secret("https://tvmexportstrstgeus.blob.core.windows.net/tvm-export/2026-03-02/1101/VaExport/json/part-00000.json.gz?sv=2020-08-04&se=2026-03-02T13%3A00Z&sp=r&sig=" + signature)
)

var export = api.Request{Path: "/api/machines/SoftwareVulnerabilitiesExport", Family: api.Family{Name: "files", Limit: api.Limit{PerMinute: 5, PerHour: 20}}}

func gzipped(texts ...string) string {
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	}
	return b.String()
}

// download reads a file to its end.
func download(ctx context.Context, c *api.Client, link inputs.Secret) (records []string, err error) {
	page, err := c.Download(ctx, export, link)
	if err != nil {
		return nil, err
	}
	defer page.Close()
	for {
		record, err := page.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
			records = append(records, "too large")
			continue
		}
		if err != nil {
			return records, err
		}
		records = append(records, string(record))
	}
}

// TestFiles are read however they are written.
func TestFiles(t *testing.T) {
	const want = `{"Id":"a"}|{"Id":"b","X":[{}]}`
	for name, body := range map[string]string{
		"lines":                gzipped("{\"Id\":\"a\"}\n{\"Id\":\"b\",\"X\":[{}]}\n"),
		"one behind the other": gzipped(`{"Id":"a"}{"Id":"b","X":[{}]}`),
		"several members":      gzipped(`{"Id":"a"}`, "\n", `{"Id":"b","X":[{}]}`),
		"a list":               gzipped(` [{"Id":"a"}, {"Id":"b","X":[{}]}] `),
		"not compressed":       "{\"Id\":\"a\"}\r\n{\"Id\":\"b\",\"X\":[{}]}",
	} {
		f := &fake{list: always(200, body, "Content-Type", "application/octet-stream")}
		client := newClient(t, config(f))
		records, err := download(t.Context(), client, signed)
		if got := strings.Join(records, "|"); got != want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		wantCounts(t, f, 0, 1) // no token
		if h := f.sent[0].Header; h.Get("Authorization") != "" || f.sent[0].URL.String() != signed.Reveal() {
			t.Errorf("%s: sent %v to %s", name, h, f.sent[0].URL)
		}
		if q := client.Quota(); q.MinuteLeft != api.DefaultLimit.PerMinute {
			t.Errorf("%s: a file spent a call: %+v", name, q)
		}
	}
}

// TestFileWithoutRecords is whole where it is compressed. One without a byte is
// tried again, since the service is known to send such.
func TestFileWithoutRecords(t *testing.T) {
	for _, body := range []string{gzipped(""), gzipped("\n"), gzipped("[]")} {
		if records, err := download(t.Context(), newClient(t, config(&fake{list: always(200, body)})), signed); err != nil || len(records) > 0 {
			t.Errorf("%q, %v", records, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: func(n int, _ *http.Request) (*http.Response, error) {
			if n < 3 {
				return answered(200, "")
			}
			return answered(200, gzipped(`{"Id":"a"}`))
		}}
		if records, err := download(t.Context(), newClient(t, config(f)), signed); err != nil || len(records) != 1 {
			t.Errorf("%q, %v", records, err)
		}
		wantCounts(t, f, 0, 3)
	})
}

// TestFilesThatAreNotWhole are errors, regardless of what came before.
func TestFilesThatAreNotWhole(t *testing.T) {
	long := strings.Repeat(`{"Id":"0123456789","Name":"`+strings.Repeat("x", 70)+`"}`+"\n", 3000)
	whole := gzipped(long)
	flipped := []byte(whole)
	flipped[len(flipped)-6] ^= 0xff // in the checksum
	for name, c := range map[string]struct {
		body string
		kind api.Kind
	}{
		"nothing":                 {"", api.Transient},
		"cut in the middle":       {whole[:len(whole)/2], api.Transient},
		"cut in its head":         {whole[:5], api.Transient},
		"checksum":                {string(flipped), api.Malformed},
		"garbage behind":          {whole + "garbage that is no member", api.Malformed},
		"cut record":              {gzipped(`{"Id":"a"}{"Id":`), api.Transient},
		"no JSON":                 {gzipped(`{"Id":"a"}<html>`), api.Malformed},
		"a page of HTML":          {"<html><body>Sign in</body></html>", api.Malformed},
		"list that is not closed": {gzipped(`[{"Id":"a"},`), api.Transient},
		"list with more behind":   {gzipped(`[{"Id":"a"}] {}`), api.Malformed},
		"a number":                {"17", api.Malformed},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: always(200, c.body, "Content-Type", "application/octet-stream")}
			_, err := download(t.Context(), newClient(t, config(f)), signed)
			e, _ := errors.AsType[*api.Error](err)
			if e == nil || e.Kind != c.kind {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestRecordTooLargeInAFile is passed over, and the others are read.
func TestRecordTooLargeInAFile(t *testing.T) {
	huge := `{"Id":"huge","X":"` + strings.Repeat("[{", 1<<17) + `"}`
	for _, body := range []string{`{"Id":"a"}` + "\n" + huge + "\n" + `{"Id":"b"}`, `[{"Id":"a"},` + huge + `,{"Id":"b"}]`, huge, "[" + huge + "]"} {
		c := config(&fake{list: always(200, gzipped(body))})
		c.MaxRecord = 64 << 10
		records, err := download(t.Context(), newClient(t, c), signed)
		got := strings.Join(records, " ")
		if err != nil || got != `{"Id":"a"} too large {"Id":"b"}` && got != "too large" {
			t.Errorf("%.20s: %s, %v", body, got, err)
		}
	}
}

func TestFilesComeFromKnownHosts(t *testing.T) {
	c := config(nil)
	c.FileHosts = []string{"files.corp.example", "*.blob.core.usgovcloudapi.net"}
	for link, known := range map[string]bool{
		"https://a.blob.core.windows.net/x?sig=1":              true,
		"https://A.BLOB.core.windows.net:443/x":                true,
		"https://files.corp.example/x":                         true,
		"https://Files.Corp.example:8443/x":                    true,
		"https://gov1.blob.core.usgovcloudapi.net/x":           true,
		"https://blob.core.usgovcloudapi.net/x":                false,
		"https://evilblob.core.usgovcloudapi.net/x":            false,
		"https://a.files.corp.example/x":                       false,
		"http://a.blob.core.windows.net/x?sig=1":               false,
		"https://a.blob.core.windows.net:8443/x":               false,
		"https://.blob.core.windows.net/x":                     false,
		"https://blob.core.windows.net/x":                      false,
		"https://a.blob.core.windows.net.evil.example/x?sig=1": false,
		"https://evilblob.core.windows.net/x":                  false,
		"https://a.blob.core.windows.net@evil.example/x?sig=1": false,
		"https://user:sig=1@a.blob.core.windows.net/x":         false,
		"http://files.corp.example/x":                          false,
		"https://api.example/x":                                false, // the API serves no files unless it is named
		"https://169.254.169.254/latest/meta-data":             false,
		"//a.blob.core.windows.net/x":                          false,
		"/x?sig=1":                                             false,
		"":                                                     false,
		"https://[::1":                                         false,
		"file:///etc/passwd":                                   false,
		"https://evil.example\\.blob.core.windows.net/x?sig=1": false,
	} {
		f := &fake{list: always(200, gzipped(`{}`))}
		c.RoundTripper = f
		_, err := download(t.Context(), newClient(t, c), inputs.Secret(link))
		if known {
			if err != nil {
				t.Errorf("%s: %v", link, err)
			}
			continue
		}
		e := wantError(t, err, api.Malformed, "get a file of /api/machines/SoftwareVulnerabilitiesExport")
		if strings.Contains(e.Error()+e.Hint, "sig") {
			t.Errorf("shows the link: %v", e)
		}
		wantCounts(t, f, 0, 0)
	}
}

// TestFilesOfASimulatedService come by the scheme of its url, if its host is named.
func TestFilesOfASimulatedService(t *testing.T) {
	f := &fake{list: always(200, gzipped(`{}`))}
	c := config(f)
	c.URL = "http://127.0.0.1:8080"
	if _, err := download(t.Context(), newClient(t, c), "http://127.0.0.1:8080/files/1"); err == nil {
		t.Error("a host that is not named was asked")
	}
	c.FileHosts = []string{"127.0.0.1"}
	if _, err := download(t.Context(), newClient(t, c), "http://127.0.0.1:8080/files/1"); err != nil {
		t.Error(err)
	}
}

// TestStorageRefuses: it is the link that gives no access, so no token is asked
// for and the caller learns the status. Redirects are not followed elsewhere.
func TestStorageRefuses(t *testing.T) {
	for status, want := range map[int]api.Kind{403: api.Other, 401: api.Other, 404: api.Other, 400: api.Other, 302: api.Misconfigured, 503: api.Transient, 429: api.Throttled} {
		synctest.Test(t, func(t *testing.T) {
			body := `<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>Signature not valid ` + signature + `</Message></Error>`
			f := &fake{list: always(status, body, "Location", "https://evil.example/?sig="+signature, "Retry-After", "900")}
			_, err := download(t.Context(), newClient(t, config(f)), signed)
			e, _ := errors.AsType[*api.Error](err)
			if e == nil || e.Kind != want || e.Status != status || strings.Contains(fmt.Sprintf("%#v", e), signature) {
				t.Errorf("status %d: %#v", status, err)
			}
			if e != nil && e.Kind != api.Throttled && e.RetryAfter > 5*time.Minute {
				t.Errorf("status %d holds for %s", status, e.RetryAfter)
			}
			if tokens, _ := f.counts(); tokens > 0 {
				t.Errorf("status %d: %d tokens were asked for", status, tokens)
			}
		})
	}
}

// TestSignatureNeverShows, in errors, calls, traces and formatted values.
func TestSignatureNeverShows(t *testing.T) {
	for name, list := range map[string]func(int, *http.Request) (*http.Response, error){
		"reset":   func(int, *http.Request) (*http.Response, error) { return nil, errors.New("reset") },
		"refused": always(403, "sig="+signature),
		"page":    always(200, "<html>?sig="+signature),
		"cut":     always(200, gzipped(`{"Id":"?sig=`+signature)),
		"whole":   always(200, `{"Id":"a"}`),
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := ""
			c := config(&fake{list: list})
			c.TraceFile = filepath.Join(t.TempDir(), "trace")
			c.Observe = func(call api.Call) { seen += fmt.Sprintf("%+v", call) }
			client := newClient(t, c)
			_, err := download(t.Context(), client, signed)
			client.Close()
			seen += fmt.Sprintf("%v %+v %#v %v %+v", err, err, err, signed, client.Calls()) + traces(t, c.TraceFile)
			for _, hidden := range []string{signature, "c2lnbmF0dXJl"} {
				if strings.Contains(seen, hidden) {
					t.Errorf("%s: %s", name, seen)
				}
			}
			if !strings.Contains(seen, "part-00000.json.gz") {
				t.Errorf("%s: the file is not named: %s", name, seen)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	for body, want := range map[string]string{
		`{"@odata.context":"c","exportFiles":["https://a/1?sig=x","https://a/2"],"generatedTime":"2026-03-02T11:01:00Z"}`: "2 2026-03-02T11:01:00Z",
		`{"ExportFiles":["https://a/1"],"GeneratedTime":"2026-03-02T11:01:00Z"}`:                                          "1 2026-03-02T11:01:00Z",
		`{"exportFiles":[],"generatedTime":"2026-03-02T11:01:00Z"}`:                                                       "0 2026-03-02T11:01:00Z",
		`{"generatedTime":"2026-03-02T11:01:00Z"}`:                                                                        "0 2026-03-02T11:01:00Z",
		`{"exportFiles":[],"generatedTime":null}`:                                                                         "0 ",
		`{"exportFiles":["https://a/1"],"more":{"x":[1]}}`:                                                                "1 ",
	} {
		f := &fake{list: always(200, body, "Date", "Mon, 02 Mar 2026 12:00:00 GMT")}
		index, err := newClient(t, config(f)).Index(t.Context(), export)
		if err != nil || fmt.Sprint(len(index.Links), " ", index.Made) != want || index.Asked.IsZero() {
			t.Errorf("%s: %+v, %v", body, index, err)
		}
		if f.sent[1].Header.Get("Authorization") == "" {
			t.Error("asked without a token")
		}
	}
	many := `{"exportFiles":[` + strings.Repeat(`"x",`, 20_000) + `"x"]}`
	for body, kind := range map[string]api.Kind{
		``: api.Transient, `{"exportFiles":["https`: api.Malformed, `[]`: api.Malformed, `{}`: api.Malformed, `{"value":[]}`: api.Malformed,
		`{"exportFiles":"x"}`: api.Malformed, `{"exportFiles":[{}]}`: api.Malformed, many: api.Malformed,
		`{"exportFiles":["` + strings.Repeat("x", 17<<20) + `"]}`: api.Malformed,
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := newClient(t, config(&fake{list: always(200, body)})).Index(t.Context(), export)
			if e, _ := errors.AsType[*api.Error](err); e == nil || e.Kind != kind {
				t.Errorf("%.40s: %v", body, err)
			}
		})
	}
	_, err := newClient(t, config(&fake{list: always(400, `{"error":{"code":"BadRequest"}}`)})).Index(t.Context(), export)
	if e, _ := errors.AsType[*api.Error](err); e == nil || e.Status != 400 || e.Code != "BadRequest" {
		t.Errorf("%v", err)
	}
}

// TestSignaturesOfAnIndexNeverShow in a trace, which has its body.
func TestSignaturesOfAnIndexNeverShow(t *testing.T) {
	for _, link := range []string{signed.Reveal(), strings.ReplaceAll(signed.Reveal(), "&", "\\u0026")} {
		c := config(&fake{list: always(200, `{"exportFiles":["`+link+`"],"generatedTime":"2026-03-02T11:01:00Z"}`)})
		c.TraceFile = filepath.Join(t.TempDir(), "trace")
		client := newClient(t, c)
		index, err := client.Index(t.Context(), export)
		client.Close()
		seen := fmt.Sprintf("%v %+v %#v", err, index, index) + traces(t, c.TraceFile)
		if err != nil || strings.Contains(seen, "c2lnbmF0dXJl") || !strings.Contains(seen, "part-00000") {
			t.Errorf("%v: %s", err, seen)
		}
	}
}

func TestCount(t *testing.T) {
	for body, want := range map[string]int{"17": 17, "\ufeff17\r\n": 17, "0": 0} {
		n, err := newClient(t, config(&fake{list: always(200, body, "Content-Type", "text/plain")})).Count(t.Context(), alerts)
		if n != want || err != nil {
			t.Errorf("%q: %d, %v", body, n, err)
		}
	}
	for _, body := range []string{"<html>", "1.5", `{"value":[]}`, strings.Repeat("1", 100)} {
		synctest.Test(t, func(t *testing.T) {
			_, err := newClient(t, config(&fake{list: always(200, body)})).Count(t.Context(), alerts)
			wantError(t, err, api.Malformed, "get /api/alerts")
		})
	}
}

// TestFamilyOfCalls shares a budget, for all its paths, and leaves others alone.
func TestFamilyOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: always(200, `{"exportFiles":[]}`)}
		client := newClient(t, config(f))
		began := time.Now()
		for i := range 12 {
			if took := time.Since(began); i == 4 && took > time.Minute {
				t.Errorf("a call for each of four streams took %s", took)
			}
			r := export
			r.Path, r.Priority = fmt.Sprint("/api/files", i), api.Priority(i)
			if _, err := client.Index(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 25*time.Minute || took > 35*time.Minute {
			t.Errorf("12 calls of 20 an hour took %s", took)
		}
		if left := client.Families(); len(left) != 1 || left["files"].HourLeft != 8 || left["files"].MinuteLeft > 4 {
			t.Errorf("%+v left", left)
		}
		began = time.Now()
		if _, err := client.Index(t.Context(), alerts); err != nil || time.Since(began) > time.Second {
			t.Errorf("another call waited %s, %v", time.Since(began), err)
		}
	})
}
