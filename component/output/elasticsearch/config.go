package elasticsearch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/cloudid"
	"github.com/elastic/elastic-agent-libs/kibana"
	"github.com/elastic/elastic-agent-libs/transport/httpcommon"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

const (
	defaultPort = 9200
	// pipelineOption is the option of a target (inputs.Target.Options) that names
	// the ingest pipeline of its documents, in place of the output's.
	pipelineOption = "pipeline"
)

// options are the settings of an output unit that matter to publishing, as the
// policy has them.
type options struct {
	Hosts      []string          `config:"hosts"`      // host, host:port or URL, which may carry user information and a path; port 9200
	Protocol   string            `config:"protocol"`   // of hosts without one: http (default) or https
	Path       string            `config:"path"`       // of hosts without one
	Parameters map[string]string `config:"parameters"` // query parameters of every request
	Headers    map[string]string `config:"headers"`    // of every request
	CloudID    string            `config:"cloud.id"`   // in place of hosts
	CloudAuth  inputs.Secret     `config:"cloud.auth"` // user:password, with cloud.id only

	APIKey   inputs.Secret `config:"api_key"`  // id:key, or that in base64; not with username
	Username string        `config:"username"` // with password
	Password inputs.Secret `config:"password"`

	policy.Transport `config:",inline"`
	Timeout          time.Duration `config:"timeout"` // of one request; 90s

	Preset      string        `config:"preset"`            // overrides bulk_max_size, worker, compression_level, idle_connection_timeout
	Compression int           `config:"compression_level"` // gzip 1 to 9, 0 is none; 1
	BulkMax     int           `config:"bulk_max_size"`     // documents in one request, below 1 is no limit; 1600
	Worker      int           `config:"worker"`            // requests at once for each host; 1
	Workers     *int          `config:"workers"`           // another name of worker, which it overrules
	LoadBalance bool          `config:"loadbalance"`       // over all hosts, or else one host until it fails; true
	BackoffInit time.Duration `config:"backoff.init"`      // bound of the first wait; 1s
	BackoffMax  time.Duration `config:"backoff.max"`       // bound of the longest wait; 60s

	Pipeline     string         `config:"pipeline"`             // ingest pipeline of documents without one of their own
	NonIndexable any            `config:"non_indexable_policy"` // drop; dead_letter_index is taken for drop
	Kerberos     map[string]any `config:"kerberos"`             // not supported, but with enabled: false

	// Right in a policy, and without effect here: documents are tried again without
	// limit, a stream's batch is the queue, and each document names its data stream.
	_ any `config:"max_retries"`
	_ any `config:"queue"`
	_ any `config:"bulk_max_bytes"`
	_ any `config:"slow_start"`
	_ any `config:"escape_html"`
	_ any `config:"allow_older_versions"`
	_ any `config:"index"`
	_ any `config:"indices"`
	_ any `config:"pipelines"`
	_ any `config:"ca_sha256"`
	_ any `config:"ca_trusted_fingerprint"`
	_ any `config:"write_to_logs_streams"`
}

// presets are what Elastic's presets set of the keys above.
var presets = map[string]struct {
	bulkMax, worker int
	idle            time.Duration
}{
	"balanced":   {1600, 1, 3 * time.Second},
	"throughput": {1600, 4, 15 * time.Second},
	"scale":      {1600, 1, time.Second},
	"latency":    {50, 1, time.Minute},
}

// config is what New works with.
type config struct {
	hosts      []*url.URL
	parameters url.Values
	header     http.Header // with Authorization, if there is an api_key
	username   string
	password   inputs.Secret

	transport   httpcommon.HTTPTransportSettings
	compression int
	loadBalance bool
	pipeline    string
	deadLetter  bool
	loop        output.Options
}

// readConfig decodes and checks an output unit's source. The error joins all
// faults, each naming its setting.
func readConfig(source map[string]any) (config, error) {
	s := options{
		Transport: policy.Transport{IdleTimeout: 3 * time.Second}, Timeout: 90 * time.Second,
		Compression: 1, BulkMax: 1600, Worker: 1, LoadBalance: true, BackoffInit: time.Second, BackoffMax: time.Minute,
	}
	r := policy.Of(source)
	r.Decode(&s)
	if s.Workers != nil {
		s.Worker = *s.Workers
	}
	r.Named(s.applyPreset())
	c := config{
		parameters: url.Values{}, header: http.Header{},
		compression: s.Compression, loadBalance: s.LoadBalance, pipeline: s.Pipeline,
	}
	for k, v := range s.Parameters {
		c.parameters.Set(k, v)
	}
	for k, v := range s.Headers {
		c.header.Set(k, v)
	}
	r.Named(c.addHosts(&s)...)
	r.Named(c.addCredentials(&s)...)
	c.transport = s.HTTP(r)
	c.transport.Timeout = s.Timeout
	s.check(r)
	policy, _ := s.nonIndexable()
	c.deadLetter = policy == "dead_letter_index"
	c.loop = output.Options{
		BulkMax: s.BulkMax, Workers: s.Worker, BackoffInit: s.BackoffInit, BackoffMax: s.BackoffMax,
	}
	if s.LoadBalance {
		c.loop.Workers *= max(len(c.hosts), 1)
	}
	if s.BulkMax < 1 {
		c.loop.BulkMax = math.MaxInt
	}
	return c, r.Err()
}

