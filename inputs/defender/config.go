package defender

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/httpcommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
	"github.com/defender-endpoint/defender-endpoint/inputs/process"
)

// Config is one stream's configuration. Every setting may be on the input
// or on the stream; the stream's wins. Names are those of Elastic's package; what
// its alerts alone call otherwise is in former.go.
type Config struct {
	// TenantID is the Entra tenant: a GUID or a verified domain. Required.
	TenantID string `config:"tenant_id"`
	// ClientID is the application (client) id. Required, except with a managed
	// identity, where it names a user-assigned one.
	ClientID string `config:"client_id"`
	// Credentials is how the application proves who it is, one of api.Kinds. Default
	// client_secret.
	Credentials string `config:"credentials"`
	// ClientSecret is the secret's value, not its id; ClientSecretFile the absolute
	// path of a file with it. One of them is required with credentials: client_secret.
	ClientSecret     inputs.Secret `config:"client_secret"`
	ClientSecretFile string        `config:"client_secret_file"`
	// ClientSecretExpires is the day when the secret ends, such as 2027-01-31. Default
	// unknown.
	ClientSecretExpires string `config:"client_secret_expires"`
	// SecretExpiryWarning is how long before the end of a secret or certificate the
	// unit is DEGRADED. Default 168h, 0 is never.
	SecretExpiryWarning time.Duration `config:"secret_expiry_warning"`
	// Certificate is PEM text, PKCS#12 as base64, or the absolute path of a file of
	// either; Key the same for a PEM key that is elsewhere. KeyPassphrase opens
	// either. SendCertificateChain is for trust by subject name and issuer.
	Certificate          inputs.Secret `config:"certificate"`
	Key                  inputs.Secret `config:"key"`
	KeyPassphrase        inputs.Secret `config:"key_passphrase"`
	SendCertificateChain bool          `config:"send_certificate_chain"`
	// ManagedIdentityObjectID or ManagedIdentityResourceID name a user-assigned
	// managed identity in place of ClientID.
	ManagedIdentityObjectID   string `config:"managed_identity_object_id"`
	ManagedIdentityResourceID string `config:"managed_identity_resource_id"`
	// AssertionFile is the absolute path of a file with a token of another issuer.
	AssertionFile string `config:"assertion_file"`
	// Cloud is one of api.CloudNames and sets LoginURL, URL and TokenScopes, where
	// those are not set themselves. Default commercial.
	Cloud string `config:"cloud"`
	// Region chooses the host of one of api.Regions in the commercial cloud. Default
	// none: the service chooses.
	Region string `config:"region"`
	// LoginURL is the Entra host. Default that of the cloud.
	LoginURL string `config:"login_url"`
	// URL is the Defender API's host. Default that of the cloud or region.
	URL string `config:"url"`
	// TokenScopes are the scopes of the token, each ending in /.default. Default that
	// of the cloud.
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
	// record even where nothing changed, and how often vulnerabilities are read as
	// a whole and not as changes. Default 24h, of vulnerabilities 48h.
	FullInterval time.Duration `config:"full_interval"`
	// Overlap is how long before the cursor every poll starts again, because
	// records can become visible that late. Default 15m, at most 24h.
	Overlap time.Duration `config:"overlap"`
	// BatchSize is the largest number of records asked for in one page, $top; pages
	// are smaller where the API does not give as many. Default and limit 10000.
	BatchSize int `config:"batch_size"`
	// PageSize is the largest number of records asked for in one page of the
	// assessment lists, pageSize. Default 10000, at most 200000.
	PageSize int `config:"page_size"`
	// FilesAboveDevices is the number of devices above which the assessment lists are
	// read as exported files, where there are both. Default 100000; 0 means always.
	FilesAboveDevices int `config:"files_above_devices"`
	// FileHosts are hosts that exported files may be read from beside
	// *.blob.core.windows.net: names, or *.domain for all below one. Default none.
	FileHosts []string `config:"file_hosts,replace"`
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

	// Tags are the tags of every document; the default is the resource's.
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
	// SoftwareWithoutCVE keeps rows of vulnerabilities for software without a known
	// one, which are an inventory more than findings. Default false.
	SoftwareWithoutCVE bool `config:"software_without_cve"`
	// Pipeline is an ingest pipeline to name in the bulk request. Default none.
	Pipeline string `config:"pipeline"`
	// Index is written to in place of the data stream. Default none.
	Index string `config:"index"`

	// Fields are added to every document, under fields or, with
	// FieldsUnderRoot, at the top.
	Fields          map[string]any `config:"fields,ignore"`
	FieldsUnderRoot bool           `config:"fields_under_root"`
	// Processors change or drop documents before they are published: the
	// input's, then the stream's. Supported are add_fields, add_tags,
	// drop_event, drop_fields and rename, each with a condition in when.
	Processors []any `config:"processors,ignore"`

	// DataStream is the stream's data_stream; the dataset chooses the resource.
	DataStream dataStream `config:"data_stream"`
	// Enabled false leaves the stream out.
	Enabled bool `config:"enabled"`

	// HTTP is ssl, proxy_url, proxy_headers and proxy_disable.
	HTTP httpcommon.HTTPTransportSettings `config:",ignore"`
}

