package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

type options struct {
	Name    string            `config:"name"`
	Secret  inputs.Secret     `config:"secret"`
	List    []string          `config:"list"`
	Map     map[string]string `config:"map"`
	Init    time.Duration     `config:"backoff.init"`
	Number  int               `config:"number"`
	SSL     *tlscommon.Config `config:"ssl"`
	Nested  nested            `config:"nested"`
	Ignored string
}

type nested struct {
	One int `config:"one"`
	Two int `config:"two"`
}

// TestValuesAreTakenAsTheyStand: no text is a variable, a list or a number to the
// library, at any depth it is.
func TestValuesAreTakenAsTheyStand(t *testing.T) {
	t.Setenv("PLANTED", "expanded")
	for _, text := range []string{
		"pa${PLANTED}ss", "${PLANTED}", "${no.such}", "$", "$$", "$$$", "a$b", "${", "$}", "x}$", "a,b$c", "[x$", "{a$b", "'q$\"", "12$",
		"12", "true", "a,b", "[x", "{a:1}", `back\slash`, `\$`, " spaced ", "a.b.c",
	} {
		var got options
		r := policy.Of(map[string]any{
			"name": text, "secret": text, "list": []any{text, text}, "map": map[string]any{"k": text},
			"ssl": map[string]any{"enabled": false, "key_passphrase": text, "certificate_authorities": []string{text}},
		})
		r.Decode(&got)
		if err := r.Err(); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for _, value := range []string{
			got.Name, got.Secret.Reveal(), got.List[0], got.List[1], got.Map["k"], got.SSL.Certificate.Passphrase, got.SSL.CAs[0],
		} {
			if value != text {
				t.Errorf("%q became %q", text, value)
			}
		}
	}
}

func TestNullsAndMarksAreNotSet(t *testing.T) {
	got := options{Name: "default", Init: time.Second}
	r := policy.Of(map[string]any{"name": nil, "__mark_redact_secret": true, "backoff": map[string]any{"init": nil}, "unknown": 1.0})
	r.Decode(&got)
	if r.Err() != nil || got.Name != "default" || got.Init != time.Second {
		t.Errorf("%+v, %v", got, r.Err())
	}
}

func TestInnerSettingsAreTakenWhole(t *testing.T) {
	r := policy.Over(
		map[string]any{"name": "outer", "list": []any{"a", "b"}, "map.one": "1", "nested.one": 1.0, "number": 7.0},
		map[string]any{"name": "inner", "list": []any{"c"}, "map": map[string]any{"two": "2"}, "nested": map[string]any{"two": 2.0}},
		"nested")
	var got options
	r.Decode(&got)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if got.Name != "inner" || len(got.List) != 1 || len(got.Map) != 1 || got.Nested != (nested{1, 2}) || got.Number != 7 {
		t.Errorf("%+v", got)
	}
}

// TestEverySettingHasOneFault in the order of the fields, then of the checks.
func TestEverySettingHasOneFault(t *testing.T) {
	const want = "name: \nnested.two: \nnumber: \nsecret: \nlist: too few"
	for range 20 {
		var got struct {
			Name   string        `config:"name"`
			Nested nested        `config:"nested"`
			Number int           `config:"number"`
			Secret inputs.Secret `config:"secret"`
			List   []string      `config:"list"`
		}
		r := policy.Of(map[string]any{
			"name": map[string]any{"planted": "planted"}, "nested.one": 1.0, "nested.two": "x", "number": []any{"planted", "b"},
			"secret": map[string]any{"x": "planted"},
		})
		r.Decode(&got)
		r.Check(got.Number > 0, "number", "reported already")
		r.Check(got.Name != "", "name", "reported already")
		r.Check(len(got.List) > 0, "list", "too few")
		lines := strings.Split(r.Err().Error(), "\n")
		for i, begin := range strings.Split(want, "\n") {
			if len(lines) != 5 || !strings.HasPrefix(lines[i], begin) || strings.Contains(lines[i], "planted") {
				t.Fatalf("want lines that begin with\n%s\ngot\n%v", want, r.Err())
			}
		}
	}
}

func TestTransportTellsEveryFault(t *testing.T) {
	transport := policy.Transport{}
	r := policy.Of(map[string]any{
		"proxy_url": "http://u:%planted@proxy", "proxy_disable": "perhaps", "idle_connection_timeout": "-1s",
		"ssl": map[string]any{"certificate": "/no/such.pem", "key": "planted-key"},
	})
	r.Decode(&transport)
	transport.HTTP(r)
	err := r.Err()
	if err == nil || strings.Contains(err.Error(), "planted") {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"proxy_disable: ", "proxy_url: ", "ssl: ", "idle_connection_timeout: "} {
		if !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("no fault %q in:\n%v", want, err)
		}
	}
}

// TestWrongShapes: what has another shape than its setting is reported in the words of a
// policy, and never taken for something else.
func TestWrongShapes(t *testing.T) {
	list, object := []any{"planted", "b"}, map[string]any{"planted": "b"}
	for _, c := range []struct {
		source map[string]any
		want   string
	}{
		{map[string]any{"name": list}, "name: want a text"},
		{map[string]any{"secret": object}, "secret: want a text"},
		{map[string]any{"list": object}, "list: want a list, such as [a, b]"},
		{map[string]any{"list": []any{object}}, "list.0: want a text"},
		{map[string]any{"map": list}, "map: want names with values below it"},
		{map[string]any{"map": "planted"}, "map: want names with values below it"},
		{map[string]any{"number": "planted"}, "number: want a whole number, such as 10"},
		{map[string]any{"number": 1.5}, "number: want a whole number, such as 10"},
		{map[string]any{"number": 1e30}, "number: want a whole number, such as 10"},
		{map[string]any{"ssl": "planted"}, "ssl: want names with values below it"},
		{map[string]any{"ssl": list}, "ssl: want names with values below it"},
		{map[string]any{"nested": list}, "nested: want names with values below it"},
		{map[string]any{"nested": map[string]any{"two": "planted"}}, "nested.two: want a whole number, such as 10"},
		{map[string]any{"switch": "planted"}, "switch: want true or false"},
		{map[string]any{"list": map[string]any{}, "map": []any{}, "number": 2.0, "backoff.init": 1.5}, ""},
	} {
		got := struct {
			options
			Switch bool `config:"switch"`
		}{}
		r := policy.Of(c.source)
		r.Decode(&got.options)
		r.Decode(&got)
		text := ""
		if err := r.Err(); err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%v: got %q, want %q", c.source, text, c.want)
		}
	}
}
