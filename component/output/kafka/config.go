package kafka

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/tlscommon"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

const (
	defaultPort = "9092"
	// longestDial bounds one attempt to connect, so that within a minute the
	// health says which broker failed and why; answersWithin is for the answer behind it.
	longestDial   = 10 * time.Second
	answersWithin = 5 * time.Second
	// workers is how many batches are on their way at once, as with Logstash.
	workers = 2
)

// options are the settings of an output unit that matter to publishing, by the
// names that they have in Beats. Others are ignored.
type options struct {
	Hosts    []string         `config:"hosts"`  // host or host:port of some brokers; port 9092
	Topic    string           `config:"topic"`  // format string; required unless topics has a rule without a condition
	Topics   []map[string]any `config:"topics"` // rules, the first that fits counts: topic, when (a condition of inputs/process), default, mappings
	Key      string           `config:"key"`    // format string; the record's id (event.id, else host.id)
	Headers  []header         `config:"headers"`
	ClientID string           `config:"client_id"` // defender-endpoint
	Version  string           `config:"version"`   // of the protocol: checked, and left to client and broker to agree on
	Codec    map[string]any   `config:"codec"`     // json alone

	Username  string         `config:"username"` // SASL, with password
	Password  inputs.Secret  `config:"password"`
	Mechanism string         `config:"sasl.mechanism"` // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; PLAIN
	Kerberos  map[string]any `config:"kerberos"`       // not supported, but with enabled: false

	SSL      *tlscommon.Config `config:"ssl"`       // without it, and with enabled: false, connections are plain
	ProxyURL inputs.Secret     `config:"proxy_url"` // socks5://; Beats have none here

	Partition    map[string]any `config:"partition"`         // random, round_robin or hash; hash
	Acks         int            `config:"required_acks"`     // -1 (all in-sync replicas) or 1 (the leader); 0 is taken for 1; -1
	Compression  string         `config:"compression"`       // none, gzip, snappy, lz4, zstd; gzip
	Level        int            `config:"compression_level"` // of gzip, 0 to 9; 4
	MaxBytes     int            `config:"max_message_bytes"` // of one event and of one request to a partition; 1000000
	BulkMax      int            `config:"bulk_max_size"`     // events on their way at once for a batch; 2048
	Flush        time.Duration  `config:"bulk_flush_frequency"`
	Timeout      time.Duration  `config:"timeout"`        // to connect and to be answered; 30s
	BrokerWait   time.Duration  `config:"broker_timeout"` // that the broker may wait for replicas; 10s
	KeepAlive    time.Duration  `config:"keep_alive"`     // between probes of an idle connection; the system's
	Refresh      time.Duration  `config:"metadata.refresh_frequency"`
	RetryBackoff time.Duration  `config:"metadata.retry.backoff"`
	BackoffInit  time.Duration  `config:"backoff.init"` // bound of the first wait; 1s
	BackoffMax   time.Duration  `config:"backoff.max"`  // bound of the longest wait; 60s

	// What policies have for Beats and Elastic Agent, and what does nothing here.
	_ any `config:"channel_buffer_size"`
	_ any `config:"metadata.full"`
	_ any `config:"metadata.retry.max"`
	_ any `config:"auth_type"`
	_ any `config:"connection_type"`
	_ any `config:"max_retries"`
	_ any `config:"queue"`
	_ any `config:"worker"`
	_ any `config:"workers"`
}

// header is a header of every message: its value is a format string.
type header struct {
	Key   string `config:"key"`
	Value string `config:"value"`
}

// config is what New works with.
type config struct {
	options
	hosts   []string
	topics  []rule
	key     format // nil: the record's id
	headers []compiledHeader
	hashed  []string // fields that choose the partition; nil is the key
	client  []kgo.Opt
	dialer  *dialer
	loop    output.Options
}

type compiledHeader struct {
	key   string
	value format
}

