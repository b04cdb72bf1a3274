package ecs

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// TestPlain puts every byte at every place of texts of every length up to 20.
func TestPlain(t *testing.T) {
	for length := range 21 {
		for place := range length {
			for c := range 256 {
				s := []byte(strings.Repeat("~", length))
				s[place] = byte(c)
				want := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
				if IsPlain(string(s)) != want {
					t.Fatalf("%q: plain is %t, want %t", s, !want, want)
				}
			}
		}
	}
	if !IsPlain("") {
		t.Error("the empty text is plain")
	}
}

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Date(2026, 3, 2, 4, 5, 6, 7_000_000, time.UTC), time.Date(1999, 12, 31, 23, 59, 59, 999_000_000, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 123_000_000, time.UTC),
		time.Date(12026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(-5, 3, 2, 0, 0, 0, 0, time.UTC),
	} {
		if got, want := string(appendTime(nil, at)), `"`+at.Format(TimeLayout)+`"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func BenchmarkText(b *testing.B) {
	var dst []byte
	for name, s := range map[string]string{"name": "processCommandLine", "path": `C:\\Windows\\System32`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dst = appendText(dst[:0], s)
			}
		})
	}
}

func BenchmarkScanner(b *testing.B) {
	record := jsontext.Value(`{"entityType":"Process","sha1":null,"sha256":null,"fileName":"rundll32.exe","filePath":"C:\\\\Windows\\\\System32",` +
		`"processId":3276,"processCommandLine":"rundll32.exe \\"c:\\\\temp\\\\x.dll\\",Start","ipAddress":null,"url":null,"accountName":"x","list":[{"a":1},{"b":[null]}]}`)
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		s := NewScanner(record)
		for s.Enter(); s.More(); {
			s.Value()
		}
	}
}
