package component

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Explain is the text that an operator reads for an error of one of the input's streams:
// what it is, and what to do. It is empty without an error.
func Explain(input inputs.Input, err error) string {
	if err == nil {
		return ""
	}
	return once(health.Diagnose(input.Diagnose).Explain(err))
}

// once is a text of the health table for anyone who tries once.
func once(text string) string {
	for _, again := range []string{"; trying again slower", "; trying again"} {
		text = strings.Replace(text, again, "", 1)
	}
	return text
}

// OutputTrial is what a look at an output showed.
type OutputTrial struct {
	Skipped string // why nothing was tried; empty where something was
	output.Finding
	Problem string // what is in the way and what to do; empty where there is nothing
}

// TryOutput finds out whether an output would take documents for the targets, and
// sends none. It takes so long at most; with 0 it looks at the settings alone.
func TryOutput(ctx context.Context, u Unit, targets []string, limit time.Duration) OutputTrial {
	kind := kindOf(u.Type)
	switch {
	case kind == nil:
		return OutputTrial{Problem: oneLine(unknownOutput(u.Type))}
	case limit == 0:
		return trySettings(kind, u, "its settings are right")
	case kind.Check == nil:
		return trySettings(kind, u, "its settings are right; it takes documents only under the agent")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := kind.Check(ctx, u.Source, targets)
	t := OutputTrial{Finding: found}
	if err == nil && len(found.Denied) > 0 {
		err = &output.Error{Reason: output.Forbidden, Target: strings.Join(found.Denied, ", ")}
	}
	var trouble *output.Error
	switch {
	case errors.As(err, &trouble):
		t.Problem = once(health.ExplainOutput(kind, trouble))
	case err != nil:
		t.Problem = oneLine(err)
	}
	return t
}

// trySettings makes an output that cannot be tried without the agent.
func trySettings(kind *output.Kind, u Unit, right string) OutputTrial {
	log := slog.New(slog.DiscardHandler)
	out, err := kind.New(u.Source, u.ID, health.NewOutput(kind, log, silent), log)
	if err != nil {
		return OutputTrial{Problem: oneLine(err)}
	}
	_ = out.Close() // was never connected
	return OutputTrial{Skipped: right}
}
