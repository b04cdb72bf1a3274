package shipper

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

// workers is how many calls may wait for persistence at once.
const workers = 16

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
func New(settings map[string]any, unitID string, r output.Reporter, log *slog.Logger) (output.Output, error) {
	s, e, err := decode(settings, unitID)
	if err != nil {
		return nil, err
	}
	security := insecure.NewCredentials()
	if e.tls != nil {
		security = credentials.NewTLS(e.tls)
	}
	connection, err := grpc.NewClient("passthrough:///shipper",
		grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(e.dial),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxCallBytes)),
		// The loop decides when to try again; the connection must not lag behind.
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: s.call.Timeout,
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		}))
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	sender := newSender(connection, s.call.Timeout, r, log)
	loop := output.NewLoop(sender, output.Options{
		BulkMax: s.bulk.Max, Workers: workers, BackoffInit: s.pause.Backoff.Init, BackoffMax: s.pause.Backoff.Max,
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

func (e endpoint) dial(ctx context.Context, _ string) (net.Conn, error) {
	if e.network == "npipe" {
		return dialPipe(ctx, e.address)
	}
	var d net.Dialer
	return d.DialContext(ctx, e.network, e.address)
}
