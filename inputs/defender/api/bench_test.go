package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// BenchmarkPage reads 10,000 records of 3.5 KB, without and with a network.
func BenchmarkPage(b *testing.B) {
	const records, size = 10_000, 3500
	filler := strings.Repeat(`"description":"a \"quoted\" word, C:\\Windows\\System32",`, 70)[:size-80]
	var body bytes.Buffer
	body.WriteString(`{"@odata.context":"c","value":[`)
	for i := range records {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"id":"da%018d_1","x":[{}],"text":%q}`, i, filler)
	}
	body.WriteString(`]}`)
	f := &fake{list: func(int, *http.Request) (*http.Response, error) {
		return streamed(200, io.NopCloser(bytes.NewReader(body.Bytes())))
	}}
	c := config(f)
	c.Pace = api.NewPace(api.Limit{PerMinute: 1e9, PerHour: 1e9})
	overNetwork := serve(b, c, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body.Bytes()) })
	for name, client := range map[string]*api.Client{"memory": newClient(b, c), "network": overNetwork} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				page, err := client.Open(b.Context(), alerts)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for ; err == nil; n++ {
					_, err = page.Next()
				}
				if err != io.EOF || n != records+1 {
					b.Fatal(n, err)
				}
				_ = page.Close()
			}
		})
	}
}
