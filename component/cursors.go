package component

import (
	"context"
	"errors"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// namedCursors tells trouble with checkpoints from other trouble of a stream,
// and notes what is in the newest one for diagnostics, which must not wait for a
// disk or a network.
type namedCursors struct {
	inputs.Cursors
	health *streamHealth
}

func (c namedCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	value, err := c.Cursors.Load(ctx, key)
	switch {
	case err == nil:
		c.health.checkpointed(value, time.Time{})
	case !errors.Is(err, inputs.ErrNoCursor) && ctx.Err() == nil:
		err = &checkpointError{"load", err}
	}
	return value, err
}

func (c namedCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := c.Cursors.Save(ctx, key, value)
	switch {
	case err == nil:
		c.health.checkpointed(value, time.Now())
	case ctx.Err() == nil:
		err = &checkpointError{"save", err}
	}
	return err
}

// headLimit is how much is kept of a checkpoint, bytes: place and time stand at
// its beginning.
const headLimit = 1 << 10

// checkpoint is what is remembered of a stream's newest checkpoint.
type checkpoint struct {
	head  []byte
	size  int
	saved time.Time // by this process; zero where it was only loaded
}

func (s *streamHealth) checkpointed(value []byte, saved time.Time) {
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	s.checkpoint = checkpoint{append(s.checkpoint.head[:0:0], value[:min(len(value), headLimit)]...), len(value), saved}
}
