package odata_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// TestUnusablePlaceLeavesNothing: of a place that cannot be used nothing gets into the
// fresh start that follows, nor into what was restored before.
func TestUnusablePlaceLeavesNothing(t *testing.T) {
	const good = `{"version":1,"cursor":"2026-03-02T11:00:00Z"}`
	bad := map[string]string{
		"newer": `{"version":9,"cursor":"2026-03-02T09:00:00Z","read":"2026-03-02T08:00:00Z","ahead":"2026-03-01T00:00:00Z",` +
			`"without_expand_from":"2026-03-01T00:00:00Z","gaps":[{"from":"2026-03-01T00:00:00Z","to":"2026-03-01T01:00:00Z","since":"2026-03-02T10:00:00Z"}]}`,
		"torn": `{"version":1,"cursor":"2026-03-02T09:00:00Z","ahead":"2026-03-01T00:00:00Z","gaps":[{"from":"2026-03-01T00:00:00Z"},5]}`,
	}
	for kind, pager := range map[string]func(odata.Options) collect.Strategy{"timeline": odata.Timeline, "snapshot": odata.Snapshot} {
		for name, place := range bad {
			t.Run(kind+", "+name, func(t *testing.T) {
				restored := func(places ...string) (s collect.Strategy) {
					r := newRig(pager, 0)
					r.options.Now, r.options.Log = func() time.Time { return noon }, slog.New(slog.DiscardHandler)
					s = pager(r.options)
					for _, p := range places {
						var saved []byte
						if p != "" {
							saved = []byte(p)
						}
						if err := s.Restore(saved); (err == nil) == (p == place) {
							t.Fatalf("restore %s: %v", p, err)
						}
					}
					return s
				}
				same := func(got, want collect.Strategy) {
					t.Helper()
					g, w := got.Place(), want.Place()
					if string(g.JSON) != string(w.JSON) || !g.From.Equal(w.From) {
						t.Errorf("place %s from %s, want %s from %s", g.JSON, g.From, w.JSON, w.From)
					}
				}
				same(restored(place, ""), restored(""))
				same(restored(good, place), restored(good))
				same(restored(good, ""), restored(""))
			})
		}
	}
}
