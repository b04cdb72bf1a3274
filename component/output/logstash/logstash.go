package logstash

import (
	"log/slog"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

// logstash is the output: the loop over a sender.
type logstash struct {
	*output.Loop
	sender *sender
}

var _ output.Output = (*logstash)(nil)

// New makes a Logstash output of an output unit's source; keys may be dotted or
// nested. The error joins all faults, each naming its setting. No connection is
// made before the first Publish.
func New(source map[string]any, r output.Reporter, log *slog.Logger) (output.Output, error) {
	c, err := readConfig(source)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= betweenSigns {
		log.Warn("timeout is not longer than the 5s between two signs of life of a Logstash that works: what it has in hand will be sent again and again")
	}
	s := newSender(c)
	return &logstash{Loop: output.NewLoop(s, c.loop, r), sender: s}, nil
}

// Close implements output.Output.
func (l *logstash) Close() error {
	l.sender.close()
	return nil
}
