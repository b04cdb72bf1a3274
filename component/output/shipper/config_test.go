package shipper

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	type m = map[string]any
	tests := map[string]struct {
		settings m
		unitID   string
		faults   []string // empty: none
	}{
		"as the agent gives them": {settings: m{"type": "shipper", "server": "unix:///run/s.sock", "policy": m{"revision": 3.0}}, unitID: unitID},
		"unknown keys and marks":  {settings: m{"server": "localhost:1", "__mark_redact_server": true, "ssl": nil, "hosts": []any{"x"}}},
		"numbers are floats":      {settings: m{"server": "localhost:1", "bulk_max_size": 50.0, "timeout": "5s", "backoff.init": "2s"}},
		"TLS off":                 {settings: m{"server": "localhost:1", "ssl": m{"enabled": false, "certificate": "none", "key": "none"}}},
		"nothing":                 {settings: m{}, faults: []string{"server: required"}},
		"other scheme":            {settings: m{"server": "https://localhost"}, faults: []string{"server: must be"}},
		"no port":                 {settings: m{"server": "localhost"}, faults: []string{"server: must be"}},
		"no name to verify":       {settings: m{"server": "localhost:1", "ssl": m{"verification_mode": "full"}}, faults: []string{"ssl.server_name: required"}},
		"all at once": {
			settings: m{"server": "localhost", "timeout": "soon", "bulk_max_size": "many", "backoff": m{"init": "5s", "max": "1s"},
				"ssl": m{"key": "-----BEGIN planted", "certificate": "nowhere.pem"}},
			unitID: unitID, faults: []string{"server:", "timeout", "bulk_max_size", "backoff.max", "ssl:"},
		},
		"limits": {
			settings: m{"server": "localhost:1", "timeout": "0s", "bulk_max_size": 0, "backoff.init": "0s"},
			faults:   []string{"timeout:", "bulk_max_size:", "backoff.init:"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := New(test.settings, test.unitID, newReporter(), slog.New(slog.DiscardHandler))
			if len(test.faults) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := o.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			for _, want := range test.faults {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error does not tell %q:\n%v", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "planted") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestSettingsDefaults(t *testing.T) {
	s, e, err := decode(map[string]any{"server": "localhost:1"}, unitID)
	if err != nil {
		t.Fatal(err)
	}
	if s.Timeout != 30*time.Second || s.BulkMax != 200 || s.BackoffInit != time.Second || s.BackoffMax != time.Minute {
		t.Errorf("defaults: %+v", s)
	}
	if e.tls != nil || e.network != "tcp" {
		t.Errorf("endpoint %+v, want plain TCP", e)
	}
}

// A passphrase is taken as it is: dollar signs are no variables here.
func TestSettingsTakeSecretsLiterally(t *testing.T) {
	const passphrase = "pa${HOME}ss"
	s, _, err := decode(map[string]any{
		"server": "localhost:1", "ssl": map[string]any{"enabled": false, "key_passphrase": passphrase},
	}, unitID)
	if err != nil || s.SSL.Certificate.Passphrase != passphrase {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestSettingsFaultsKeepTheirOrder: the text of a state must not change while
// its cause stays.
func TestSettingsFaultsKeepTheirOrder(t *testing.T) {
	first := ""
	for range 50 {
		_, _, err := decode(map[string]any{
			"server": []any{map[string]any{}}, "timeout": "soon", "bulk_max_size": "many", "backoff.init": "x", "backoff.max": "y",
		}, unitID)
		if err == nil {
			t.Fatal("no fault found")
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Fatalf("two texts for one cause:\n%s\n\n%v", first, err)
		}
	}
	for _, setting := range []string{"server: ", "timeout: ", "bulk_max_size: ", "backoff.init: ", "backoff.max: "} {
		if !strings.Contains("\n"+first, "\n"+setting) {
			t.Errorf("no fault names %q in:\n%s", setting, first)
		}
	}
}

func TestNamedPipeIsForWindows(t *testing.T) {
	_, _, want := locate("npipe:///shipper")
	if works := want == ""; works != (runtime.GOOS == "windows") {
		t.Errorf("npipe on %s: %v", runtime.GOOS, want)
	}
}
