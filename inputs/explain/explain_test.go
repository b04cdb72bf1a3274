package explain_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/explain"
)

// toy makes documents of a toy record, one for each item: with constants, copies, a
// choice, a list that two members say the same for, and a member that must be a number.
func toy(record []byte) ([]jsontext.Value, bool, error) {
	get := func(name string) (string, bool) {
		_, rest, found := strings.Cut(string(record), `"`+name+`":`)
		end := strings.IndexAny(rest, ",}]")
		if !found || end < 0 {
			return "null", false
		}
		return rest[:end], true
	}
	name, _ := get("name")
	title, ok := get("title")
	if !ok {
		title = name
	}
	a, _ := get("a")
	number, _ := get("number")
	clean := !strings.HasPrefix(number, `"`)
	kind := `"event"`
	if !clean {
		kind = `"error"`
	}
	text := fmt.Sprintf(`{"kind":%s,"name":%s,"message":%s,"lower":{"name":%s},"same":[%s],"number":%s}`,
		kind, name, title, strings.ToLower(name), a, number)
	return []jsontext.Value{jsontext.Value(text)}, clean, nil
}

func explained(t *testing.T, record string) map[string]explain.Field {
	t.Helper()
	documents, err := explain.Explain(toy, []byte(record))
	if err != nil || len(documents) != 1 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	fields := map[string]explain.Field{}
	for _, f := range documents[0] {
		fields[f.Name] = f
	}
	return fields
}

func TestExplain(t *testing.T) {
	fields := explained(t, `{"name":"Host","title":"T","number":17,"list":[{"a":"x"},{"a":"x"}],"unused":null}`)
	for name, want := range map[string]struct{ from, rule string }{
		"kind":       {"", "constant"},
		"name":       {"name", "as it is"},
		"message":    {"title", "as it is"},
		"lower.name": {"name", "in lower case"},
		"number":     {"number", "as it is"},
		"same":       {"list[0].a", "list; as it is"},
	} {
		if f := fields[name]; strings.Join(f.From, ",") != want.from || f.Rule != want.rule {
			t.Errorf("%s: from %q, %s; want %s, %s", name, f.From, f.Rule, want.from, want.rule)
		}
	}
	if f := explained(t, `{"name":"Host","number":17}`)["message"]; strings.Join(f.From, ",") != "name" {
		t.Errorf("without a title: from %q", f.From)
	}
}

// TestWhatIsNoRecord has documents too.
func TestWhatIsNoRecord(t *testing.T) {
	for _, record := range []string{`"text"`, `[1,2]`, `{"broken":`, ``, `{}`} {
		if f := explained(t, record)["kind"]; f.Rule != "constant" || f.From != nil {
			t.Errorf("%q: %+v", record, f)
		}
	}
}

func TestTooManyMembers(t *testing.T) {
	record := `{"name":"x"` + strings.Repeat(`,"m":1`, 2001) + `}`
	documents, err := explain.Explain(toy, []byte(record))
	if !errors.Is(err, explain.ErrTooMany) || len(documents) != 1 {
		t.Errorf("%d documents, %v", len(documents), err)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	err := explain.Print(&out, []explain.Field{
		{Name: "a", Value: jsontext.Value(`"` + strings.Repeat("ä", 50) + `"`), Rule: "constant"},
		{Name: "b\x1b[31m", Value: jsontext.Value(`"evil\u001b[31m"`), From: []string{"l[0].a", "l[1].a", "l[2].a", "l[3].a"}, Rule: "gathered"},
		{Name: "c", Value: jsontext.Value("1"), From: []string{"l", "m", "n", "o", "p"}, Rule: "made of all"},
	})
	lines := strings.Split(out.String(), "\n")
	if err != nil || len(lines) != 5 || strings.Contains(out.String(), "\x1b") {
		t.Fatalf("%q, %v", out.String(), err)
	}
	for i, want := range []string{"FIELD", strings.Repeat("ä", 37) + "...  -  ", "l[].a", "l, m, n and 2 more"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("no %q in %q", want, lines[i])
		}
	}
}
