package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// logFormats are the values of --log-format: auto is text for a terminal, else json.
var logFormats = []string{"auto", "text", "json"}

// newConsoleLog logs in a format for anyone who reads the console.
func newConsoleLog(c *console, format string, level slog.Leveler) (*slog.Logger, error) {
	switch {
	case format == "json", format == "auto" && !c.isTerminal():
		return newLog(c, level), nil
	case format == "text", format == "auto":
		return slog.New(tint.NewHandler(c, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly,
			NoColor:     !c.isTerminal() || os.Getenv("NO_COLOR") != "",
			ReplaceAttr: seen,
		})), nil
	}
	return nil, fmt.Errorf("--log-format: want %s, got %q", strings.Join(logFormats, ", "), format)
}

// newLog writes one JSON object a line with the flat keys that Elastic Agent
// reads (AGENT.md 1.5).
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: agentKeys}))
}

// seen makes of texts, which may be what another side wrote, what can be seen on a
// terminal.
func seen(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(visible(a.Value.String()))
	}
	return a
}

func agentKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("@timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case slog.LevelKey:
		return slog.String("log.level", strings.ToLower(a.Value.String()))
	case slog.MessageKey:
		return slog.Attr{Key: "message", Value: a.Value}
	}
	return a
}
