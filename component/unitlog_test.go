package component

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestLogLevelOfAUnit: it holds for the unit's lines alone, those of its streams too,
// and from the moment it is set.
func TestLogLevelOfAUnit(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	loud, level := unitLog(log, &Unit{ID: "loud", Level: slog.LevelDebug})
	quiet, _ := unitLog(log, &Unit{ID: "quiet", Level: slog.LevelInfo})
	say := func(message string) {
		for _, l := range []*slog.Logger{loud, quiet} {
			l.With("stream.id", "s").Debug(message)
		}
	}
	say("first")
	level.Set(slog.LevelInfo)
	say("second")
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "msg=first unit.id=loud stream.id=s") {
		t.Errorf("logged:\n%s", text)
	}
}
