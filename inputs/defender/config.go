package defender

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/config"
	"github.com/elastic/elastic-agent-libs/transport/httpcommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// Config is one stream's configuration. Every setting may stand on the input
// or on the stream; the stream's wins. Names are those of Elastic's package.
type Config struct {
	// TenantID is the Entra tenant: a GUID or a verified domain. Required.
	TenantID string `config:"tenant_id"`
	// ClientID is the application (client) id. Required.
	ClientID string `config:"client_id"`
	// ClientSecret is the secret's value, not its id. Required.
	ClientSecret inputs.Secret `config:"client_secret"`
	// LoginURL is the Entra host of the cloud.
	LoginURL string `config:"login_url"`
	// URL is the Defender API's host of the cloud or region.
	URL string `config:"url"`
	// TokenScopes are the scopes of the token, each ending in /.default.
	TokenScopes []string `config:"token_scopes,replace"`
	// OAuthEndpointParams are further form values for the token request.
	OAuthEndpointParams map[string][]string `config:"oauth_endpoint_params"`

	// Interval is the time from one poll's start to the next. At least 1s;
	// the default is the resource's.
	Interval time.Duration `config:"interval"`
	// InitialInterval is how far the first poll looks back. Default 24h, at
	// most 4320h (180 days, what the service keeps).
	InitialInterval time.Duration `config:"initial_interval"`
	// FullInterval is how often a resource that is swept publishes every
	// record even where nothing changed. Default 24h.
	FullInterval time.Duration `config:"full_interval"`
	// Overlap is how long before the cursor every poll starts again, because
	// records can become visible that late. Default 15m, at most 24h.
	Overlap time.Duration `config:"overlap"`
	// BatchSize is the largest number of records asked for in one page, $top; pages
	// are smaller where the API does not give as many. Default and limit 10000.
	BatchSize int `config:"batch_size"`
	// CallsPerMinute and CallsPerHour are how many calls of the API all streams
	// of the same tenant and application make together. Default 100 and 1500,
	// what the service takes; less where other programs use the application.
	CallsPerMinute int `config:"calls_per_minute"`
	CallsPerHour   int `config:"calls_per_hour"`
	// EnableRequestTracer writes every request and answer, without secrets, to
	// files under path.data/logs: to find a fault, not for keeps. Default false.
	EnableRequestTracer bool `config:"enable_request_tracer"`
	// HTTPClientTimeout limits the wait for an answer's first byte and every
	// silence after it. Default 30s.
	HTTPClientTimeout time.Duration `config:"http_client_timeout"`

	// Tags stand in tags of every document; the default is the resource's.
	Tags []string `config:"tags,replace"`
	// PreserveOriginalEvent keeps the record as it came in event.original.
	PreserveOriginalEvent bool `config:"preserve_original_event"`
	// PreserveDuplicateCustomFields keeps vendor fields that were copied to
	// ECS fields.
	PreserveDuplicateCustomFields bool `config:"preserve_duplicate_custom_fields"`
	// TimestampSource is what @timestamp of an alert is: creation (default)
	// or update.
	TimestampSource string `config:"timestamp_source"`
	// Evidence is split (default: one document per evidence item) or whole
	// (one document per alert).
	Evidence string `config:"evidence"`
	// Pipeline is an ingest pipeline to name in the bulk request. Default none.
	Pipeline string `config:"pipeline"`
	// Index is written to in place of the data stream. Default none.
	Index string `config:"index"`

	// Fields are added to every document, under fields or, with
	// FieldsUnderRoot, at the top.
	Fields          map[string]any `config:",ignore"`
	FieldsUnderRoot bool           `config:"fields_under_root"`
	// Processors change or drop documents before they are published: the
	// input's, then the stream's. Supported are add_fields, add_tags,
	// drop_event, drop_fields and rename, each with a condition in when.
	Processors []any `config:",ignore"`

	// DataStream is the stream's data_stream; the dataset chooses the resource.
	DataStream dataStream `config:"data_stream"`
	// Enabled false leaves the stream out.
	Enabled bool `config:"enabled"`

	// HTTP is ssl, proxy_url, proxy_headers and proxy_disable.
	HTTP httpcommon.HTTPTransportSettings `config:",ignore"`
}

