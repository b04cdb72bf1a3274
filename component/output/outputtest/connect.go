package outputtest

import (
	"bytes"
	"log/slog"
	"maps"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

// UnitID is the id of the unit whose output Connect makes.
const UnitID = "microsoft_defender_endpoint-default"

// Connect makes an output that waits only milliseconds. Later settings replace earlier
// ones. It closes when the test ends, and its log must not have Canary in it.
func Connect(t testing.TB, k output.Kind, r output.Reporter, settings ...map[string]any) output.Output {
	t.Helper()
	source := map[string]any{"backoff": map[string]any{"init": "1ms", "max": "5ms"}}
	for _, s := range settings {
		maps.Copy(source, s)
	}
	var log bytes.Buffer
	out, err := k.New(source, UnitID, r, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil || bytes.Contains(log.Bytes(), []byte(Canary)) {
			t.Errorf("%v, log %s", err, log.String())
		}
	})
	return out
}

// Until waits until the counts of a fake are as wanted. Its channel is closed when they
// change.
func Until[S any](t testing.TB, fake interface {
	Stats() (S, <-chan struct{})
}, what string, reached func(S) bool,
) {
	t.Helper()
	ctx := Deadline(t)
	for {
		stats, changed := fake.Stats()
		if reached(stats) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited for %s: %+v", what, stats)
		}
	}
}
