package defender

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// stateVersion is the format of a saved state; another one is not read.
const stateVersion = 1

// maxSeen bounds the seen set: above it the entries with the oldest times go.
// At 12 bytes each that is 12 MiB, for a tenant of a million machines.
const maxSeen = 1 << 20

// state is what a stream keeps between polls and runs.
type state struct {
	// cursor is the largest update time of all records acknowledged, never in
	// the future. Everything before it minus the overlap is done.
	cursor time.Time
	// seed is that of the fingerprints, drawn once.
	seed uint64
	// seen holds the fingerprints of acknowledged records that the overlap can
	// return again, with their update times in Unix seconds.
	seen prints
}

// saved is a state as JSON.
type saved struct {
	Version  int       `json:"version"`
	Resource string    `json:"resource"`
	Cursor   time.Time `json:"cursor"`
	Seed     uint64    `json:"seed,string"`
	Seen     *prints   `json:"seen"`
}

func (s *state) marshal(resource string) ([]byte, error) {
	return json.Marshal(saved{stateVersion, resource, s.cursor, s.seed, &s.seen})
}

// unmarshalState reads a saved state. The error is an *inputs.UnusableCursor.
func unmarshalState(b []byte, resource string) (state, error) {
	f := saved{Seen: &prints{}}
	if err := json.Unmarshal(b, &f); err != nil {
		return state{}, &inputs.UnusableCursor{Cause: err}
	}
	if f.Version != stateVersion || f.Resource != resource || f.Cursor.IsZero() || f.Seen == nil {
		return state{}, &inputs.UnusableCursor{Cause: fmt.Errorf("version %d for %q", f.Version, f.Resource)}
	}
	return state{cursor: f.Cursor, seed: f.Seed, seen: *f.Seen}, nil
}

// prune forgets what lies before the time from which the next poll reads.
func (s *state) prune(from time.Time) { s.seen.prune(unix32(from), maxSeen) }

func unix32(t time.Time) uint32 { return uint32(max(0, min(t.Unix(), 1<<32-1))) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
