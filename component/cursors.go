package component

import (
	"context"
	"errors"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// namedCursors tells trouble with checkpoints from other trouble of a stream.
type namedCursors struct{ inputs.Cursors }

func (c namedCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	value, err := c.Cursors.Load(ctx, key)
	if err != nil && !errors.Is(err, inputs.ErrNoCursor) && ctx.Err() == nil {
		err = &checkpointError{"load", err}
	}
	return value, err
}

func (c namedCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	if err := c.Cursors.Save(ctx, key, value); err != nil && ctx.Err() == nil {
		return &checkpointError{"save", err}
	} else if err != nil {
		return err
	}
	return nil
}
