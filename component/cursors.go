package component

import (
	"context"
	"errors"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// namedCursors distinguishes trouble with checkpoints from other trouble of a stream,
// and notes what is in the newest one for diagnostics, which must not wait for a
// disk or a network. What has a key without a stream is no stream's checkpoint.
type namedCursors struct {
	inputs.Cursors
	health *health.Stream
}

func (c namedCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	value, err := c.Cursors.Load(ctx, key)
	switch {
	case key.Stream == "":
	case err == nil:
		c.health.Checkpointed(value, time.Time{})
	case !errors.Is(err, inputs.ErrNoCursor) && ctx.Err() == nil:
		err = &health.CheckpointError{Op: health.OpLoad, Err: err}
	}
	return value, err
}

func (c namedCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := c.Cursors.Save(ctx, key, value)
	switch {
	case key.Stream == "":
	case err == nil:
		c.health.Checkpointed(value, time.Now())
	case ctx.Err() == nil:
		err = &health.CheckpointError{Op: health.OpSave, Err: err}
	}
	return err
}