func fault(setting, what string) error { return fmt.Errorf("%s: %s", setting, what) }

func (s *options) applyPreset() error {
	if s.Preset == "" || s.Preset == "custom" {
		return nil
	}
	p, ok := presets[s.Preset]
	if !ok {
		return fault("preset", "must be balanced, throughput, scale, latency or custom")
	}
	s.BulkMax, s.Worker, s.IdleTimeout, s.Compression = p.bulkMax, p.worker, p.idle, 1
	return nil
}

func (s *options) check(r *policy.Reader) {
	r.Check(s.Compression >= 0 && s.Compression <= 9, "compression_level", "must be 0 to 9")
	r.Check(s.Worker >= 1, "worker", "must be at least 1")
	r.Check(s.Timeout > 0, "timeout", "must be longer than 0")
	r.Check(s.BackoffInit > 0, "backoff.init", "must be longer than 0")
	r.Check(s.BackoffMax >= s.BackoffInit, "backoff.max", "must not be shorter than backoff.init")
	r.Check(s.Kerberos == nil || s.Kerberos["enabled"] == false, "kerberos", "not supported: take api_key, or username and password")
	_, known := s.nonIndexable()
	r.Check(known, "non_indexable_policy", "must be drop or dead_letter_index")
}

func (s *options) nonIndexable() (policy string, ok bool) {
	switch v := s.NonIndexable.(type) {
	case nil:
		return "drop", true
	case string:
		policy = v
	case map[string]any:
		if len(v) == 1 {
			for name := range v {
				policy = name
			}
		}
	}
	return policy, policy == "drop" || policy == "dead_letter_index"
}

// addHosts reads hosts or cloud.id. A URL that cannot be read is not quoted:
// it may carry a password.
func (c *config) addHosts(s *options) (faults []error) {
	if s.Protocol != "" && s.Protocol != "http" && s.Protocol != "https" {
		return []error{fault("protocol", "must be http or https")}
	}
	if s.CloudID != "" {
		id, err := cloudid.NewCloudID(s.CloudID, s.CloudAuth.Reveal())
		if err != nil {
			if _, err := cloudid.NewCloudID(s.CloudID, ""); err == nil {
				return []error{fault("cloud.auth", "must be user:password")}
			}
			return []error{fault("cloud.id", "is no cloud id; copy it from the deployment's page in Elastic Cloud")}
		}
		s.Hosts = []string{id.ElasticsearchURL()}
		if s.CloudAuth != "" {
			s.Username, s.Password = id.Username(), inputs.Secret(id.Password())
		}
	}
	if len(s.Hosts) == 0 {
		return []error{fault("hosts", "missing; give the addresses of Elasticsearch, or cloud.id")}
	}
	for i, host := range s.Hosts {
		u, err := parseHost(s, host)
		if err != nil {
			faults = append(faults, fmt.Errorf("hosts: entry %d %w", i+1, err))
			continue
		}
		c.hosts = append(c.hosts, u)
	}
	return faults
}

var errNoHost = errors.New("is no host, host:port or URL, such as https://es.example:9200")

func parseHost(s *options, host string) (*url.URL, error) {
	path := s.Path
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	text, err := kibana.MakeURL(s.Protocol, path, strings.TrimSpace(host), defaultPort)
	if err != nil {
		return nil, errNoHost
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || host == "" || u.Hostname() == "":
		return nil, errNoHost
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must be an http or https URL")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

func (c *config) addCredentials(s *options) (faults []error) {
	inHosts := false
	for _, u := range c.hosts {
		inHosts = inHosts || u.User != nil
	}
	switch {
	case s.APIKey != "" && (s.Username != "" || s.Password != ""):
		return []error{fault("api_key", "must not be given together with username and password")}
	case s.APIKey != "" && inHosts:
		return []error{fault("api_key", "must not be given together with credentials in hosts")}
	case s.APIKey != "":
		key, ok := encodeAPIKey(s.APIKey)
		if !ok {
			return []error{fault("api_key", "must be id:key, or both in base64 as Kibana shows it")}
		}
		c.header.Set("Authorization", "ApiKey "+key)
	case s.Username != "" && s.Password == "":
		return []error{fault("password", "missing beside username; give both, or api_key")}
	case s.Username == "" && s.Password != "":
		return []error{fault("username", "missing beside password; give both, or api_key")}
	}
	c.username, c.password = s.Username, s.Password
	return nil
}

// encodeAPIKey makes what the header takes of id:key, or takes it as it is
// where it has that form already.
func encodeAPIKey(key inputs.Secret) (string, bool) {
	text := strings.TrimSpace(key.Reveal())
	if id, secret, ok := strings.Cut(text, ":"); ok {
		return base64.StdEncoding.EncodeToString([]byte(text)), id != "" && secret != ""
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	return text, err == nil && strings.Contains(string(plain), ":")
}
