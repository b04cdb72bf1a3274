package inputs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestSecretIsRedactedEverywhere: regardless of what formats, logs or encodes it, alone or
// inside something else.
func TestSecretIsRedactedEverywhere(t *testing.T) {
	const text = "s3cret-value"
	secret := inputs.Secret(text)
	type holder struct {
		S inputs.Secret            `json:"s"`
		P *inputs.Secret           `json:"p"`
		L []inputs.Secret          `json:"l"`
		M map[string]inputs.Secret `json:"m"`
	}
	all := holder{secret, &secret, []inputs.Secret{secret}, map[string]inputs.Secret{"k": secret}}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T"} {
		shown[verb] = fmt.Sprintf(verb+" "+verb, secret, all.L)
	}
	shown["error"] = fmt.Errorf("open: %v %s", secret, secret).Error()
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "json v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
	} {
		b, err := marshal(all)
		if err != nil || !strings.Contains(string(b), "[redacted]") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
		shown[name] = string(b)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).With("with", secret).Info("m", "alone", secret, "inside", all, slog.Group("g", "s", secret))
	}
	shown["log"] = log.String()
	if n := strings.Count(log.String(), "[redacted]"); n < 6 {
		t.Errorf("%d redactions in the log: %s", n, log.String())
	}
	for name, s := range shown {
		if strings.Contains(s, text) || strings.Contains(s, fmt.Sprintf("%x", text)) || strings.Contains(s, fmt.Sprintf("%X", text)) {
			t.Errorf("%s shows it: %s", name, s)
		}
	}
	if secret.Reveal() != text {
		t.Error("Reveal does not")
	}
}
