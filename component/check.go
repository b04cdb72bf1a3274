package component

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Explain is what an operator is told of an error of one of the input's streams:
// what it is, and what to do. It is empty without an error.
func Explain(input inputs.Input, err error) string {
	if err == nil {
		return ""
	}
	return health.Diagnose(input.Diagnose).Explain(err)
}

// OutputTrial is what a look at an output showed.
type OutputTrial struct {
	Skipped string // why nothing was tried; empty where something was
	output.Finding
	Problem string // what is in the way and what to do; empty where there is nothing
}

// TryOutput finds out whether an output would take documents for the targets,
// and sends none.
func TryOutput(ctx context.Context, u Unit, targets []string) OutputTrial {
	kind := kindOf(u.Type)
	switch {
	case kind == nil:
		return OutputTrial{Problem: oneLine(unknownOutput(u.Type))}
	case kind.Check == nil:
		return trySettings(kind, u)
	}
	found, err := kind.Check(ctx, u.Source, targets)
	t := OutputTrial{Finding: found}
	if err == nil && len(found.Denied) > 0 {
		err = &output.Error{Reason: output.Forbidden, Target: strings.Join(found.Denied, ", ")}
	}
	var trouble *output.Error
	switch {
	case errors.As(err, &trouble):
		t.Problem = health.ExplainOutput(kind, trouble)
	case err != nil:
		t.Problem = oneLine(err)
	}
	return t
}

// trySettings makes an output that cannot be tried without the agent.
func trySettings(kind *output.Kind, u Unit) OutputTrial {
	log := slog.New(slog.DiscardHandler)
	out, err := kind.New(u.Source, u.ID, health.NewOutput(kind, log, silent), log)
	if err != nil {
		return OutputTrial{Problem: oneLine(err)}
	}
	_ = out.Close() // was never connected
	return OutputTrial{Skipped: "its settings are right; it takes documents only under the agent"}
}
