package output

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Kind is all that there is to know of a kind of output: what its package hands
// to the one list of outputs. Nothing else depends on an output's type, but for the
// demo, which has a fake for each.
type Kind struct {
	Type string // of the unit in a policy
	// New makes an output of a unit's source, whose keys may be dotted or nested.
	// The error joins all faults, each naming its setting. No connection is made
	// before the first Publish.
	New func(source map[string]any, unitID string, r Reporter, log *slog.Logger) (Output, error)
	// Settings points to the struct whose config tags declare the output's settings
	// (inputs/policy), beside policy.OutputKeys.
	Settings any
	// Check finds out whether documents could be published to the targets, and
	// writes nothing. The error is an *Error, or joins the faults of the settings.
	// It is nil where that cannot be known without the agent.
	Check func(ctx context.Context, source map[string]any, targets []string) (Finding, error)
	// Conditions are the rows that the output brings to the health truth table, in
	// the order of the documents.
	Conditions []*inputs.Condition
	// Diagnose chooses one of them for trouble.
	Diagnose func(e *Error) inputs.Diagnosis
	// Refused is the row for refused documents, and KeptAside the one for those
	// that the other side keeps (see inputs.Refusal). Every output has refusals,
	// since the Loop makes one of a single document that is too large; KeptAside is
	// nil where the other side keeps none.
	Refused, KeptAside *inputs.Condition
	// KnowsIDs says that the other side keeps documents apart by their ids: one
	// that is sent twice is stored once.
	KnowsIDs bool
}

// Finding is what a check found out.
type Finding struct {
	Version string // of the other side; empty where the credentials may not ask
	// Unasked says that the other side cannot be asked what may be written where.
	Unasked bool
	// Known says that the privileges could be asked for. A cluster without
	// security, and a key that may not, leave them unknown.
	Known  bool
	Denied []string // targets that the credentials may not write to
	// Warning is what is odd about the other side and stops nothing; empty where
	// nothing is.
	Warning string
	// Owners are whose those targets are that exist or have a template of their
	// own, as far as the credentials may look; OwnersKnown says that they may look
	// at all of it.
	Owners      []Owner
	OwnersKnown bool
}

// Owner is whose a target is.
type Owner struct {
	Target   string
	Live     bool   // the target exists; else a template for it does
	Package  string // of Fleet, by its metadata; empty where no package made it
	Pipeline string // the ingest pipeline of a live target; normally one of the package
}

// What rows of outputs say of their end.
const (
	// ClearsWhenTaken is for trouble.
	ClearsWhenTaken = "with the first documents that get through; batches wait meanwhile and nothing is lost"
	// CleanDeliveries is how many deliveries in a row must be free of refusals
	// before a unit forgets one: fewer would flap, and would be missed by people.
	CleanDeliveries = 5
)

// ClearsAfterRefusals is for rows about refused documents.
func ClearsAfterRefusals() string {
	return fmt.Sprintf("after %d deliveries without a refusal", CleanDeliveries)
}

// Code is the stable part of an answer, for a Diagnosis: its HTTP status, and the
// error's type where it says what to repair.
func (e *Error) Code(withType bool) string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.Status))
	}
	if withType && e.Type != "" {
		parts = append(parts, e.Type)
	}
	return strings.Join(parts, ", ")
}

// Cause is the cause on one line, for a Diagnosis.
func (e *Error) Cause() string {
	if e.Err == nil {
		return "it does not answer"
	}
	return strings.ReplaceAll(e.Err.Error(), "\n", "; ")
}
