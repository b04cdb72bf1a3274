package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/gofrs/uuid/v5"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func newRun() *cobra.Command {
	var settings settings
	var path, since string
	var once bool
	cmd := &cobra.Command{
		Use:   "run -c policy.yml",
		Short: "Collect with a policy file in place of an agent",
		Args:  noArguments,
		Example: `  defender-endpoint run -c elastic-agent.yml
  defender-endpoint run -c elastic-agent.yml --once -E path.data=/var/lib/defender-endpoint
  defender-endpoint run -c elastic-agent.yml --once --since 48h`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return &exitError{2, errors.New("run: -c policy.yml is required: a standalone elastic-agent.yml")}
			}
			r := run{path: path, settings: settings, once: once, stderr: cmd.ErrOrStderr()}
			if since != "" {
				var err error
				if r.since, err = component.Since(since, time.Now()); err != nil {
					return &exitError{2, fmt.Errorf("run: --since: %w", err)}
				}
			}
			return r.policy(cmd.Context())
		},
	}
	settings.flag(cmd)
	cmd.Flags().StringVarP(&path, "config", "c", "", "policy file, in the shape of a standalone elastic-agent.yml")
	cmd.Flags().BoolVar(&once, "once", false, "read every stream until caught up, print a summary and exit; 0 only if all was acknowledged")
	cmd.Flags().StringVar(&since, "since", "", "collect again from this time on: RFC 3339, or how long ago, such as 48h")
	return cmd
}

// run is what the command was asked for.
type run struct {
	path     string
	settings settings
	once     bool
	since    time.Time // zero: continue where the last run stopped
	stderr   io.Writer
}

// policy runs the units of a policy until ctx ends, or once.
func (r *run) policy(ctx context.Context) error {
	policy, err := readPolicy(r.path)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log := newLog(r.stderr, level)
	for _, warning := range append(r.settings.strays(), policy.Warnings...) {
		log.Warn(warning)
	}
	dataPath, units := r.settings.dataPath(), policy.Units
	cursors, err := openCursors(log, dataPath)
	if err != nil {
		return err
	}
	defer cursors.close()
	log.Info("state directory", "path", dataPath)
	input := newInput(dataPath)
	if !r.since.IsZero() {
		fmt.Fprintln(r.stderr, again(r.since, input, units))
	}
	board := newBoard(log, r.stderr)
	for i := range units {
		units[i].Report = board.reporter(units[i].ID)
	}
	c := component.New(component.Options{
		Input:    input,
		Cursors:  cursors,
		Log:      log,
		Level:    level,
		Agent:    collector(),
		Once:     r.once,
		Since:    r.since,
		OnOutput: cursors.onOutput,
	})
	started := time.Now()
	c.Apply(context.WithoutCancel(ctx), units)
	if !r.once {
		<-ctx.Done()
		c.Stop()
		return nil
	}
	return board.finish(ctx, c, started)
}

// again says what collecting again will do. Streams that cannot run do not count:
// their unit tells of them.
func again(since time.Time, input inputs.Input, units []component.Unit) string {
	count := 0
	for _, u := range units {
		if u.Output {
			continue
		}
		streams, _ := input.Streams(inputs.Unit{ID: u.InputID, Namespace: u.Namespace, Source: u.Source})
		for _, s := range streams {
			if s.Fault == nil {
				count++
			}
		}
	}
	return fmt.Sprintf("Collecting again from %s, streams: %d. Documents that the write index of their data stream holds count as already there; "+
		"those that were rolled over are stored again, and so is every machine.", since.Format(time.RFC3339), count)
}

// collector names the collector where there is no agent.
func collector() func() inputs.Agent {
	host, _ := os.Hostname()
	id := uuid.Must(uuid.NewV4()).String()
	return func() inputs.Agent {
		return inputs.Agent{ID: id, Name: host, Type: "defender-endpoint", Version: version, EphemeralID: id}
	}
}

// board keeps the states of the units of a policy, as an agent would.
type board struct {
	log    *slog.Logger
	stderr io.Writer
	show   bool // a progress line

	mu     sync.Mutex
	states map[string]state
}

type state struct {
	state   client.UnitState
	message string
	payload map[string]any
}

func newBoard(log *slog.Logger, stderr io.Writer) *board {
	f, ok := stderr.(*os.File)
	return &board{log: log, stderr: stderr, show: ok && term.IsTerminal(int(f.Fd())), states: map[string]state{}}
}

func (b *board) reporter(id string) component.Report {
	return func(s client.UnitState, message string, payload map[string]any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		former := b.states[id]
		b.states[id] = state{s, message, payload}
		if former.state != s || former.message != message {
			b.log.Info("unit state", "unit.id", id, "state", s.String(), "reason", message)
		}
	}
}

// finish waits for every stream to catch up and sums up.
func (b *board) finish(ctx context.Context, c *component.Component, started time.Time) error {
	done := make(chan []error, 1)
	go func() { done <- c.Wait() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var errs []error
	for waiting := true; waiting; {
		select {
		case errs = <-done:
			waiting = false
		case <-ctx.Done():
			c.Stop()
			return errors.New("run: interrupted before all streams had caught up")
		case <-tick.C:
			if b.show {
				fmt.Fprintf(b.stderr, "\r%s", b.summary(started))
			}
		}
	}
	if troubled := b.troubled(len(errs) > 0); len(troubled) > 0 {
		errs = troubled // says the same with the remedy
	}
	fmt.Fprintln(b.stderr, b.summary(started))
	c.Stop()
	return errors.Join(errs...)
}

// troubled lists the units that failed, and with all every one that is not green.
// Records that were quarantined and documents that were refused are stored.
func (b *board) troubled(all bool) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for id, s := range b.states {
		if s.state == client.UnitStateFailed || s.state == client.UnitStateDegraded && all {
			errs = append(errs, fmt.Errorf("unit %s: %s", id, s.message))
		}
	}
	return errs
}

// summary sums the counters of all streams. Documents are what was stored, what
// was there already and what was refused and stored in minimal or bare form.
func (b *board) summary(started time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sums := map[string]int{}
	for _, s := range b.states {
		streams, _ := s.payload["streams"].(map[string]any)
		for _, stream := range streams {
			counters, _ := stream.(map[string]any)
			for name, v := range counters {
				if n, ok := v.(int); ok {
					sums[name] += n
				}
			}
		}
	}
	return fmt.Sprintf("records %d (seen before %d, quarantined %d), documents %d = stored %d + already there %d + minimal %d + bare %d, in the failure store %d, %.1f s",
		sums["records"], sums["duplicates"], sums["quarantined"],
		sums["documents"], sums["stored"], sums["existing"], sums["minimal"], sums["bare"], sums["failure_store"], time.Since(started).Seconds())
}
