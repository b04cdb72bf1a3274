package component

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// namedCursors tells trouble with checkpoints from other trouble of a stream,
// and notes what is in the newest one for diagnostics, which must not wait for a
// disk or a network.
type namedCursors struct {
	inputs.Cursors
	health *health.Stream
}

func (c namedCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	value, err := c.Cursors.Load(ctx, key)
	switch {
	case err == nil:
		c.health.Checkpointed(value, time.Time{})
	case !errors.Is(err, inputs.ErrNoCursor) && ctx.Err() == nil:
		err = &health.CheckpointError{Op: "load", Err: err}
	}
	return value, err
}

func (c namedCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := c.Cursors.Save(ctx, key, value)
	switch {
	case err == nil:
		c.health.Checkpointed(value, time.Now())
	case ctx.Err() == nil:
		err = &health.CheckpointError{Op: "save", Err: err}
	}
	return err
}

// OpenLater are cursors that cannot be opened now and are tried again with
// every use: streams show why they stand still, and go on when it is mended. A
// process that ended instead would be started again and again, which after an
// upgrade makes the agent roll back.
func OpenLater(open func() (inputs.Cursors, error)) inputs.Cursors { return &lateCursors{open: open} }

type lateCursors struct {
	open func() (inputs.Cursors, error)

	mu     sync.Mutex
	opened inputs.Cursors
}

func (l *lateCursors) cursors() (inputs.Cursors, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		opened, err := l.open()
		if err != nil {
			return nil, err
		}
		l.opened = opened
	}
	return l.opened, nil
}

// Load implements inputs.Cursors.
func (l *lateCursors) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	c, err := l.cursors()
	if err != nil {
		return nil, err
	}
	return c.Load(ctx, key)
}

// Save implements inputs.Cursors.
func (l *lateCursors) Save(ctx context.Context, key inputs.Key, value []byte) error {
	c, err := l.cursors()
	if err != nil {
		return err
	}
	return c.Save(ctx, key, value)
}

// Delete implements inputs.Cursors.
func (l *lateCursors) Delete(ctx context.Context, input string) error {
	c, err := l.cursors()
	if err != nil {
		return err
	}
	return c.Delete(ctx, input)
}
