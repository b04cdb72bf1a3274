package defender

import (
	"strings"
	"testing"
)

// TestContent: what is written otherwise is the same, what says something else
// is not.
func TestContent(t *testing.T) {
	const record = `{"id":"m1","a":17,"b":{"x":1,"y":[1,2]},"t":"a\"b/é","ipAddresses":[{"ip":"1","mac":"2"},{"ip":"3"}],"big":170000000000000000000000}`
	same := []string{
		`{ "b":{"y":[1, 2.0],"x":1}, "a":1.7e1, "id":"m1", "t":"a\u0022b\/\u00e9", "ipAddresses":[{"ip":"3"},{"mac":"2","ip":"1"}], "big":170000000000000000000000.0 }`,
		`{"id":"m1","new":null,"other":"","a":170E-1,"b":{"x":1.0,"y":[1,2],"z":null},"t":"a\"b/é","ipAddresses":[{"ip":"3","mac":null},{"ip":"1","mac":"2"}],"big":1.7e23}`,
	}
	different := []string{
		strings.Replace(record, "17,", "18,", 1), strings.Replace(record, "17,", "-17,", 1),
		strings.Replace(record, "17,", `"17",`, 1), strings.Replace(record, "[1,2]", "[2,1]", 1),
		strings.Replace(record, `"ip":"3"`, `"ip":"4"`, 1), strings.Replace(record, "17000", "17001", 1),
		strings.Replace(record, `"id":"m1",`, "", 1), strings.Replace(record, "17,", "0.17,", 1),
	}
	write := func(record string) string {
		c := content{sets: []string{`"ipAddresses"`}}
		c.of(raw(record))
		return string(c.bytes)
	}
	want := write(record)
	for _, text := range same {
		if !raw(text).IsValid() {
			t.Fatalf("no JSON: %s", text)
		}
		if got := write(text); got != want {
			t.Errorf("%s is\n%s, want\n%s", text, got, want)
		}
	}
	for _, text := range different {
		if text == record || write(text) == want {
			t.Errorf("%s is the same", text)
		}
	}
	for text, want := range map[string]string{
		"-0": "0", "0.0": "0", "0e9": "0", "1e400": "1e400", "-1.50": "-15e-1", "100": "100", "1e2": "100", "0.001": "1e-3",
		"100000000000000000000": "100000000000000000000", "1e20": "100000000000000000000", "1000000000000000000000": "1e21",
		"12345678901234567890.5": "123456789012345678905e-1", "1e99999999999": "1e99999999999",
	} {
		if got := write(text); got != want {
			t.Errorf("%s is written as %s, want %s", text, got, want)
		}
	}
}
