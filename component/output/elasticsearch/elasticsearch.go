package elasticsearch

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/httpcommon"
	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const userAgent = "defender-endpoint"

// closing bounds how long Close waits for goroutines that it has asked to end.
const closing = 500 * time.Millisecond

type elasticsearch struct {
	*output.Loop
	client    *elastictransport.Client
	transport http.RoundTripper
}

var (
	_ output.Output = (*elasticsearch)(nil)
	_ output.Sender = (*sender)(nil)
)

// New makes an Elasticsearch output from an output unit's source; keys may be
// dotted or nested. The error joins all faults, each naming its setting. No
// connection is made before the first Publish.
func New(source map[string]any, r output.Reporter, log *slog.Logger) (output.Output, error) {
	c, err := readConfig(source)
	if err != nil {
		return nil, err
	}
	if c.deadLetter {
		log.Warn("non_indexable_policy dead_letter_index is not used: refused documents are stored in a lesser form in their own data stream")
	}
	client, transport, err := connect(&c)
	if err != nil {
		return nil, err
	}
	s := newSender(client, &c)
	return &elasticsearch{Loop: output.NewLoop(s, c.loop, r), client: client, transport: transport}, nil
}

// connect makes a client of a configuration. It connects to nothing yet.
func connect(c *config) (*elastictransport.Client, http.RoundTripper, error) {
	transport, err := c.transport.RoundTripper(
		httpcommon.WithLogger(logp.NewNopLogger()),
		httpcommon.WithKeepaliveSettings{
			IdleConnTimeout: c.transport.IdleConnTimeout, MaxIdleConnsPerHost: c.loop.Workers,
		},
	)
	if err != nil {
		return nil, nil, inputs.SSLFault(c.transport.TLS, err)
	}
	options := []elastictransport.Option{
		elastictransport.WithURLs(c.hosts...),
		elastictransport.WithTransport(transport),
		elastictransport.WithDisableRetry(),
		elastictransport.WithUserAgent(userAgent),
		elastictransport.WithHeader(c.header),
		elastictransport.WithBasicAuth(c.username, c.password.Reveal()),
	}
	if !c.loadBalance {
		options = append(options, elastictransport.WithSelector(first{}))
	}
	client, err := elastictransport.NewClient(options...)
	if err != nil {
		return nil, nil, fault("hosts", "cannot be used")
	}
	return client, transport, nil
}

// Perform makes a request of the caller's to the output's Elasticsearch, with
// its credentials: anyone who keeps state there needs no settings of its own.
func (e *elasticsearch) Perform(r *http.Request) (*http.Response, error) {
	return e.client.Perform(r)
}

// Close implements output.Output.
func (e *elasticsearch) Close() error {
	// A context of its own: Close must also work when everything else was
	// cancelled, and waits only for what ends by itself.
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	err := e.client.Close(ctx)
	if t, ok := e.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return err
}

// first selects a host until it fails.
type first struct{}

func (first) Select(hosts []*elastictransport.Connection) (*elastictransport.Connection, error) {
	return hosts[0], nil
}
