package home

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Switch is the environment variable that turns Follow off: false, 0 and so on.
const Switch = "DEFENDER_ENDPOINT_FOLLOW_UPGRADES"

const (
	followPeriod = 250 * time.Millisecond // the rest of a second is for the copy
	failedPause  = 5 * time.Second        // the agent's watcher looks after 30 s
)

// Follow carries the running component into every home of its agent that appears,
// until ctx ends. It returns at once where there is nothing to follow: outside of
// an agent's home, in a container, whose image is what is upgraded, or where
// [Switch] says so.
func Follow(ctx context.Context, log *slog.Logger, name, version string) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	own, ok := homeOf(path)
	if err != nil || !ok || filepath.Dir(path) != own.components() || inContainer() {
		return
	}
	if on, err := strconv.ParseBool(os.Getenv(Switch)); err == nil && !on {
		log.Info("upgrades of the agent are not followed: switched off", "variable", Switch)
		return
	}
	f := follower{
		component: Component{Name: name, Version: version, Binary: path},
		own:       own, log: log, settled: map[home]string{}, failed: map[home]failure{},
	}
	tick := time.NewTicker(followPeriod)
	defer tick.Stop()
	for {
		f.look(ctx)
		select {
		case <-ctx.Done():
			f.look(ctx) // an upgrade may be what ends us
			return
		case <-tick.C:
		}
	}
}

// inContainer knows it as the agent's image says it.
func inContainer() bool { return os.Getenv("ELASTIC_CONTAINER") == "true" }

type follower struct {
	component Component
	own       home
	log       *slog.Logger
	settled   map[home]string // what was decided about, by its mark
	failed    map[home]failure
}

type failure struct {
	reason string
	at     time.Time
}

// look sees to every other home once.
func (f *follower) look(ctx context.Context) {
	spec, err := os.ReadFile(f.component.specIn(f.own.components()))
	if err != nil {
		return // taken out of the agent
	}
	f.component.Spec = spec
	homes, err := homesOf(f.own.top())
	if err != nil {
		return // nothing to see is nothing to carry to
	}
	for _, h := range homes {
		if h == f.own {
			continue
		}
		dir := h.components()
		mark := f.component.in(dir).mark()
		if f.settled[h] == mark || time.Since(f.failed[h].at) < failedPause {
			continue
		}
		if err := f.carry(ctx, h); err != nil {
			f.fail(h, err)
			continue
		}
		f.settled[h] = f.component.in(dir).mark()
	}
}

// carry puts the component into a home where it is missing or older.
func (f *follower) carry(ctx context.Context, h home) error {
	dir := h.components()
	if !f.wanted(ctx, dir) {
		return nil
	}
	began := time.Now()
	if err := f.component.place(dir); err != nil {
		return err
	}
	f.log.Info("carried the component into a new home of the agent",
		"home", string(h), "version", f.component.Version, "milliseconds", time.Since(began).Milliseconds())
	return nil
}

func (f *follower) wanted(ctx context.Context, dir string) bool {
	switch p := f.component.in(dir); {
	case p.binary == nil:
		return true // also beside a lone spec, which keeps the agent from starting
	case sameContent(f.component.Binary, f.component.binaryIn(dir)):
		return p.spec == nil
	default:
		return newer(f.component.Version, f.component.versionIn(ctx, dir))
	}
}

// fail logs each reason of a home once, such as that it is read-only.
func (f *follower) fail(h home, err error) {
	now := failure{reason: err.Error(), at: time.Now()}
	var number syscall.Errno
	if errors.As(err, &number) { // without the temporary name of a file
		now.reason = number.Error()
	}
	was := f.failed[h].reason
	f.failed[h] = now
	if was != now.reason {
		f.log.Warn("cannot carry the component into a new home of the agent, and an upgrade to it would roll back; install can place it there",
			"home", string(h), "error", err)
	}
}
