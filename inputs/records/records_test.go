package records_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/defender-endpoint/defender-endpoint/inputs/records"
)

func all(in io.Reader) (found []string, err error) {
	err = records.Each(in, func(r []byte) error {
		found = append(found, string(r))
		return nil
	})
	return found, err
}

const (
	one    = `{"id":"a","list":[1,{"b":2}]}`
	pretty = "{\n  \"id\": \"a\",\n  \"list\": [1, {\"b\": 2}]\n}\n"
)

// forms are what people have.
var forms = map[string]struct {
	text string
	want []string
}{
	"nothing":                    {"", nil},
	"blank lines":                {" \n\n", nil},
	"an object":                  {one, []string{one}},
	"an object over many lines":  {pretty, []string{one}},
	"two of them":                {pretty + pretty, []string{one, one}},
	"two in a line":              {one + " " + one + one, []string{one, one, one}},
	"a line each":                {one + "\n" + one + "\r\n\n" + one, []string{one, one, one}},
	"a list":                     {"[" + one + "," + one + "]", []string{one, one}},
	"a list over many lines":     {"[\n" + pretty + "  ,\n" + pretty + "]\n", []string{one, one}},
	"an empty list":              {"[]", nil},
	"a page":                     {`{"@odata.context":"https://x/$metadata#Alerts","value":[` + one + `,` + one + `],"@odata.nextLink":"https://x"}`, []string{one, one}},
	"a page over many lines":     {"{\n  \"@odata.context\": \"x\",\n  \"@odata.count\": 2,\n  \"value\": [\n" + pretty + "]\n}\n" + pretty, []string{one, one}},
	"a page and no OData":        {`{"value":[` + one + `]}`, []string{one}},
	"two pages":                  {`{"value":[1]}{"value":[2]}`, []string{"1", "2"}},
	"a record of an entity":      {`{"@odata.context":"x/$entity","id":"a"}`, []string{`{"@odata.context":"x/$entity","id":"a"}`}},
	"a record with a value":      {`{"id":"a","value":[1]}`, []string{`{"id":"a","value":[1]}`}},
	"a value that is no list":    {`{"value":"x"}`, []string{`{"value":"x"}`}},
	"members twice, broken text": {"{\"a\":1,\"a\":\"\xff\"}", []string{"{\"a\":1,\"a\":\"\xff\"}"}},
	"no objects":                 {"\"text\"\nnull 17\n[true]", []string{`"text"`, "null", "17", "true"}},
	"a line that is no JSON":     {one + "\nnot json\n" + one, []string{one, "not json", one}},
	"the last line is no JSON":   {one + "\n{\"id\":", []string{one, `{"id":`}},
	"an object with a fault":     {`{"id":"a",}` + "\n" + one, []string{`{"id":"a",}`, one}},
	"a byte order mark":          {"\xef\xbb\xbf" + one, []string{one}},
}

func TestForms(t *testing.T) {
	for name, f := range forms {
		for how, in := range map[string]io.Reader{
			"at once": strings.NewReader(f.text), "byte by byte": iotest.OneByteReader(strings.NewReader(f.text)),
			"gzip": zipped(f.text),
		} {
			got, err := all(in)
			if err != nil || !slices.Equal(got, f.want) {
				t.Errorf("%s, %s: got %q, %v, want %q", name, how, got, err, f.want)
			}
		}
	}
}

func zipped(text string) io.Reader {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return &b
}

// TestUTF16 is what redirecting into a file makes in Windows PowerShell.
func TestUTF16(t *testing.T) {
	var b bytes.Buffer
	for _, u := range utf16.Encode([]rune("\ufeff" + one + "\r\n" + one)) {
		b.Write([]byte{byte(u), byte(u >> 8)})
	}
	if got, err := all(&b); err != nil || !slices.Equal(got, []string{one, one}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestFaults: where nothing more can be read, the line is named.
func TestFaults(t *testing.T) {
	for text, says := range map[string]string{
		"[" + one + ",\n" + one + ",\nnot]": "line 3: ",
		"[" + one:                           "line 1: ",
		`{"value":[` + one + ",{]}":         "line 1: ",
		"{\n\"id\": \"a\",\n}":              "line 3: ",
		"\x1f\x8bnot gzip":                  "it begins as gzip and is none",
		strings.Repeat("[", 3) + strings.Repeat(" ", records.MaxRecord+1): "a record is larger than 16 MiB",
		`{"a":"` + strings.Repeat("x", records.MaxRecord) + `"}`:          "a record is larger than 16 MiB",
	} {
		if _, err := all(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 300 {
			t.Errorf("%.40q: got %v, want %q", text, err, says)
		}
	}
	if _, err := all(iotest.ErrReader(errors.New("broken disk"))); err == nil || !strings.Contains(err.Error(), "broken disk") {
		t.Errorf("got %v", err)
	}
	stop := errors.New("stop")
	count := 0
	if err := records.Each(strings.NewReader("[1,2]"), func([]byte) error { count++; return stop }); !errors.Is(err, stop) || count != 1 {
		t.Errorf("got %v after %d", err, count)
	}
}

// TestLongLinesAndManyRecords pass with any buffering.
func TestLongLinesAndManyRecords(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 300<<10) + `"}`
	var text strings.Builder
	for range 100 {
		fmt.Fprintf(&text, "%s\n%s\nno %s\n", long, one, strings.Repeat("y", 200<<10))
	}
	got, err := all(strings.NewReader(text.String()))
	if err != nil || len(got) != 300 || got[0] != long || got[1] != one || len(got[2]) != 3+200<<10 {
		t.Errorf("got %d, %v", len(got), err)
	}
	if got, err = all(strings.NewReader("[" + strings.Repeat(long+",", 99) + long + "]")); err != nil || len(got) != 100 { // 30 MB in a line
		t.Errorf("got %d, %v", len(got), err)
	}
}

func FuzzEach(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var first, second []string
		each := func(to *[]string) func([]byte) error {
			return func(r []byte) error {
				*to = append(*to, string(r))
				return nil
			}
		}
		err := records.Each(bytes.NewReader(text), each(&first))
		again := records.Each(iotest.OneByteReader(bytes.NewReader(text)), each(&second))
		if (err == nil) != (again == nil) || !slices.Equal(first, second) {
			t.Errorf("%q: %q, %v and %q, %v", text, first, err, second, again)
		}
	})
}
