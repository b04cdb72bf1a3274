package collect

import (
	"fmt"
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
