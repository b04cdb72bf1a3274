package component

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// stuckInput has a stream whose try has no end of its own.
type stuckInput struct{ inputs.Input }

func (stuckInput) Streams(u inputs.Unit) ([]inputs.Stream, error) {
	time.Sleep(time.Millisecond) // as long as settings take to be read
	return []inputs.Stream{{
		Key: inputs.Key{Input: u.ID, Stream: "s"},
		Try: func(ctx context.Context) inputs.Trial {
			<-ctx.Done()
			return inputs.Trial{Err: context.Cause(ctx)}
		},
	}}, nil
}

func (stuckInput) Diagnose(error) inputs.Diagnosis { return inputs.Diagnosis{} }

// TestConnectionTestWithoutAnswerNamesItsRemedy: the trial ends before the action does.
func TestConnectionTestWithoutAnswerNamesItsRemedy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := New(Options{Input: stuckInput{}, Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)}), key{id: "in"}
		c.inputs[k] = &runningInput{unit: Unit{ID: "in", InputID: "in"}}
		a := &action{testConnection, func(ctx context.Context, _ map[string]any) (map[string]any, error) { return c.testConnection(ctx, k) }}
		began := time.Now()
		_, err := a.Execute(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "stream s: no answer within ") || !strings.Contains(err.Error(), "; check the network") {
			t.Errorf("error %v, want one that says how long it waited and what to check", err)
		}
		if took := time.Since(began); took >= actionLimit {
			t.Errorf("it took %s, and an action has %s", took, actionLimit)
		}
	})
}