// reads is the configuration without what only shapes documents.
func (c Config) reads() Config {
	c.Tags, c.Fields, c.FieldsUnderRoot, c.Processors = nil, nil, false, nil
	c.PreserveOriginalEvent, c.PreserveDuplicateCustomFields, c.SoftwareWithoutCVE = false, false, false
	c.TimestampSource, c.Evidence, c.Pipeline, c.Index = "", "", "", ""
	c.ClientSecretExpires, c.SecretExpiryWarning = "", 0
	c.DataStream = dataStream{Dataset: c.DataStream.Dataset}
	return c
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
		Credentials: string(api.ClientSecret),

		SecretExpiryWarning: 7 * 24 * time.Hour,

		InitialInterval:   24 * time.Hour,
		Overlap:           15 * time.Minute,
		BatchSize:         10_000,
		PageSize:          10_000,
		FilesAboveDevices: 100_000,
		CallsPerMinute:    api.DefaultLimit.PerMinute,
		CallsPerHour:      api.DefaultLimit.PerHour,
		HTTPClientTimeout: 30 * time.Second,
		TimestampSource:   "creation",
		Evidence:          "split",
		DataStream:        dataStream{Type: "logs", Namespace: "default"},
		Enabled:           true,
	}
}

// decodeConfig decodes a stream's settings over its input's over the defaults.
// The error joins every fault, each naming its setting.
func decodeConfig(input, stream map[string]any) (Config, error) {
	c := defaults()
	r := policy.Over(plain(input), plain(stream), "data_stream")
	r.Decode(&c)
	var transport policy.Transport
	r.Decode(&transport)
	c.HTTP = transport.HTTP(r)
	r.Named(c.takeProcessors(input, stream)...)
	r.Check(c.Interval != 0 || !r.Has("interval"), "interval", "want at least 1s")
	r.Check(c.FullInterval != 0 || !r.Has("full_interval"), "full_interval", "want at least 1m")
	resource := resourceOf(c.DataStream.Dataset)
	switch {
	case c.DataStream.Dataset == collectorDataset:
		c.adoptCollector()
	case resource != nil:
		c.adopt(resource)
	default:
		r.Named(unknownDataset(c.DataStream.Dataset))
		// Their defaults cannot be known, and are no fault of their own.
		c.Interval, c.FullInterval = cmp.Or(c.Interval, time.Minute), cmp.Or(c.FullInterval, time.Hour)
	}
	c.ClientSecretExpires = dayOf(c.ClientSecretExpires)
	c.takeEnvironment()
	c.fillCloud(r)
	if c.DataStream.Dataset == collectorDataset {
		c.checkCollector(r)
	} else {
		c.check(r)
	}
	return c, r.Err()
}

// plain are the settings that the library may decode, under their present names.
// It would read dots in fields and processors as its own.
func plain(source map[string]any) map[string]any {
	kept := maps.Clone(source)
	for _, name := range []string{"streams", "fields", "processors"} {
		delete(kept, name)
	}
	takeFormer(kept)
	takeConnector(kept)
	return kept
}

// takeProcessors takes fields and processors as the policy has them.
func (c *Config) takeProcessors(input, stream map[string]any) []error {
	var faults []error
	for _, from := range []struct {
		name   string
		source map[string]any
	}{{"input", input}, {"stream", stream}} {
		if fields, ok := from.source["fields"].(map[string]any); ok {
			c.Fields = fields
		} else if from.source["fields"] != nil {
			faults = append(faults, fmt.Errorf("%s: fields: want names with values below it", from.name))
		}
		list, ok := from.source["processors"].([]any)
		if !ok && from.source["processors"] != nil {
			faults = append(faults, fmt.Errorf("%s: processors: want a list, each entry beginning with a dash", from.name))
		}
		if _, err := process.New(list); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", from.name, err))
			continue
		}
		c.Processors = append(c.Processors, list...)
	}
	if _, err := process.AddFields(c.Fields, c.FieldsUnderRoot); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// processors are those of the configuration, which has been checked.
