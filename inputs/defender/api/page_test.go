package api_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// failing is a body that breaks.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func readBody(t *testing.T, body string) ([]string, string, error) {
	t.Helper()
	f := &fake{list: always(200, body)}
	return read(t.Context(), newClient(t, config(f)))
}

func TestEnvelopeInAnyOrder(t *testing.T) {
	for name, body := range map[string]string{
		"usual":    `{"@odata.context":"https://x/$metadata","value":[{"id":1},{"id":2}],"@odata.nextLink":"https://api.example/n"}`,
		"reversed": `{"@odata.nextLink":"https://api.example/n","value":[{"id":1},{"id":2}],"@odata.count":2}`,
		"unknown":  `{"x":{"value":[9,{"error":{}}]},"error":null,"value":[{"id":1},{"id":2}],"y":[[]],"@odata.nextLink":"https:\/\/api.example/n"}`,
		"spaced":   "\r\n { \"value\" : [ {\"id\":1} , {\"id\":2} ] , \"@odata.nextLink\" : \"https://api.example/n\" } \n",
	} {
		t.Run(name, func(t *testing.T) {
			records, next, err := readBody(t, body)
			if err != nil {
				t.Fatal(err)
			}
			wantRecords(t, records, `{"id":1}`, `{"id":2}`)
			if next != "https://api.example/n" {
				t.Errorf("next link %q", next)
			}
		})
	}
}

func TestRecordsAreHandedOutAsTheyAre(t *testing.T) {
	odd := []string{`null`, `"text"`, `7e3`, `[]`, `{"a":1,"a":2}`, "{\"broken\":\"\xff\\ud800\"}", `{ "spaces" : true }`}
	records, _, err := readBody(t, `{"value":[`+strings.Join(odd, ",")+`]}`)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, records, odd...)
}

func TestBodyCutIsNotEndOfPage(t *testing.T) {
	whole := `{"@odata.context":"c","value":[{"id":1},{"id":22}],"@odata.nextLink":"https://api.example/n"}`
	synctest.Test(t, func(t *testing.T) {
		for n := range len(whole) {
			_, _, err := readBody(t, whole[:n])
			wantError(t, err, api.Transient, "the answer was cut short")
		}
		for n := range len(whole) + 1 {
			f := &fake{list: func(int, *http.Request) (*http.Response, error) {
				return streamed(200, io.NopCloser(io.MultiReader(strings.NewReader(whole[:n]), failing{io.ErrUnexpectedEOF})))
			}}
			_, _, err := read(t.Context(), newClient(t, config(f)))
			wantError(t, err, api.Transient, "the answer was cut short")
		}
	})
}

func TestAnswerIsNoPage(t *testing.T) {
	for name, test := range map[string]struct{ body, words string }{
		"login page":   {`<!DOCTYPE html><html>secret text</html>`, "no valid JSON"},
		"no list":      {`{"@odata.context":"c"}`, "no list of records"},
		"null list":    {`{"value":null}`, "value is no list"},
		"object":       {`{"value":{}}`, "value is no list"},
		"array":        {`[{"id":1}]`, "no JSON object"},
		"two lists":    {`{"value":[1],"value":[2]}`, "two lists"},
		"more":         {`{"value":[]}{"value":[]}`, "goes on after its end"},
		"not JSON":     {`{"value":[{"id":1},}]}`, "no valid JSON"},
		"link a list":  {`{"@odata.nextLink":[],"value":[]}`, "next link"},
		"long unknown": {`{"x":"` + strings.Repeat("x", 2<<20) + `","value":[]}`, "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, err := readBody(t, test.body)
				e := wantError(t, err, api.Malformed, test.words)
				if strings.Contains(e.Error(), "secret text") {
					t.Errorf("shows the body: %v", e)
				}
			})
		})
	}
}

func TestLoginPageOfProxyIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: always(200, "<html>", "Content-Type", "text/html; charset=utf-8")}
		_, _, err := read(t.Context(), newClient(t, config(f)))
		wantError(t, err, api.Malformed, "no JSON but text/html", "proxy_url")
		wantCounts(t, f, 1, 2)
	})
}