type dataStream struct {
	Type      string `config:"type"`
	Dataset   string `config:"dataset"`
	Namespace string `config:"namespace"`
}

const (
	maxInitialInterval = 180 * 24 * time.Hour
	maxOverlap         = 24 * time.Hour
	maxBatchSize       = 10_000 // API.md 3.1
)

func defaults() Config {
	return Config{
		LoginURL:          "https://login.microsoftonline.com",
		URL:               "https://api.security.microsoft.com",
		TokenScopes:       []string{"https://api.securitycenter.microsoft.com/.default"},
		InitialInterval:   24 * time.Hour,
		FullInterval:      24 * time.Hour,
		Overlap:           15 * time.Minute,
		BatchSize:         10_000,
		CallsPerMinute:    api.DefaultLimit.PerMinute,
		CallsPerHour:      api.DefaultLimit.PerHour,
		HTTPClientTimeout: 30 * time.Second,
		TimestampSource:   "creation",
		Evidence:          "split",
		DataStream:        dataStream{Type: "logs", Namespace: "default"},
		Enabled:           true,
		HTTP:              httpcommon.DefaultHTTPTransportSettings(),
	}
}

// decodeConfig decodes a stream's settings over its input's over the defaults.
// The error joins every fault, each naming its setting.
func decodeConfig(input, stream map[string]any) (Config, error) {
	c := defaults()
	merged, err := merge(input, stream)
	if err != nil {
		return c, err
	}
	faults := unpack(merged, &c)
	if err := c.HTTP.Unpack(merged); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, c.takeProcessors(input, stream)...)
	r := resourceOf(c.DataStream.Dataset)
	if r == nil {
		faults = append(faults, unknownDataset(c.DataStream.Dataset))
	} else {
		c.adopt(r)
	}
	return c, errors.Join(append(faults, c.validate()...)...)
}

// takeProcessors takes fields and processors as the policy has them: go-ucfg
// would read dots and dollar signs in them as its own.
func (c *Config) takeProcessors(input, stream map[string]any) []error {
	var faults []error
	for _, from := range []struct {
		name   string
		source map[string]any
	}{{"input", input}, {"stream", stream}} {
		if fields, ok := from.source["fields"].(map[string]any); ok {
			c.Fields = fields
		} else if from.source["fields"] != nil {
			faults = append(faults, fmt.Errorf("%s: fields: want an object", from.name))
		}
		list, ok := from.source["processors"].([]any)
		if !ok && from.source["processors"] != nil {
			faults = append(faults, fmt.Errorf("%s: processors: want a list", from.name))
		}
		if _, err := newProcessors(list); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", from.name, err))
			continue
		}
		c.Processors = append(c.Processors, list...)
	}
	if _, err := addFields(c.Fields, c.FieldsUnderRoot); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// processors are those of the configuration, which has been checked.
func (c *Config) processors() []processor {
	var all []processor
	if len(c.Fields) > 0 {
		if p, err := addFields(c.Fields, c.FieldsUnderRoot); err == nil {
			all = append(all, p)
		}
	}
	list, err := newProcessors(c.Processors)
	if err != nil {
		return all
	}
	return append(all, list...)
}

// adopt fills what a resource has its own default for.
func (c *Config) adopt(r *resource) {
	if c.Interval == 0 {
		c.Interval = r.interval
	}
	if c.Tags == nil {
		c.Tags = r.tags
	}
}

