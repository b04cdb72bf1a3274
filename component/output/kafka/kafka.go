package kafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

// kafka is the output: the loop over a sender.
type kafka struct {
	*output.Loop
	sender *sender
}

var _ output.Output = (*kafka)(nil)

// New makes a Kafka output of an output unit's source; keys may be dotted or nested.
// The error joins all faults, each naming its setting. No connection is made before
// the first Publish.
func New(source map[string]any, r output.Reporter, log *slog.Logger) (output.Output, error) {
	c, err := readConfig(source)
	if err != nil {
		return nil, err
	}
	if c.Acks == 0 {
		log.Warn("required_acks 0 is taken for 1: without an acknowledgement nothing is known to be stored")
	}
	client, err := kgo.NewClient(c.client...)
	if err != nil {
		return nil, &output.Error{Op: "new client", Reason: output.Other, Err: err}
	}
	s := newSender(c, client)
	return &kafka{Loop: output.NewLoop(s, c.loop, r), sender: s}, nil
}

// Close implements output.Output.
func (k *kafka) Close() error {
	// What is still held was given up by its Publish: it must not hold up the end.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = k.sender.client.AbortBufferedRecords(ended) // they are sent again
	k.sender.client.Close()
	return nil
}
