package policy_test

import (
	"reflect"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// declaring has a setting of each kind.
type declaring struct {
	policy.Transport `config:",inline"`
	Interval         string            `config:"interval"`
	Secret           inputs.Secret     `config:"client_secret"`
	Init             string            `config:"backoff.init"`
	Free             map[string]string `config:"headers"`
	ByHand           []any             `config:"processors,ignore"`
	Hidden           string            `config:",ignore"`

	_ any `config:"queue"`
}

func TestStrays(t *testing.T) {
	for name, c := range map[string]struct {
		source map[string]any
		want   []string
	}{
		"all are declared": {source: map[string]any{
			"interval": "1m", "backoff.init": "1s", "headers": map[string]any{"X-Any": "1"}, "processors": []any{}, "queue.mem": map[string]any{"events": 1},
			"ssl": map[string]any{"certificate": "c", "verification_mode": "none"}, "ssl.certificate_authorities": []any{"x"}, "proxy_url": "http://p",
			"__mark_redact_client_secret": true, "id": "i", "meta": map[string]any{"package": map[string]any{"name": "x"}}, "_runtime_experimental": "process",
		}},
		"a letter too few":     {source: map[string]any{"intervl": "1m"}, want: []string{"intervl: no such setting, did you mean interval?"}},
		"two letters swapped":  {source: map[string]any{"itnerval": "1m"}, want: []string{"itnerval: no such setting, did you mean interval?"}},
		"a part of the name":   {source: map[string]any{"secret": "1m"}, want: []string{"secret: no such setting, did you mean client_secret?"}},
		"not nested":           {source: map[string]any{"verification_mode": "none"}, want: []string{"verification_mode: no such setting, did you mean ssl.verification_mode?"}},
		"nested, misspelt":     {source: map[string]any{"backoff": map[string]any{"int": "1s"}}, want: []string{"backoff.int: no such setting, did you mean backoff.init?"}},
		"dotted, misspelt":     {source: map[string]any{"ssl.certifcate": "x"}, want: []string{"ssl.certifcate: no such setting, did you mean ssl.certificate?"}},
		"nothing is alike":     {source: map[string]any{"colour": "red"}, want: []string{"colour: no such setting"}},
		"a hidden field's":     {source: map[string]any{"Hidden": "red"}, want: []string{"Hidden: no such setting"}},
		"two, in their order":  {source: map[string]any{"zzzz": 1, "aaaa": 1}, want: []string{"aaaa: no such setting", "zzzz: no such setting"}},
		"nested in what is no": {source: map[string]any{"a": map[string]any{"b": 1}}, want: []string{"a: no such setting"}},
	} {
		var got []string
		for _, s := range policy.Strays(c.source, &declaring{}, &policy.InputKeys{}) {
			got = append(got, s.String())
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestBlankFieldsAreNotDecoded: they say that a setting has no effect.
func TestBlankFieldsAreNotDecoded(t *testing.T) {
	var got declaring
	r := policy.Of(map[string]any{"queue": map[string]any{"mem": 1.0}, "processors": "by hand", "interval": "1m"})
	r.Decode(&got)
	if r.Err() != nil || got.Interval != "1m" || got.ByHand != nil {
		t.Errorf("%+v, %v", got, r.Err())
	}
}

func TestSecrets(t *testing.T) {
	for _, c := range []struct{ source, want map[string]any }{
		{map[string]any{"client_secret": "pa$s", "proxy_url": "http://proxy:3128", "interval": "1m"}, map[string]any{"client_secret": "pa$s"}},
		{map[string]any{"client_secret": "", "proxy_url": "http://u:p@proxy:3128"}, map[string]any{"proxy_url": "http://u:p@proxy:3128"}},
	} {
		got := map[string]any{}
		for name, text := range policy.Secrets(c.source, &declaring{}) {
			got[name] = text
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %q", got)
		}
	}
}
