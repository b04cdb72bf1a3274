package monitor

import (
	"context"
	"log/slog"
	"runtime"
	"time"
)

// logEvery is how often a line of metrics is written.
const logEvery = 30 * time.Second

// Log writes a line of metrics to the log until ctx ends: what was done since the
// line before, and the present state.
func Log(ctx context.Context, source func() Overview, log *slog.Logger) {
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	var former Stream
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			former = line(source(), former, log)
		}
	}
}

func line(o Overview, former Stream, log *slog.Logger) Stream {
	now, streams, healthy := o.sum()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	log = log.With(
		"seconds", int(logEvery.Seconds()),
		// A stream that was taken out takes its numbers with it.
		"records", max(now.Records-former.Records, 0), "seen_before", max(now.Duplicates-former.Duplicates, 0),
		"quarantined", max(now.Quarantined-former.Quarantined, 0),
		"stored", max(now.Stored-former.Stored, 0), "existing", max(now.Existing-former.Existing, 0),
		"lesser_form", max(now.Minimal+now.Bare-former.Minimal-former.Bare, 0),
		"streams", streams, "streams_healthy", healthy, "worst_lag_seconds", now.LagSeconds,
		"memory_bytes", memory.Sys-memory.HeapReleased)
	if now.QuotaLeft != nil {
		log = log.With("quota_left", *now.QuotaLeft)
	}
	log.Info("metrics")
	return now
}
