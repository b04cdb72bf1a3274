package defender_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// formerState is a checkpoint that was written by the program when the cursor
// still belonged to the state (version 1), with the records it was made from.
type formerState struct {
	Written time.Time         `json:"written"`
	Dataset string            `json:"dataset"`
	Records []json.RawMessage `json:"records"`
	Saved   json.RawMessage   `json:"saved"`
}

// continueFrom polls once, a minute after a former state was written.
func continueFrom(t *testing.T, name string, former *formerState) *bench {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "state", name+".json"))
	if err == nil {
		err = json.Unmarshal(text, former)
	}
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return former.Written.Add(time.Minute) }
	b := newBench(t, tenant.Options{Seed: 1, Now: now}, nil)
	b.dataset, b.now = former.Dataset, now
	resource := map[string]tenant.Resource{logDataset: tenant.Alerts, actionDataset: tenant.MachineActions, machineDataset: tenant.Machines}
	for _, record := range former.Records {
		b.tenant.Add(resource[b.dataset], string(record))
	}
	if err := b.cursors.Save(t.Context(), b.key(), former.Saved); err != nil {
		t.Fatal(err)
	}
	b.mustPoll()
	return b
}

// TestFormerStatesAreContinued: no cursor is lost by an upgrade, and nothing
// that was published is published again.
func TestFormerStatesAreContinued(t *testing.T) {
	for name, published := range map[string][]string{
		"alert": nil, "machine_action": nil, "machine": nil,
		// The sweep had broken off before the last machine.
		"machine_broken_off": {"n2Oa2xXuKckcChYqycmZ"},
	} {
		t.Run(name, func(t *testing.T) {
			var former formerState
			b := continueFrom(t, name, &former)
			if ids := slices.Collect(maps.Keys(b.sink.stored)); !slices.Equal(ids, published) {
				t.Errorf("published %v, want %v", ids, published)
			}
			if n := b.counts.counts.Records; n < len(former.Records) {
				t.Errorf("%d records read, want at least %d", n, len(former.Records))
			}
			var state struct {
				Cursor time.Time
				Place  struct{ Cursor time.Time }
			}
			if err := json.Unmarshal(former.Saved, &state); err != nil {
				t.Fatal(err)
			}
			saved, err := b.cursors.Load(t.Context(), b.stream.Key)
			if err != nil || json.Unmarshal(saved, &state) != nil {
				t.Fatalf("saved %s, %v", saved, err)
			}
			if strings.Contains(string(saved), `"version":2`) && state.Place.Cursor.Before(state.Cursor) {
				t.Errorf("the cursor went back from %s to %s", state.Cursor, state.Place.Cursor)
			}
			if from := lowerBound(b.tenant.Requests()[1]); b.dataset != machineDataset && !from.Equal(state.Cursor.Add(-15*time.Minute)) {
				t.Errorf("reads from %s, want the overlap before %s", from, state.Cursor)
			}
		})
	}
}

func (b *bench) key() inputs.Key { return inputs.Key{Input: "in", Stream: "s", Dataset: b.dataset} }