// readConfig decodes and checks an output unit's source. The error joins all
// faults, each naming its setting.
func readConfig(source map[string]any) (*config, error) {
	c := &config{options: options{
		ClientID: "defender-endpoint", Acks: -1, Compression: "gzip", Level: 4, MaxBytes: 1_000_000, BulkMax: 2048,
		Timeout: 30 * time.Second, BrokerWait: 10 * time.Second, Refresh: 10 * time.Minute, RetryBackoff: 250 * time.Millisecond,
		BackoffInit: time.Second, BackoffMax: time.Minute,
	}}
	r := policy.Of(source)
	r.Decode(&c.options)
	c.readHosts(r)
	c.readTopics(r)
	c.readMessage(r)
	c.checkLimits(r)
	d, err := dial.New(dial.Options{SSL: c.SSL, ProxyURL: c.ProxyURL, Timeout: min(c.Timeout, longestDial), KeepAlive: c.KeepAlive})
	r.Named(err)
	c.dialer = &dialer{Dialer: d, login: c.Username != ""}
	c.client = slices.Concat(c.connection(), c.sasl(r), c.production(r))
	if err := r.Err(); err != nil {
		return nil, err
	}
	c.loop = output.Options{BulkMax: c.BulkMax, Workers: workers, BackoffInit: c.BackoffInit, BackoffMax: c.BackoffMax}
	if c.BulkMax < 1 {
		c.loop.BulkMax = math.MaxInt
	}
	return c, nil
}

func (c *config) readHosts(r *policy.Reader) {
	r.Check(len(c.Hosts) > 0, "hosts", "missing")
	for i, text := range c.Hosts {
		host, port, err := net.SplitHostPort(strings.TrimSpace(text))
		if err != nil {
			host, port = strings.Trim(strings.TrimSpace(text), "[]"), defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@[] ") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			r.Named(fmt.Errorf("hosts: entry %d is no host or host:port", i+1))
			continue
		}
		c.hosts = append(c.hosts, net.JoinHostPort(host, port))
	}
}

// readMessage compiles what makes a message of an event.
func (c *config) readMessage(r *policy.Reader) {
	var err error
	if c.Key != "" {
		c.key, err = parseFormat(c.Key)
		r.Check(err == nil, "key", fmt.Sprint(err))
	}
	for i, h := range c.Headers {
		value, err := parseFormat(h.Value)
		if err != nil {
			r.Named(fmt.Errorf("headers: entry %d: value %w", i+1, err))
		}
		if h.Key == "" {
			r.Named(fmt.Errorf("headers: entry %d: key is missing", i+1))
		}
		c.headers = append(c.headers, compiledHeader{h.Key, value})
	}
	for name := range c.Codec {
		r.Check(name == "json", "codec", "must be json: consumers read the event by its fields")
	}
	r.Check(c.Version == "" || kversion.FromString(c.Version) != nil, "version", "is no version of Kafka, such as 2.1.0")
}

func (c *config) checkLimits(r *policy.Reader) {
	r.Check(c.Acks >= -1 && c.Acks <= 1, "required_acks", "must be -1, 0 or 1")
	r.Check(c.Level >= 0 && c.Level <= 9, "compression_level", "must be 0 to 9")
	r.Check(c.MaxBytes >= 1024 && c.MaxBytes <= 1<<30, "max_message_bytes", "must be 1024 to 1073741824")
	r.Check(c.Flush >= 0, "bulk_flush_frequency", "must not be negative")
	r.Check(c.Timeout > 0, "timeout", "must be longer than 0")
	r.Check(c.BrokerWait >= 100*time.Millisecond, "broker_timeout", "must be at least 100ms")
	r.Check(c.Refresh >= 10*time.Millisecond, "metadata.refresh_frequency", "must be at least 10ms")
	r.Check(c.RetryBackoff > 0, "metadata.retry.backoff", "must be longer than 0")
	r.Check(c.BackoffInit > 0, "backoff.init", "must be longer than 0")
	r.Check(c.BackoffMax >= c.BackoffInit, "backoff.max", "must not be shorter than backoff.init")
	r.Check(c.Kerberos == nil || c.Kerberos["enabled"] == false, "kerberos", "not supported")
}
