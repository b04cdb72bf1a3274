package collect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// stateVersion is the format of a saved state. Version 1 is upgraded.
const stateVersion = 2

// state is what a stream keeps between polls and runs, as JSON. What is short
// stands before the seen set: diagnostics show the beginning.
type state struct {
	Version  int            `json:"version"`
	Resource string         `json:"resource"`
	Place    jsontext.Value `json:"place"`
	Seed     uint64         `json:"seed,string"` // of the fingerprints, drawn once
	Seen     *fingerprints  `json:"seen"`
}

func (s *state) marshal() ([]byte, error) {
	s.Version = stateVersion
	return json.Marshal(s)
}

// unmarshalState reads a saved state. The error is an *inputs.UnusableCursor.
func unmarshalState(b []byte, resource string) (*state, error) {
	var saved struct {
		state
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
	if saved.Version != stateVersion || saved.Resource != resource || saved.Place == nil || saved.Seen == nil {
		return nil, &inputs.UnusableCursor{Cause: fmt.Errorf("version %d for %q", saved.Version, saved.Resource)}
	}
	return &saved.state, nil
}

// upgrade makes a version 2 of a version 1: its place was a cursor alone, and
// belonged to the state.
func (s *state) upgrade(cursor time.Time) (err error) {
	s.Version = stateVersion
	s.Place, err = json.Marshal(struct {
		Version int       `json:"version"`
		Cursor  time.Time `json:"cursor"`
	}{1, cursor})
	return err
}

// restore loads the state, or makes a first one. It is saved at once, so that a
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
	var s *state
	if err == nil {
		s, err = unmarshalState(b, l.Resource)
	}
	if err == nil {
		if err = l.Strategy.Restore(s.Place); err != nil {
			err = &inputs.UnusableCursor{Cause: err}
		}
	}
	var unusable *inputs.UnusableCursor
	switch {
	case err == nil:
		l.seen.seed, l.seen.kept, l.seen.former, l.saved = s.Seed, *s.Seen, true, s.Place
	case errors.As(err, &unusable) || errors.Is(err, inputs.ErrNoCursor):
		if err := l.Strategy.Restore(nil); err != nil {
			return fmt.Errorf("first cursor: %w", err)
		}
		if unusable != nil {
			l.Env.Log.Warn("cursor not usable, starting afresh", "error", err.Error(), "place", string(l.Strategy.Place().JSON))
		}
		l.seen.seed = rand.Uint64()
	default:
		return fmt.Errorf("load cursor: %w", err)
	}
	l.restored = true
	l.settle(Request{})
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

// save keeps the state. Collecting continues where that fails (see the
// package's doc); the poll's error tells of it, and the next poll tries again.
func (l *Loop) save() {
	l.seen.merge()
	s := state{Resource: l.Resource, Place: l.Strategy.Place().JSON, Seed: l.seen.seed, Seen: &l.seen.kept}
	l.saved = s.Place
	b, err := s.marshal()
	if err == nil {
		err = l.Env.Cursors.Save(l.grace, l.Key, b)
	}
	l.seen.changed, l.unsaved = false, nil
	if err != nil {
		l.unsaved = fmt.Errorf("save cursor: %w", err)
	}
}
