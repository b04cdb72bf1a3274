package shipper

import (
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

// workers is how many calls may wait for persistence at once.
const workers = 16

// longestPatience bounds what may pass without a sign of the shipper before that
// is reported: a minute is promised.
const longestPatience = 45 * time.Second

// client is the output: the loop over a sender, and their connection.
type client struct {
	*output.Loop
	sender     *sender
	connection *grpc.ClientConn
}

var _ output.Output = (*client)(nil)

// New makes an output of an output unit's settings (its source). The unit's id
// is the name expected in the shipper's certificate. It connects with the first
// Publish. The error joins all faults of the settings, each naming its setting.
func New(source map[string]any, unitID string, r output.Reporter, log *slog.Logger) (output.Output, error) {
	s, e, err := decode(source, unitID)
	if err != nil {
		return nil, err
	}
	c, err := newClient(s, newDialer(e), r, log)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// newClient is New with a dialer.
func newClient(s *options, d *dialer, r output.Reporter, log *slog.Logger) (*client, error) {
	patience := min(s.Timeout, longestPatience)
	connection, err := grpc.NewClient("passthrough:///shipper",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the dialer agrees on TLS
		grpc.WithContextDialer(d.dial),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxCallBytes)),
		// The loop decides when to try again; the connection must not lag behind.
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: patience,
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		}))
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	sender := newSender(connection, d, patience, r, log)
	loop := output.NewLoop(sender, output.Options{
		BulkMax: s.BulkMax, Workers: workers, BackoffInit: s.BackoffInit, BackoffMax: s.BackoffMax,
	}, r)
	return &client{Loop: loop, sender: sender, connection: connection}, nil
}

// Close ends the session with the shipper and the connection. A second Close
// does nothing.
func (c *client) Close() error {
	if !c.sender.close() {
		return nil
	}
	if err := c.connection.Close(); err != nil {
		return fmt.Errorf("close shipper connection: %w", err)
	}
	return nil
}
