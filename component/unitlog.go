package component

import (
	"context"
	"log/slog"
)

// unitLog is a unit's logger: its lines carry the unit's id, by which the agent
// knows them, and keep to the unit's own level even where the process has another.
func unitLog(log *slog.Logger, u *Unit) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(u.Level)
	return slog.New(&leveled{log.Handler(), level}).With("unit.id", u.ID), level
}

// leveled is a handler with a level of its own.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

func (l *leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.level.Level() && l.Handler.Enabled(ctx, level)
}

func (l *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l *leveled) WithGroup(name string) slog.Handler {
	return &leveled{l.Handler.WithGroup(name), l.level}
}