func TestTroubleReportedAtTheEndOfAnAnswer(t *testing.T) {
	records, _, err := readBody(t, `{"value":[{"id":1}],"error":{"code":"InternalError","message":"shard lost","target":"g"}}`)
	wantRecords(t, records, `{"id":1}`)
	wantError(t, err, api.Transient, "InternalError: shard lost")
}

func TestBrokenBeforeFirstRecordIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: first(200, `{"val`)}
		if _, _, err := read(t.Context(), newClient(t, config(f))); err != nil {
			t.Error(err)
		}
		wantCounts(t, f, 1, 2)
	})
}

// endless yields head, then filler for ever.
type endless struct {
	head  io.Reader
	bytes int64
}

func (e *endless) Read(b []byte) (int, error) {
	n, err := e.head.Read(b)
	if err != io.EOF {
		e.bytes += int64(n)
		return n, nil
	}
	for i := range b {
		b[i] = 'x'
	}
	e.bytes += int64(len(b))
	return len(b), nil
}

func TestHugeRecordIsRefusedWithoutAllocation(t *testing.T) {
	body := &endless{head: strings.NewReader(`{"value":[{"id":1},{"id":"`)}
	f := &fake{list: func(int, *http.Request) (*http.Response, error) { return streamed(200, io.NopCloser(body)) }}
	c := config(f)
	c.MaxRecord = 1 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	page, err := newClient(t, c).Open(t.Context(), alerts)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if record, err := page.Next(); string(record) != `{"id":1}` || err != nil {
		t.Fatal(string(record), err)
	}
	_, err = page.Next()
	runtime.ReadMemStats(&after)
	if e := wantError(t, err, api.Malformed, "a record is larger than the limit"); !e.IsTooLarge() {
		t.Error("not too large")
	}
	if body.bytes > 2<<20 {
		t.Errorf("read %d bytes", body.bytes)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 6<<20 { // doubling up to twice the limit
		t.Errorf("allocated %d bytes", n)
	}
	for range 2 { // passing over it ends too, and stays ended
		_, err = page.Next()
		if e := wantError(t, err, api.Malformed, "longer"); e.IsTooLarge() {
			t.Error("passed over without end")
		}
	}
	if body.bytes > 70<<20 {
		t.Errorf("read %d bytes", body.bytes)
	}
	before = after
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("passing over allocated %d bytes", n)
	}
}

func TestPageGoesOnAfterHugeRecord(t *testing.T) {
	huge := `{"id":"` + strings.Repeat("x", 100_000) + `","deep":[{"a":[1,2]}]}`
	f := &fake{list: always(200, `{"value":[1,`+huge+`,`+huge+`,{"id":4}],"@odata.nextLink":"https://api.example/n"}`)}
	c := config(f)
	c.MaxRecord = 10_000
	page, err := newClient(t, c).Open(t.Context(), alerts)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	var got []string
	for {
		record, err := page.Next()
		if err == io.EOF {
			break
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
			got = append(got, "too large")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(record))
	}
	wantRecords(t, got, "1", "too large", "too large", `{"id":4}`)
	if page.NextLink() == "" {
		t.Error("no next link")
	}
}

func TestSlowConsumerDoesNotTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := `{"value":[` + strings.Repeat(`{"id":1},`, 9) + `{"id":1}]}`
		f := &fake{list: func(int, *http.Request) (*http.Response, error) {
			return streamed(200, io.NopCloser(iotest.OneByteReader(strings.NewReader(body))))
		}}
		page, err := newClient(t, config(f)).Open(t.Context(), alerts)
		if err != nil {
			t.Fatal(err)
		}
		defer page.Close()
		for range 10 {
			if _, err := page.Next(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // publishing
		}
		if _, err := page.Next(); err != io.EOF {
			t.Error(err)
		}
	})
}

// slow is a body with a pause before every byte, which obeys the request.
type slow struct {
	ctx   context.Context
	text  *strings.Reader
	pause time.Duration
}

func (s *slow) Read(b []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(s.pause):
		return s.text.Read(b[:1])
	}
}

// dripping answers with one byte of a page after each pause.
func dripping(pause time.Duration) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, r *http.Request) (*http.Response, error) {
		return streamed(200, io.NopCloser(&slow{r.Context(), strings.NewReader(`{"value":[{"id":1}]}`), pause}))
	}
}