// merge puts a stream's settings over its input's. A setting is taken whole,
// lists and ssl included; only data_stream is joined from both.
func merge(input, stream map[string]any) (*config.C, error) {
	input = maps.Clone(input)
	stream = maps.Clone(stream)
	for _, name := range []string{"streams", "fields", "processors"} {
		delete(input, name)
		delete(stream, name)
	}
	merged, err := config.NewConfigFrom(settingsOf(input))
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	over, err := config.NewConfigFrom(settingsOf(stream))
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	for _, name := range over.GetFields() {
		if name == "data_stream" || !merged.HasField(name) {
			continue
		}
		if _, err := merged.Remove(name, -1); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := merged.Merge(over); err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	return merged, nil
}

// settingsOf leaves out nulls, which mean "not set", and the agent's markers
// for its own redaction (agent-contract.md 3.1). Dollar signs are literal: the
// agent has put in all variables already, and a secret may hold one.
func settingsOf(source map[string]any) map[string]any {
	kept := make(map[string]any, len(source))
	for name, v := range source {
		if v == nil || strings.HasPrefix(name, "__mark_redact_") {
			continue
		}
		switch value := v.(type) {
		case map[string]any:
			v = settingsOf(value)
		case string:
			v = strings.ReplaceAll(value, "$", "$$")
		}
		kept[name] = v
	}
	return kept
}

// unpack decodes field by field, so that one wrong type does not hide the
// next.
func unpack(from *config.C, to *Config) []error {
	var faults []error
	target := reflect.ValueOf(to).Elem()
	for i := range target.NumField() {
		if target.Type().Field(i).Tag.Get("config") == ",ignore" {
			continue
		}
		one := reflect.New(reflect.StructOf([]reflect.StructField{target.Type().Field(i)}))
		one.Elem().Field(0).Set(target.Field(i))
		if err := from.Unpack(one.Interface()); err != nil {
			faults = append(faults, err)
			continue
		}
		target.Field(i).Set(one.Elem().Field(0))
	}
	return faults
}

var tenant = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)

func (c *Config) validate() []error {
	var faults []error
	check := func(ok bool, setting, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: %s", setting, want))
		}
	}
	check(tenant.MatchString(c.TenantID), "tenant_id", "required: the directory (tenant) id, a GUID or a domain")
	check(c.ClientID != "", "client_id", "required: the application (client) id")
	check(c.ClientSecret.Reveal() != "", "client_secret", "required: the value of a client secret of the application")
	check(isHTTP(c.LoginURL), "login_url", "want a URL such as https://login.microsoftonline.com")
	check(isHTTP(c.URL), "url", "want a URL such as https://api.security.microsoft.com")
	check(len(c.TokenScopes) > 0, "token_scopes", "want at least one scope")
	check(c.Interval >= time.Second, "interval", "want at least 1s")
	check(c.InitialInterval > 0 && c.InitialInterval <= maxInitialInterval, "initial_interval", "want more than 0 and at most 4320h")
	check(c.FullInterval >= time.Minute, "full_interval", "want at least 1m")
	check(c.Overlap >= 0 && c.Overlap <= maxOverlap, "overlap", "want 0 to 24h")
	check(c.BatchSize >= 1 && c.BatchSize <= maxBatchSize, "batch_size", "want 1 to 10000")
	check(c.CallsPerMinute >= 1, "calls_per_minute", "want at least 1")
	check(c.CallsPerHour >= 1, "calls_per_hour", "want at least 1")
	check(c.HTTPClientTimeout >= time.Second, "http_client_timeout", "want at least 1s")
	check(c.TimestampSource == "creation" || c.TimestampSource == "update", "timestamp_source", "want creation or update")
	check(c.Evidence == "split" || c.Evidence == "whole", "evidence", "want split or whole")
	check(namePart(c.DataStream.Type), "data_stream.type", "not a valid part of a data stream's name")
	check(namePart(c.DataStream.Namespace), "data_stream.namespace", "not a valid part of a data stream's name")
	return faults
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// namePart checks a part of a data stream's name (agent-contract.md 4.2).
func namePart(s string) bool {
	return s != "" && len(s) <= 100 && s == strings.ToLower(s) && !strings.ContainsAny(s, `\/*?"<>|,#: -`)
}
