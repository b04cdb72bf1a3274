package elasticsearch

import (
	"encoding/base64"
	"encoding/pem"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// view is a config in plain values.
type view struct {
	Hosts       []string
	Header      http.Header
	Parameters  url.Values
	User        string
	Timeout     time.Duration
	Idle        time.Duration
	Compression int
	LoadBalance bool
	DeadLetter  bool
	Pipeline    string
	Proxy       string
	Loop        output.Options
}

func viewOf(c config) view {
	v := view{
		Header: c.header, Parameters: c.parameters, User: c.username,
		Timeout: c.transport.Timeout, Idle: c.transport.IdleConnTimeout, Compression: c.compression,
		LoadBalance: c.loadBalance, DeadLetter: c.deadLetter, Pipeline: c.pipeline, Loop: c.loop,
	}
	for _, u := range c.hosts {
		v.Hosts = append(v.Hosts, u.String())
	}
	if c.transport.Proxy.URL != nil {
		v.Proxy = c.transport.Proxy.URL.String()
	}
	return v
}

func defaults(change func(*view)) view {
	v := view{
		Hosts: []string{"http://es:9200"}, Header: http.Header{}, Parameters: url.Values{},
		Timeout: 90 * time.Second, Idle: 3 * time.Second, Compression: 1, LoadBalance: true,
		Loop: output.Options{BulkMax: 1600, Workers: 1, BackoffInit: time.Second, BackoffMax: time.Minute},
	}
	if change != nil {
		change(&v)
	}
	return v
}

var (
	apiKey = "ApiKey " + base64.StdEncoding.EncodeToString([]byte("id:key"))
	cloud  = "name:" + base64.StdEncoding.EncodeToString([]byte("cloud.example$es-id$kb-id"))
)

var configTests = map[string]struct {
	source map[string]any // beside hosts: es
	want   view
}{
	"defaults": {nil, defaults(nil)},
	"hosts in all forms": {
		map[string]any{"hosts": []any{"a", "b:9201", "https://c", "http://u:p@d:1/x/", "https://[::1]:2/?q=1", "[::1]"}},
		defaults(func(v *view) {
			v.Hosts = []string{
				"http://a:9200", "http://b:9201", "https://c:9200", "http://u:p@d:1/x", "https://[::1]:2", "http://[::1]:9200",
			}
			v.Loop.Workers = 6
		}),
	},
	"protocol and path": {
		map[string]any{"hosts": []any{"a", "http://b/own"}, "protocol": "https", "path": "es/"},
		defaults(func(v *view) { v.Hosts = []string{"https://a:9200/es", "http://b:9200/own"}; v.Loop.Workers = 2 }),
	},
	"cloud id replaces hosts": {
		map[string]any{"cloud.id": cloud, "cloud": map[string]any{"auth": "u:p"}},
		defaults(func(v *view) { v.Hosts = []string{"https://es-id.cloud.example:443"}; v.User = "u" }),
	},
	"api key":           {map[string]any{"api_key": "id:key"}, defaults(func(v *view) { v.Header.Set("Authorization", apiKey) })},
	"api key in base64": {map[string]any{"api_key": apiKey[7:]}, defaults(func(v *view) { v.Header.Set("Authorization", apiKey) })},
	"user":              {map[string]any{"username": "u", "password": "p"}, defaults(func(v *view) { v.User = "u" })},
	"headers and parameters": {
		map[string]any{"headers": map[string]any{"X-One": "1", "x-two": 2.0}, "parameters.routing": "r"},
		defaults(func(v *view) {
			v.Header = http.Header{"X-One": {"1"}, "X-Two": {"2"}}
			v.Parameters = url.Values{"routing": {"r"}}
		}),
	},
	"numbers as the agent gives them, dotted and nested": {
		map[string]any{
			"bulk_max_size": 50.0, "workers": 3.0, "compression_level": 5.0, "timeout": 30.0, "idle_connection_timeout": "1m",
			"backoff": map[string]any{"init": "2s"}, "backoff.max": 120.0, "loadbalance": false, "pipeline": "p",
		},
		defaults(func(v *view) {
			v.Loop = output.Options{BulkMax: 50, Workers: 3, BackoffInit: 2 * time.Second, BackoffMax: 2 * time.Minute}
			v.Compression, v.Timeout, v.Idle, v.LoadBalance, v.Pipeline = 5, 30*time.Second, time.Minute, false, "p"
		}),
	},
	"workers are for each host": {
		map[string]any{"hosts": []any{"es", "es2"}, "worker": 2.0},
		defaults(func(v *view) { v.Hosts = append(v.Hosts, "http://es2:9200"); v.Loop.Workers = 4 }),
	},
	"without bulk limit": {map[string]any{"bulk_max_size": 0.0}, defaults(func(v *view) { v.Loop.BulkMax = math.MaxInt })},
	"preset overrides": {
		map[string]any{"preset": "throughput", "bulk_max_size": 7.0, "worker": 9.0, "compression_level": 0.0},
		defaults(func(v *view) { v.Loop.Workers, v.Idle = 4, 15*time.Second }),
	},
	"preset latency":    {map[string]any{"preset": "latency"}, defaults(func(v *view) { v.Loop.BulkMax, v.Idle = 50, time.Minute })},
	"preset custom":     {map[string]any{"preset": "custom", "worker": 2.0}, defaults(func(v *view) { v.Loop.Workers = 2 })},
	"proxy":             {map[string]any{"proxy_url": "http://u:p@proxy:8080"}, defaults(func(v *view) { v.Proxy = "http://u:p@proxy:8080" })},
	"dead letter index": {map[string]any{"non_indexable_policy.dead_letter_index.index": "d"}, defaults(func(v *view) { v.DeadLetter = true })},
	"drop":              {map[string]any{"non_indexable_policy": map[string]any{"drop": map[string]any{}}}, defaults(nil)},
	"ignored": {
		map[string]any{
			"type": "elasticsearch", "max_retries": -1.0, "queue.mem.events": 3200.0, "queue.mem.flush.timeout": "10s",
			"escape_html": true, "allow_older_versions": true, "__mark_redact_api_key": true, "status_reporting.enabled": false,
			"otel": map[string]any{"x": []any{}}, "username": nil, "ssl": nil, "kerberos.enabled": false, "enabled": true,
		},
		defaults(nil),
	},
}

func TestConfig(t *testing.T) {
	for name, tt := range configTests {
		t.Run(name, func(t *testing.T) {
			source := map[string]any{"hosts": "es"}
			maps.Copy(source, tt.source)
			c, err := readConfig(source)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, viewOf(c)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// A password is taken as it is: dollar signs are no variables here.
func TestConfigTakesSecretsLiterally(t *testing.T) {
	const password = "a${b}$$c$d{e}"
	c, err := readConfig(map[string]any{"hosts": "es", "username": "u", "password": password})
	if err != nil || c.password.Reveal() != password {
		t.Errorf("got %q, %v", c.password.Reveal(), err)
	}
}

// configFaults are settings, beside those of a working output, and the faults they cause.
var configFaults = map[string]struct {
	source map[string]any
	want   []string // beginnings of lines
}{
	"no hosts":           {map[string]any{"hosts": []any{}}, []string{"hosts: missing"}},
	"host is no URL":     {map[string]any{"hosts": []any{"es", "http://u:s3cret@%zz"}}, []string{"hosts: entry 2 is no host"}},
	"host of a scheme":   {map[string]any{"hosts": "ftp://es"}, []string{"hosts: entry 1 must be an http or https URL"}},
	"two credentials":    {map[string]any{"api_key": "s3:cret", "username": "u", "password": "s3cret"}, []string{"api_key: must not"}},
	"key and user info":  {map[string]any{"hosts": "http://u:s3cret@es", "api_key": "a:s3cret"}, []string{"api_key: must not"}},
	"api key of no form": {map[string]any{"api_key": "s3cret"}, []string{"api_key: must be id:key"}},
	"api key without id": {map[string]any{"api_key": ":s3cret"}, []string{"api_key: must be id:key"}},
	"no password":        {map[string]any{"username": "u"}, []string{"password: missing"}},
	"no user":            {map[string]any{"password": "s3cret"}, []string{"username: missing"}},
	"secret of a type":   {map[string]any{"api_key": map[string]any{"x": "s3cret"}}, []string{"api_key: "}},
	"proxy":              {map[string]any{"proxy_url": "http://u:s3cret@%zz"}, []string{"proxy_url: must be"}},
	"cloud id":           {map[string]any{"cloud.id": "s3cret"}, []string{"cloud.id: is no cloud id"}},
	"ssl mode":           {map[string]any{"ssl.verification_mode": "maybe"}, []string{"ssl: "}},
	"ssl file":           {map[string]any{"ssl.certificate_authorities": []any{"/no/such.pem"}}, []string{"ssl: certificate_authorities[0]: open /no/such.pem: "}},
	"ssl key": {
		map[string]any{"ssl": map[string]any{"certificate": block("CERTIFICATE"), "key": block("PRIVATE KEY")}},
		[]string{"ssl: "},
	},
	"ssl key not inline": {map[string]any{"ssl": map[string]any{"certificate": block("CERTIFICATE"), "key": "s3cret"}}, []string{"ssl: open ssl.key: no such file or directory"}},
	"kerberos":           {map[string]any{"kerberos": map[string]any{"auth_type": "password"}}, []string{"kerberos: not supported"}},
	"structure":          {map[string]any{"backoff": "1s", "backoff.max": "2s"}, []string{"settings: "}},
	"all at once": {
		map[string]any{
			"hosts": 0.5, "protocol": "gopher", "compression_level": 10.0, "worker": 0.0, "timeout": "-1s", "preset": "fast",
			"idle_connection_timeout": "-1s", "backoff.init": "10s", "backoff.max": "1s", "bulk_max_size": "many", "non_indexable_policy": "keep",
		},
		[]string{
			"bulk_max_size: ", "preset: ", "protocol: ", "compression_level: ", "worker: ", "timeout: ", "idle_connection_timeout: ",
			"backoff.max: ", "non_indexable_policy: ",
		},
	},
}

func TestConfigFaultsNameTheirSetting(t *testing.T) {
	for name, tt := range configFaults {
		t.Run(name, func(t *testing.T) {
			source := map[string]any{"hosts": "es"}
			maps.Copy(source, tt.source)
			_, err := readConfig(source)
			if err == nil {
				t.Fatal("no fault found")
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "czNj") {
				t.Errorf("leaks a secret: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains("\n"+err.Error(), "\n"+want) {
					t.Errorf("no fault %q in:\n%v", want, err)
				}
			}
		})
	}
}

func block(kind string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("s3cret s3cret")}))
}
