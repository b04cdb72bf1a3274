package logstash

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
)

// closesWithin is how long a check waits for Logstash to refuse: it does so only
// after TLS was agreed on, and says nothing where all is well.
const closesWithin = 500 * time.Millisecond

// emptyWindow begins a window of no events, which Logstash takes without an answer.
var emptyWindow = []byte{'2', 'W', 0, 0, 0, 0}

// Check finds out whether each host takes connections and the Beats protocol with
// an output unit's settings, and sends no event. Logstash cannot be asked for data
// streams or rights. The error is an *output.Error, or joins the faults of the
// settings.
func Check(ctx context.Context, source map[string]any, _ []string) (output.Finding, error) {
	c, err := readConfig(source)
	if err != nil {
		return output.Finding{}, err
	}
	for _, host := range c.hosts {
		if err := c.try(ctx, host); err != nil {
			return output.Finding{}, err
		}
	}
	return output.Finding{Unasked: true}, nil
}

// try connects, begins an empty window and looks whether the other side minds.
func (c *config) try(ctx context.Context, host string) error {
	conn, err := c.dialer.Dial(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the read ends with it
	if err := errors.Join(conn.SetDeadline(time.Now().Add(closesWithin)), written(conn.Write(emptyWindow))); err != nil {
		return c.dialer.failure(err)
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
		return dial.Unreachable(ctx.Err())
	case err != nil:
		return c.dialer.failure(err)
	}
	return &output.Error{Op: opPublish, Reason: output.Server, Err: errProtocol}
}

func written(_ int, err error) error { return err }
