package mapping

import (
	"testing"
	"time"
)

// TestJSONTextIsCompact where the record is not.
func TestJSONTextIsCompact(t *testing.T) {
	var e Envelope
	if got := e.JSONText(Raw("{ \"a\" :\n1.0 }")).String(); got != `{"a":1.0}` {
		t.Errorf("got %s", got)
	}
}

// fieldOf is a member of a record of no resource.
func fieldOf(value string) *Field {
	return &Field{Value: Raw(value), names: &names{Name: "x", Own: "x"}}
}

// TestFloat takes what Elasticsearch's type float holds, and says what it does not.
func TestFloat(t *testing.T) {
	for value, want := range map[string]string{
		`7`: "7", `7.8`: "7.8", `"7.8"`: "7.8", `-0.5`: "-0.5", `1e3`: "1e3", `null`: "null", `""`: "null",
		`"high"`: "null", `1e39`: "null", `"+1"`: "null", `"0x1p3"`: "null", `true`: "null", `[1]`: "null", `"NaN"`: "null",
	} {
		var e Envelope
		got := e.Float(fieldOf(value))
		if string(got.AppendJSON(nil)) != want {
			t.Errorf("%s: got %s, want %s", value, got.AppendJSON(nil), want)
		}
		if faulty := want == "null" && !Blank(Raw(value)); faulty != (len(e.faults) == 1) {
			t.Errorf("%s: faults %q", value, e.faults)
		}
	}
}

// TestTimesWithABlank are UTC, as Microsoft's assessment lists write them.
func TestTimesWithABlank(t *testing.T) {
	for text, want := range map[string]string{
		"2020-12-30 14:17:26":         "2020-12-30T14:17:26Z",
		"2020-11-03 10:13:34.8476880": "2020-11-03T10:13:34.847688Z",
		"2021-01-11 09:47:58.854":     "2021-01-11T09:47:58.854Z",
		"2021-01-11T09:47:58":         "2021-01-11T09:47:58Z",
		"2021-01-11 09:47":            "",
		"2021-13-11 09:47:58":         "",
		"0001-01-01 00:00:00":         "",
	} {
		var e Envelope
		f := fieldOf(`"` + text + `"`)
		at, _ := f.Time()
		if got := at.Format(time.RFC3339Nano); got != want && (want != "" || !at.IsZero()) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if got := e.Date(f); got.Present() && got.String() == text && text[10] == ' ' {
			t.Errorf("%s: a date that Elasticsearch does not read", text)
		}
	}
}
