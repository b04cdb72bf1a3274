package defender_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// TestBareFormHasThePolicysTags, and none that a processor made of a record.
func TestBareFormHasThePolicysTags(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 1, Alerts: 1}, map[string]any{
		"tags": []any{"own"}, "processors": []any{map[string]any{"add_tags": map[string]any{"tags": []any{"other"}}}},
	})
	b.mustPoll()
	var forms []string
	publisher := inputstest.Publisher{Before: func(_ context.Context, batch *inputs.Batch) error {
		for i := range batch.Len() {
			forms = append(forms, string(batch.Fallback.Bare(batch.At(i), nil, inputs.Refusal{}).JSON))
		}
		return nil
	}}
	err := b.stream.Run(t.Context(), inputs.Env{
		Publisher: &publisher, Cursors: &inputstest.Cursors{}, Reporter: &b.counts, Log: slog.New(slog.DiscardHandler), Once: true,
	})
	if err != nil || len(forms) == 0 {
		t.Fatal(err, len(forms))
	}
	for _, form := range forms {
		if !strings.Contains(form, `"tags":["preserve_original_event","own"]`) {
			t.Errorf("bare form: %s", form)
		}
	}
}
