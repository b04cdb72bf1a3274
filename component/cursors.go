package component

import (
	"context"
	"errors"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// namedCursors tells trouble with checkpoints from other trouble of a stream,
// and remembers it: a poll without news has nothing to save and must not look as
// if it had been saved.
type namedCursors struct {
	inputs.Cursors
	health *streamHealth
}

func (c namedCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	value, err := c.Cursors.Load(ctx, key)
	if err != nil && !errors.Is(err, inputs.ErrNoCursor) && ctx.Err() == nil {
		err = &checkpointError{"load", err}
	}
	return value, err
}

func (c namedCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := c.Cursors.Save(ctx, key, value)
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		err = &checkpointError{"save", err}
	}
	c.health.saved(err)
	return err
}
