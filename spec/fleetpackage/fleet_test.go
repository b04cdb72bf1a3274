package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailgun/raymond/v2"
	"gopkg.in/yaml.v3"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// fleet renders a stream as Fleet does: Handlebars without escaping, its helper
// escape_string, quotes around texts that YAML would take for numbers, and YAML
// variables by placeholder. values are what the user
// entered; for what is missing Fleet takes the manifest's default.
func fleet(t *testing.T, p *manifests, s *dataStream, values map[string]any) map[string]any {
	t.Helper()
	source, err := os.ReadFile(packageDir + "/data_stream/" + s.name + "/agent/stream/stream.yml.hbs")
	if err != nil {
		t.Fatal(err)
	}
	page, err := raymond.Parse(string(source))
	if err != nil {
		t.Fatal(err)
	}
	page.RegisterHelper("escape_string", func(v any) raymond.SafeString {
		return raymond.SafeString("'" + strings.NewReplacer("'", "''", "\n", "\n\n").Replace(raymond.Str(v)) + "'")
	})
	context, placeholders := map[string]any{}, map[string]any{}
	for _, v := range append(append([]variable{}, p.vars()...), s.vars()...) {
		value, entered := values[v.Name]
		if !entered {
			value = v.Default
		}
		if text, ok := value.(string); ok && v.Type == "yaml" {
			var parsed any
			if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
				t.Fatal(err)
			}
			placeholders["##"+v.Name+"##"] = parsed
			value = `"##` + v.Name + `##"`
		}
		nest(context, v.Name, unescaped(value, v.Type == "text"))
	}
	rendered, err := page.Exec(context)
	if err != nil {
		t.Fatal(err)
	}
	var stream map[string]any
	if err := yaml.Unmarshal([]byte(rendered), &stream); err != nil {
		t.Fatalf("%v in\n%s", err, rendered)
	}
	for name, v := range stream {
		if text, ok := v.(string); ok && strings.HasPrefix(text, "##") {
			stream[name] = placeholders[text]
		}
		if day, ok := v.(time.Time); ok { // Kibana's YAML and JSON make that of a day
			stream[name] = day.Format("2006-01-02T15:04:05.000Z")
		}
	}
	stream["id"] = "stream-1"
	stream["data_stream"] = map[string]any{"type": "logs", "dataset": defender.Type + "." + s.name}
	return stream
}

// unescaped keeps the library from escaping for HTML, which Fleet's does not.
func unescaped(v any, isText bool) any {
	switch v := v.(type) {
	case string:
		if _, err := strconv.ParseFloat(v, 64); isText && err == nil {
			v = `"` + v + `"`
		}
		return raymond.SafeString(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = unescaped(v[i], isText)
		}
		return list
	}
	return v
}

// decoded is what the component makes of a stream.
func decoded(t *testing.T, stream map[string]any) defender.Config {
	t.Helper()
	streams, err := defender.New("test").Streams(inputs.Unit{
		ID: "defender-1", Namespace: "default", Source: map[string]any{"streams": []any{stream}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if streams[0].Fault != nil {
		t.Fatal(streams[0].Fault)
	}
	return streams[0].Settings.(defender.Config)
}

func load(t *testing.T) *manifests {
	t.Helper()
	p, err := readManifests(packageDir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// required are the variables without a default.
// nest puts a value under a name with dots, as Fleet does for its templates.
func nest(context map[string]any, name string, value any) {
	first, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		context[name] = value
		return
	}
	inner, ok := context[first].(map[string]any)
	if !ok {
		inner = map[string]any{}
		context[first] = inner
	}
	nest(inner, rest, value)
}

func required() map[string]any {
	return map[string]any{"tenant_id": "contoso.example", "client_id": "an-application", "client_secret": `s'e"c: #r{e}t\~`}
}

func decodeYAML[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
