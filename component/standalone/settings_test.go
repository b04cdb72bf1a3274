package standalone_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// TestStrays: former and gone names are no strays, since they have a meaning or a
// notice.
func TestStrays(t *testing.T) {
	u := component.Unit{Source: map[string]any{
		"id": "i", "type": defender.Type, "revision": 1.0, "policy": map[string]any{"revision": 1.0}, "package_policy_id": "p", "data_stream.namespace": "default",
		"_runtime_experimental": "process", "__mark_redact_client_secret": true, "client_secert": "s", "fields": map[string]any{"a": 1},
		"streams": []any{
			map[string]any{
				"id": "s", "data_stream": map[string]any{"dataset": "d", "type": "logs"}, "request_url": "u", "scopes": []any{"s"}, "azure_resource": "r",
				"token_url": "t", "processors": []any{}, "ssl.verification_mode": "none", "fields_under_root": true, "enabled": true,
			},
			map[string]any{"intervall": "1m", "data_stream": map[string]any{"datset": "d"}},
			"not a stream",
		},
	}}
	want := []string{
		"client_secert: no such setting, did you mean client_secret?",
		"streams[1].data_stream.datset: no such setting, did you mean data_stream.dataset?",
		"streams[1].intervall: no such setting, did you mean interval?",
	}
	if got := component.Strays(defender.New(""), u); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestThePackageHasNoStrays: what the package's templates render is known here.
func TestThePackageHasNoStrays(t *testing.T) {
	files, err := filepath.Glob("../../spec/package/data_stream/*/agent/stream/*.hbs")
	inputFile, inputErr := filepath.Glob("../../spec/package/agent/input/*.hbs")
	if err != nil || inputErr != nil || len(files) == 0 {
		t.Fatal(err, inputErr, len(files))
	}
	rendered := regexp.MustCompile(`(?m)^([a-z_.]+):`)
	for _, file := range append(files, inputFile...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source := map[string]any{}
		for _, m := range rendered.FindAllSubmatch(text, -1) {
			source[string(m[1])] = "x"
		}
		if got := component.Strays(defender.New(""), component.Unit{Source: source}); len(got) > 0 || len(source) == 0 {
			t.Errorf("%s: %q of %d", file, got, len(source))
		}
	}
}