func (c *Config) processors() process.List {
	var all process.List
	if len(c.Fields) > 0 {
		if p, err := process.AddFields(c.Fields, c.FieldsUnderRoot); err == nil {
			all = append(all, p)
		}
	}
	list, err := process.New(c.Processors)
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
	if c.FullInterval == 0 {
		c.FullInterval = cmp.Or(r.fullInterval, 24*time.Hour)
	}
	if c.Tags == nil {
		c.Tags = r.tags
	}
}

var tenant = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)

// listURL is the end of a URL that names a list in place of the API.
var listURL = regexp.MustCompile(`(?i)/api/(alerts|machines|machineactions)/*$`)

func (c *Config) check(r *policy.Reader) {
	r.Check(c.TenantID != "", "tenant_id", "required: the directory (tenant) id, a GUID or a domain")
	r.Check(tenant.MatchString(c.TenantID), "tenant_id", "want the directory (tenant) id, a GUID or a domain, without braces, spaces and address")
	c.checkCredentials(r)
	r.Check(isHTTP(c.LoginURL), "login_url", "want a URL such as https://login.microsoftonline.com, without user and password")
	r.Check(isHTTP(c.URL), "url", "want a URL such as https://api.security.microsoft.com, without user and password")
	r.Check(!listURL.MatchString(c.URL), "url", "want the host alone, without /api and what follows")
	r.Check(len(c.TokenScopes) > 0, "token_scopes", "want at least one scope")
	r.Check(c.Interval >= time.Second, "interval", "want at least 1s")
	r.Check(c.InitialInterval > 0 && c.InitialInterval <= maxInitialInterval, "initial_interval", "want more than 0 and at most 4320h")
	r.Check(c.FullInterval >= time.Minute, "full_interval", "want at least 1m")
	r.Check(c.Overlap >= 0 && c.Overlap <= maxOverlap, "overlap", "want 0 to 24h")
	r.Check(c.BatchSize >= 1 && c.BatchSize <= maxBatchSize, "batch_size", "want 1 to 10000")
	r.Check(c.PageSize >= 1 && c.PageSize <= odata.MaxAssessmentPage, "page_size", "want 1 to 200000")
	r.Check(c.FilesAboveDevices >= 0, "files_above_devices", "want 0 or more")
	r.Check(!slices.ContainsFunc(c.FileHosts, func(h string) bool { return !hostName(h) }), "file_hosts", "want names of hosts, without scheme and port, or *.domain")
	r.Check(c.CallsPerMinute >= 1, "calls_per_minute", "want at least 1")
	r.Check(c.CallsPerHour >= 1, "calls_per_hour", "want at least 1")
	r.Check(c.HTTPClientTimeout >= time.Second, "http_client_timeout", "want at least 1s")
	r.Check(c.TimestampSource == "creation" || c.TimestampSource == "update", "timestamp_source", "want creation or update")
	r.Check(c.Evidence == "split" || c.Evidence == "whole", "evidence", "want split or whole")
	r.Check(c.Index == "" || indexName(c.Index), "index", "want the name of one index or data stream: lower-case, without spaces, wildcards and %{...}")
	r.Check(c.DataStream.Type == "logs", "data_stream.type", "want logs")
	r.Check(namePart(c.DataStream.Namespace), "data_stream.namespace", "not a valid part of a data stream's name: want at most 100 lower-case letters, digits, _ and .")
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func hostName(s string) bool {
	if domain, any := strings.CutPrefix(s, "*."); any {
		return strings.Contains(domain, ".") && hostName(domain)
	}
	u, err := url.Parse("https://" + s)
	return err == nil && s != "" && u.Host == s && u.Port() == "" && !strings.Contains(s, "*")
}

// indexName checks the name of an index (Elasticsearch, create index API). Formats, which
// Beats put the time and fields into, are not filled in here.
func indexName(s string) bool {
	return len(s) <= 255 && s == strings.ToLower(s) && !strings.ContainsAny(s, "\\/*?\"<>|,#: ") && !strings.ContainsAny(s[:1], "-_+") && !strings.Contains(s, "%{")
}

// namePart checks a part of a data stream's name (AGENT.md 4.2).
func namePart(s string) bool {
	return s != "" && len(s) <= 100 && s == strings.ToLower(s) && !strings.ContainsAny(s, `\/*?"<>|,#: -`)
}
