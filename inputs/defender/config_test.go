package defender

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	c := decoded(t, nil, nil)
	if c.Interval != time.Minute || c.InitialInterval != 24*time.Hour || c.BatchSize != 10_000 || c.Evidence != "split" {
		t.Errorf("got %+v", c)
	}
	if len(c.Tags) != 2 || c.Tags[1] != "forwarded" || c.DataStream.Type != "logs" || c.DataStream.Namespace != "default" {
		t.Errorf("tags %v, data stream %+v", c.Tags, c.DataStream)
	}
}

// required are the settings without a default.
func required() map[string]any {
	return map[string]any{
		"tenant_id": "t", "client_id": "c", "client_secret": "s",
		"data_stream": map[string]any{"dataset": "microsoft_defender_endpoint.log"},
	}
}

func decoded(t *testing.T, input, stream map[string]any) Config {
	t.Helper()
	source := required()
	for name, v := range input {
		source[name] = v
	}
	c, err := decodeConfig(source, stream)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigStreamWins(t *testing.T) {
	c := decoded(t,
		map[string]any{"interval": "5m", "tags": []any{"a", "b", "c"}, "batch_size": 10.0, "data_stream.namespace": "prod"},
		map[string]any{"interval": "2m", "tags": []any{"x"}, "data_stream": map[string]any{"type": "logs"}})
	if c.Interval != 2*time.Minute || len(c.Tags) != 1 || c.Tags[0] != "x" || c.BatchSize != 10 {
		t.Errorf("interval %s, tags %v, batch_size %d", c.Interval, c.Tags, c.BatchSize)
	}
	if c.DataStream.Namespace != "prod" || c.DataStream.Dataset != "microsoft_defender_endpoint.log" {
		t.Errorf("data stream %+v", c.DataStream)
	}
}

func TestConfigDottedNullsAndMarkers(t *testing.T) {
	c := decoded(t, map[string]any{
		"ssl.verification_mode": "none", "proxy_url": nil, "__mark_redact_client_secret": true, "unknown_setting": 1.0,
	}, nil)
	if c.HTTP.TLS == nil || c.HTTP.TLS.VerificationMode.String() != "none" {
		t.Errorf("ssl %+v", c.HTTP.TLS)
	}
}

func TestConfigDollarSignsAreLiteral(t *testing.T) {
	for _, secret := range []string{"a$b", "a$$b", "${HOME}", "$"} {
		if c := decoded(t, map[string]any{"client_secret": secret}, nil); c.ClientSecret.Reveal() != secret {
			t.Errorf("%q became %q", secret, c.ClientSecret.Reveal())
		}
	}
}

// TestConfigNamesEveryFault: one answer lists all that is wrong.
func TestConfigNamesEveryFault(t *testing.T) {
	_, err := decodeConfig(map[string]any{
		"tenant_id": "a/b", "client_id": "", "url": "api.example", "login_url": "ftp://x", "interval": "soon",
		"initial_interval": "9000h", "batch_size": 20000.0, "overlap": "48h", "timestamp_source": "now", "evidence": "some",
		"http_client_timeout": []any{"x"}, "data_stream": map[string]any{"dataset": "other", "namespace": "Not-Valid"},
		"page_size": 200_001.0, "files_above_devices": -1.0, "file_hosts": []any{"https://files.example"}, "full_interval": "1s",
	}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, setting := range []string{
		"tenant_id", "client_id", "client_secret", "url", "login_url", "interval", "initial_interval", "batch_size",
		"overlap", "timestamp_source", "evidence", "http_client_timeout", "data_stream.dataset", "data_stream.namespace",
		"page_size", "files_above_devices", "file_hosts", "full_interval",
	} {
		if !strings.Contains(err.Error(), setting) {
			t.Errorf("%s is not named in:\n%v", setting, err)
		}
	}
}

func TestConfigNeverShowsTheSecret(t *testing.T) {
	const secret = "planted-secret"
	_, err := decodeConfig(map[string]any{"client_secret": map[string]any{secret: secret}, "interval": "x"}, nil)
	if err == nil || strings.Contains(err.Error(), ": "+secret) || strings.Contains(err.Error(), `"`+secret) {
		t.Errorf("got %v", err)
	}
}

// TestPipelineIsForTheOutput: the seam passes it on by name, and no map is made
// where there is none.
func TestPipelineIsForTheOutput(t *testing.T) {
	if got := outputOptions(decoded(t, nil, map[string]any{"pipeline": "p"})); len(got) != 1 || got["pipeline"] != "p" {
		t.Errorf("got %v", got)
	}
	if got := outputOptions(decoded(t, nil, nil)); got != nil {
		t.Errorf("got %v without one", got)
	}
}

// TestFullIntervalIsTheResources where it is not set.
func TestFullIntervalIsTheResources(t *testing.T) {
	for dataset, want := range map[string]time.Duration{"machine": 24 * time.Hour, "vulnerability": 48 * time.Hour} {
		c := decoded(t, map[string]any{"data_stream": map[string]any{"dataset": "microsoft_defender_endpoint." + dataset}}, nil)
		if c.FullInterval != want {
			t.Errorf("%s: full_interval %s, want %s", dataset, c.FullInterval, want)
		}
	}
	if _, err := decodeConfig(map[string]any{"data_stream": map[string]any{"dataset": "other"}}, nil); strings.Contains(err.Error(), "full_interval") {
		t.Errorf("an unknown dataset: %v", err)
	}
}

// TestFileHosts are names, and domains with a star in front.
func TestFileHosts(t *testing.T) {
	for host, good := range map[string]bool{
		"files.corp.example": true, "127.0.0.1": true, "*.blob.core.usgovcloudapi.net": true,
		"": false, "*": false, "*.": false, "*.net": false, "*.*.example": false, "https://files.example": false, "files.example:443": false,
		"files.example/x": false, "user@files.example": false,
	} {
		if hostName(host) != good {
			t.Errorf("%q: %v", host, !good)
		}
	}
}

// TestConfigFaultsSayTheRemedy, each alone: what follows from a fault is not told.
func TestConfigFaultsSayTheRemedy(t *testing.T) {
	dataset := func(v any) map[string]any {
		return map[string]any{"data_stream": map[string]any{"type": v, "dataset": "microsoft_defender_endpoint.log"}}
	}
	for want, settings := range map[string]map[string]any{
		"tenant_id: required: the directory (tenant) id, a GUID or a domain":                                {"tenant_id": ""},
		"tenant_id: want the directory (tenant) id, a GUID or a domain, without braces, spaces and address": {"tenant_id": "{t}"},
		"tenant_id: want a text":     {"tenant_id": []any{"t"}},
		"client_secret: want a text": {"client_secret": []any{"planted"}},
		"client_secret: remove the white space in or around it, which no secret of Entra has":   {"client_secret": "planted\n"},
		"url: want the host alone, without /api and what follows":                               {"url": "https://api.security.microsoft.com/api/alerts"},
		"url: want a URL such as https://api.security.microsoft.com, without user and password": {"url": "https://u:planted@api.example"},
		"interval: want at least 1s":                {"interval": 0},
		"full_interval: want at least 1m":           {"full_interval": "0s"},
		"token_scopes: want a list, such as [a, b]": {"token_scopes": map[string]any{"a": "b"}},
		"index: want the name of one index or data stream: lower-case, without spaces, wildcards and %{...}": {"index": "logs-%{+yyyy}"},
		"data_stream.type: want logs":                  dataset("log"),
		"data_stream.type: want a text":                dataset([]any{"logs"}),
		"data_stream: want names with values below it": {"data_stream": "microsoft_defender_endpoint.log"},
		"credentials: want client_secret, certificate, managed_identity, workload_identity, federated or assertion_file":                                                                {"credentials": "secret", "login_url": "http://127.0.0.1:1"},
		"data_stream.namespace: not a valid part of a data stream's name: want at most 100 lower-case letters, digits, _ and .":                                                         {"data_stream.namespace": "My-Space"},
		"data_stream.dataset: required: microsoft_defender_endpoint. and one of log, machine_action, machine, vulnerability, configuration, baseline, information_gathering, collector": {"data_stream": map[string]any{"type": "logs"}},
	} {
		source := required()
		if ns, ok := settings["data_stream.namespace"]; ok {
			settings = map[string]any{"data_stream": map[string]any{"namespace": ns, "dataset": "microsoft_defender_endpoint.log"}}
		}
		maps.Copy(source, settings)
		if _, err := decodeConfig(source, nil); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestPlainTextIsNoticed(t *testing.T) {
	for want, settings := range map[string]map[string]any{
		"":           {"login_url": "http://127.0.0.1:1", "url": "http://localhost:2"},
		"login_url:": {"login_url": "http://login.example"},
		"url:":       {"url": "http://10.0.0.1:80"},
	} {
		c := decoded(t, settings, nil)
		if got := c.plainNotice(); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: got %q", settings, got)
		}
	}
}
