package component

import (
	"context"
	"log/slog"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
)

// OutputTrial is what a look at an output showed.
type OutputTrial struct {
	Skipped string // why nothing was tried; empty where something was
	elasticsearch.Finding
	Problem string // what is in the way and what to do; empty where there is nothing
}

// TryOutput finds out whether an output would take documents for the targets,
// and sends none.
func TryOutput(ctx context.Context, u Unit, targets []string) OutputTrial {
	if u.Type != "elasticsearch" {
		out, err := newOutput(u, newOutputHealth(u.Type, slog.New(slog.DiscardHandler), u.Report), slog.New(slog.DiscardHandler))
		if err != nil {
			return OutputTrial{Problem: oneLine(err)}
		}
		_ = out.Close() // was never connected
		return OutputTrial{Skipped: "its settings are right; it takes documents only under the agent"}
	}
	found, err := elasticsearch.Check(ctx, u.Source, targets)
	t := OutputTrial{Finding: found}
	switch {
	case err != nil:
		t.Problem = ExplainOutput(u.Type, err)
	case len(found.Denied) > 0:
		t.Problem = indexRefused.with("{target}", strings.Join(found.Denied, ", ")).text
	}
	return t
}
