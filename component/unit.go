package component

import (
	"log/slog"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
)

// Unit is one wanted unit: an input or the output.
type Unit struct {
	ID     string // unique among units of the same kind
	Output bool
	Type   string // an output's (output.Kind) or the input's
	// InputID is the input's id in the policy; checkpoints are kept under it.
	InputID   string
	Namespace string // data_stream.namespace of an input; may be empty
	// Source is the configuration as the policy has it; keys may be dotted.
	Source map[string]any
	Level  slog.Level
	// Report receives the unit's states. It must not block.
	Report Report
}

// Report receives a state, a message for people and a payload that fits
// structpb.
type Report func(state client.UnitState, message string, payload map[string]any)

// key identifies a unit.
type key struct {
	output bool
	id     string
}

func (u *Unit) key() key { return key{u.Output, u.ID} }
