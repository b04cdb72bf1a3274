package logstash

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

const (
	defaultPort = "5044"
	defaultBeat = "defender-endpoint"
	// betweenSigns is how often Logstash gives a sign of life while it works.
	betweenSigns = 5 * time.Second
)

// options are the settings of an output unit that matter to publishing, by the
// names that they have in Beats. Others are ignored.
type options struct {
	Hosts       []string          `config:"hosts"`       // host or host:port; port 5044
	LoadBalance bool              `config:"loadbalance"` // a connection to each host, or else to one until it fails; false
	Worker      int               `config:"worker"`      // connections to each host; 1
	Workers     *int              `config:"workers"`     // another name of worker, which it overrules
	Pipelining  int               `config:"pipelining"`  // windows on their way on one connection; 0 is 1; 2
	BulkMax     int               `config:"bulk_max_size"`
	SlowStart   bool              `config:"slow_start"` // a connection's first window has 10 events, the next twice as many; false
	Compression int               `config:"compression_level"`
	Timeout     time.Duration     `config:"timeout"`      // without a sign of Logstash; 30s
	TTL         time.Duration     `config:"ttl"`          // a connection that is older is made again; 0 is never
	BackoffInit time.Duration     `config:"backoff.init"` // bound of the first wait; 1s
	BackoffMax  time.Duration     `config:"backoff.max"`  // bound of the longest wait; 60s
	Index       string            `config:"index"`        // is in @metadata.beat; defender-endpoint
	ProxyURL    inputs.Secret     `config:"proxy_url"`    // socks5://, with user and password if need be
	ProxyLocal  bool              `config:"proxy_use_local_resolver"`
	SSL         *tlscommon.Config `config:"ssl"` // without it, and with enabled: false, the connection is plain
}

// config is what New works with.
type config struct {
	options
	hosts  []string // host:port
	loop   output.Options
	dialer *dialer
}

// readConfig decodes and checks an output unit's source. The error joins all
// faults, each naming its setting.
func readConfig(source map[string]any) (*config, error) {
	c := &config{options: options{
		Worker: 1, Pipelining: 2, BulkMax: 2048, Compression: 3, Timeout: 30 * time.Second,
		BackoffInit: time.Second, BackoffMax: time.Minute, Index: defaultBeat,
	}}
	r := policy.Of(source)
	r.Decode(&c.options)
	if c.Workers != nil {
		c.Worker = *c.Workers
	}
	c.readHosts(r)
	r.Check(c.Worker >= 1, "worker", "must be at least 1")
	r.Check(c.Pipelining >= 0, "pipelining", "must not be negative")
	r.Check(c.Compression >= 0 && c.Compression <= 9, "compression_level", "must be 0 to 9")
	r.Check(c.Timeout > 0, "timeout", "must be longer than 0")
	r.Check(c.TTL >= 0, "ttl", "must not be negative")
	r.Check(c.BackoffInit > 0, "backoff.init", "must be longer than 0")
	r.Check(c.BackoffMax >= c.BackoffInit, "backoff.max", "must not be shorter than backoff.init")
	r.Check(strings.TrimSpace(c.Index) != "", "index", "must not be empty")
	d, err := dial.New(dial.Options{SSL: c.SSL, ProxyURL: c.ProxyURL, ProxyLocal: c.ProxyLocal, Timeout: c.Timeout})
	r.Named(err)
	if err := r.Err(); err != nil {
		return nil, err
	}
	c.dialer = &dialer{Dialer: d}
	c.loop = output.Options{
		BulkMax: c.BulkMax, Workers: c.lines() * c.windows(), BackoffInit: c.BackoffInit, BackoffMax: c.BackoffMax,
	}
	if c.BulkMax < 1 {
		c.loop.BulkMax = math.MaxInt
	}
	return c, nil
}

func (c *config) readHosts(r *policy.Reader) {
	r.Check(len(c.Hosts) > 0, "hosts", "missing")
	for i, text := range c.Hosts {
		host, err := hostPort(text)
		if err != nil {
			r.Named(fmt.Errorf("hosts: entry %d %w", i+1, err))
			continue
		}
		c.hosts = append(c.hosts, host)
	}
}

// hostPort adds the port where there is none.
func hostPort(text string) (string, error) {
	text = strings.TrimSpace(text)
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), defaultPort
	}
	if host == "" || strings.ContainsAny(host, "/@[] ") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return "", fmt.Errorf("is no host or host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("has no valid port")
	}
	return net.JoinHostPort(host, port), nil
}

// lines is how many connections there are at most.
func (c *config) lines() int {
	if c.LoadBalance {
		return c.Worker * len(c.hosts)
	}
	return c.Worker
}

// windows is how many windows one connection carries at a time.
func (c *config) windows() int { return cmp.Or(c.Pipelining, 1) }
