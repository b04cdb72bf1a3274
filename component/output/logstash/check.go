package logstash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
)

// answersWithin is how long a check waits for the answer to an empty window: an input
// that is free has it at once.
const answersWithin = 2 * time.Second

// emptyWindow is a window of no events, and signOfLife the answer of the beats input,
// since 6.7.0: the one that it gives while it works, too.
var emptyWindow, signOfLife = []byte{'2', 'W', 0, 0, 0, 0}, []byte{'2', 'A', 0, 0, 0, 0}

var errWantsTLS = errors.New("it answers with an alert of TLS; set ssl")

// Check finds out whether each host takes connections and a window of no events with
// an output unit's settings. Logstash cannot be asked for data streams or rights. Hosts
// that do not answer are reported in the finding. The error is an *output.Error, or
// joins the faults of the settings.
func Check(ctx context.Context, source map[string]any, _ []string) (output.Finding, error) {
	c, err := readConfig(source)
	if err != nil {
		return output.Finding{}, err
	}
	f := output.Finding{Unasked: true}
	var quiet []string
	for _, host := range c.hosts {
		answers, err := c.try(ctx, host)
		if err != nil {
			return output.Finding{}, err
		}
		if !answers {
			quiet = append(quiet, host)
		}
	}
	who := "takes connections and does not answer"
	if len(quiet) > 1 {
		who = "take connections and do not answer"
	}
	if len(quiet) > 0 {
		f.Warning = fmt.Sprintf("%s %s a window of no events, as Logstash's beats input does since 6.7.0; "+
			"check that hosts lead to a beats or elastic_agent input, and that its pipeline moves", strings.Join(quiet, ", "), who)
	}
	return f, nil
}

// try connects, sends an empty window and reports whether there is the answer of a
// beats input. Silence is no error.
func (c *config) try(ctx context.Context, host string) (answers bool, err error) {
	conn, err := c.dialer.Dial(ctx, host)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the read ends with it
	if err := errors.Join(conn.SetDeadline(time.Now().Add(answersWithin)), written(conn.Write(emptyWindow))); err != nil {
		return false, c.dialer.failure(err)
	}
	answer := make([]byte, len(signOfLife))
	n, err := io.ReadFull(conn, answer)
	switch {
	case bytes.Equal(answer, signOfLife):
		return true, nil
	case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
		return false, dial.Unreachable(ctx.Err())
	case n > 1 && dial.IsAlert(answer):
		return false, &output.Error{Op: opPublish, Reason: output.NoTLS, Err: errWantsTLS}
	case n > 0:
		return false, &output.Error{Op: opPublish, Reason: output.Server, Err: errProtocol}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	}
	return false, c.dialer.failure(err)
}

func written(_ int, err error) error { return err }
