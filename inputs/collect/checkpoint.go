package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// checkpointVersion is the format of a checkpoint. Version 1 is upgraded.
const checkpointVersion = 2

// checkpoint is what is saved of a stream between polls and runs, as JSON: its place
// and its seen set. What is short is before the seen set: diagnostics show the
// beginning.
type checkpoint struct {
	Version  int            `json:"version"`
	Resource string         `json:"resource"`
	Place    jsontext.Value `json:"place"`
	Age      ageClock       `json:"age,omitzero"`
	Seed     uint64         `json:"seed,string"` // of the fingerprints, drawn once
	Seen     *fingerprints  `json:"seen"`
}

// marshal appends the seen set to all else, which is short: a set of a million records
// has 16 MB of text, and an encoder copies it three times.
func (c *checkpoint) marshal() ([]byte, error) {
	c.Version = checkpointVersion
	short := *c
	short.Seen = nil
	b, err := json.Marshal(&short)
	if err != nil {
		return nil, err
	}
	b = slices.Grow(bytes.TrimSuffix(b, []byte(`null}`)), c.Seen.textLen()+len(`""}`))
	if b, err = c.Seen.AppendText(append(b, '"')); err != nil {
		return nil, err
	}
	return append(b, `"}`...), nil
}

// unmarshalCheckpoint reads a checkpoint. The error is an *inputs.UnusableCursor.
func unmarshalCheckpoint(b []byte, resource string) (*checkpoint, error) {
	var saved struct {
		checkpoint
		Cursor time.Time `json:"cursor"` // version 1
	}
	saved.Seen = &fingerprints{}
	if err := json.Unmarshal(b, &saved); err != nil {
		return nil, &inputs.UnusableCursor{Cause: err}
	}
	if saved.Version == 1 && !saved.Cursor.IsZero() {
		if err := saved.upgrade(saved.Cursor); err != nil {
			return nil, &inputs.UnusableCursor{Cause: err}
		}
	}
	if saved.Version != checkpointVersion || saved.Resource != resource || saved.Place == nil || saved.Seen == nil {
		return nil, &inputs.UnusableCursor{Cause: fmt.Errorf("version %d for %q", saved.Version, saved.Resource)}
	}
	return &saved.checkpoint, nil
}

// upgrade makes a version 2 of a version 1: its place was a cursor alone, and
// belonged to the checkpoint.
func (c *checkpoint) upgrade(cursor time.Time) (err error) {
	c.Version = checkpointVersion
	c.Place, err = json.Marshal(struct {
		Version int       `json:"version"`
		Cursor  time.Time `json:"cursor"`
	}{1, cursor})
	return err
}

// restore loads the checkpoint, or makes a first one. It is saved at once, so that a
// crash before the first page does not move the first look-back.
func (l *Loop) restore(ctx context.Context) error {
	if l.Identify != nil {
		key, err := l.Identify(ctx)
		if err != nil {
			return err
		}
		l.Key = key
	}
	b, err := l.Env.Cursors.Load(ctx, l.Key)
	var c *checkpoint
	if err == nil {
		c, err = unmarshalCheckpoint(b, l.Resource)
	}
	if err == nil {
		if err = l.Strategy.Restore(c.Place); err != nil {
			err = &inputs.UnusableCursor{Cause: err}
		}
	}
	var unusable *inputs.UnusableCursor
	switch {
	case err == nil:
		l.seen.seed, l.seen.published, l.seen.former, l.saved = c.Seed, *c.Seen, true, c.Place
		l.age = c.Age
	case errors.As(err, &unusable) || errors.Is(err, inputs.ErrNoCursor):
		if err := l.Strategy.Restore(nil); err != nil {
			return fmt.Errorf("first place: %w", err)
		}
		if unusable != nil {
			l.Env.Log.Warn("checkpoint not usable, starting afresh", "error", err.Error(), "place", string(l.Strategy.Place().JSON))
		}
		l.seen.seed = rand.Uint64()
	default:
		return fmt.Errorf("load checkpoint: %w", err)
	}
	l.restored = true
	l.saveIfMoved(Request{})
	return nil
}

// rewind begins to collect again from a time, where that was asked for. What is
// forgotten is saved at once: a crash must not end it halfway.
func (l *Loop) rewind() {
	select {
	case from := <-l.Env.CollectFrom:
		l.Strategy.Rewind(from)
		l.seen.rewind(from)
		l.save()
		l.Env.Log.Info("collecting again", "resource", l.Resource, "from", from.UTC().Format(time.RFC3339))
	default:
	}
}

// save saves the checkpoint. Collecting continues where that fails (see the
// package's doc); the poll's error reports it, and the next poll tries again.
func (l *Loop) save() {
	l.seen.merge()
	c := checkpoint{Resource: l.Resource, Place: l.Strategy.Place().JSON, Age: l.age, Seed: l.seen.seed, Seen: &l.seen.published}
	l.saved = c.Place
	b, err := c.marshal()
	if err == nil {
		err = l.Env.Cursors.Save(l.grace, l.Key, b)
	}
	l.seen.changed, l.unsaved = false, nil
	if err != nil {
		l.unsaved = fmt.Errorf("save checkpoint: %w", err)
	}
}