// silent answers nothing for as long as the caller waits.
func silent(_ int, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestServerSilence(t *testing.T) {
	t.Run("slow is not silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			records, _, err := read(t.Context(), newClient(t, config(&fake{list: dripping(2900 * time.Millisecond)})))
			if err != nil {
				t.Fatal(err)
			}
			wantRecords(t, records, `{"id":1}`)
		})
	})
	t.Run("a drip", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, err := read(t.Context(), newClient(t, config(&fake{list: dripping(29 * time.Second)})))
			wantError(t, err, api.Transient, "the answer came too slowly")
		})
	})
	t.Run("in a body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, err := read(t.Context(), newClient(t, config(&fake{list: dripping(31 * time.Second)})))
			wantError(t, err, api.Transient, "no answer in time")
		})
	})
	t.Run("before the head", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: silent}
			_, _, err := read(t.Context(), newClient(t, config(f)))
			wantError(t, err, api.Transient, "get /api/alerts: no answer in time")
			wantCounts(t, f, 1, 1) // a second one would be as silent, and nobody would know yet
		})
	})
	t.Run("the caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			_, _, err := read(ctx, newClient(t, config(&fake{list: dripping(25 * time.Second)})))
			if _, ok := errors.AsType[*api.Error](err); ok || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// A silence that the caller bears is reported while it lasts.
func TestLongServerSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{list: silent}
		c := config(f)
		c.Timeout = 2 * time.Minute
		began, reports := time.Now(), []time.Duration{}
		_, err := newClient(t, c).Open(t.Context(), api.Request{Path: "/api/alerts", Silent: func(err error) {
			wantError(t, err, api.Transient, "no answer in time")
			reports = append(reports, time.Since(began))
		}})
		wantError(t, err, api.Transient, "no answer in time")
		if want := []time.Duration{30 * time.Second, time.Minute, 90 * time.Second}; !slices.Equal(reports, want) {
			t.Errorf("reported after %v, want %v", reports, want)
		}
	})
}

const plainPage = `{"value":[{"id":1},{"id":2}]}`

// packed is plainPage as servers compress it: the name of the encoding and the body.
func packed() map[string][2]string {
	pack := func(w io.WriteCloser, b *bytes.Buffer) string {
		_, _ = io.WriteString(w, plainPage)
		_ = w.Close()
		return b.String()
	}
	var z, raw, g bytes.Buffer
	bare, _ := flate.NewWriter(&raw, flate.BestCompression)
	return map[string][2]string{
		"zlib": {"deflate", pack(zlib.NewWriter(&z), &z)},
		"bare": {"deflate", pack(bare, &raw)},
		"gzip": {"gzip", pack(gzip.NewWriter(&g), &g)},
	}
}

func TestContentEncodings(t *testing.T) {
	for name, b := range packed() {
		t.Run(name, func(t *testing.T) {
			client := serve(t, config(nil), func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "gzip" {
					t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
				}
				w.Header().Set("Content-Encoding", b[0])
				_, _ = io.WriteString(w, b[1])
			})
			records, _, err := read(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			wantRecords(t, records, `{"id":1}`, `{"id":2}`)
		})
	}
}

func TestContentEncodingFaults(t *testing.T) {
	t.Run("damaged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: always(200, "\x78\x9c\xff\xff\xff\xff\xff", "Content-Encoding", "deflate")}
			_, _, err := read(t.Context(), newClient(t, config(f)))
			wantError(t, err, api.Malformed, "compression")
		})
	})
	t.Run("cut", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: always(200, packed()["zlib"][1][:12], "Content-Encoding", "deflate")}
			_, _, err := read(t.Context(), newClient(t, config(f)))
			wantError(t, err, api.Transient, "cut short")
		})
	})
	t.Run("unknown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{list: always(200, plainPage, "Content-Encoding", "br")}
			_, _, err := read(t.Context(), newClient(t, config(f)))
			wantError(t, err, api.Malformed, "encoded as br")
		})
	})
}

// serve is a client of a server with a network: it hands out tokens itself.
func serve(t testing.TB, c api.Config, list http.HandlerFunc) *api.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"token","expires_in":3599}`)
			return
		}
		list(w, r)
	}))
	t.Cleanup(s.Close)
	c.URL, c.LoginURL, c.RoundTripper = s.URL, s.URL, nil
	return newClient(t, c)
}
