package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// run is what the command was asked for.
type run struct {
	path      string
	settings  settings
	once      bool
	limit     time.Duration // 0: none
	since     time.Time     // zero: continue where the last run stopped
	metrics   string        // address; "" serves none
	logFormat string
	stderr    io.Writer
}

func newRun() *cobra.Command {
	var r run
	var since string
	cmd := &cobra.Command{
		Use:   "run -c policy.yml",
		Short: "Collect with a policy file in place of an agent",
		Long: `run collects what a policy file says until it is stopped: by Ctrl-C, or after --limit.
With --once it ends when every stream has caught up, and exit code 0 says that all was
acknowledged. A second Ctrl-C ends it at once; nothing that was acknowledged is lost.`,
		Args: noArguments,
		Example: `  defender-endpoint run -c elastic-agent.yml
  defender-endpoint run -c elastic-agent.yml --once -E path.data=/var/lib/defender-endpoint
  defender-endpoint run -c elastic-agent.yml --once --since 48h --limit 1h`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.path == "" {
				return usage("run: -c policy.yml is required: a standalone elastic-agent.yml; defender-endpoint init writes one")
			}
			if r.limit < 0 {
				return usage("run: --limit: want a duration of 0 or more, such as 10m")
			}
			r.metrics = cmp.Or(r.metrics, os.Getenv(metricsVariable))
			if since != "" {
				var err error
				if r.since, err = component.Since(since, time.Now()); err != nil {
					return usage("run: --since: %w", err)
				}
			}
			r.stderr = cmd.ErrOrStderr()
			return r.policy(cmd.Context())
		},
	}
	r.settings.flag(cmd)
	policyFlag(cmd, &r.path)
	cmd.Flags().BoolVar(&r.once, "once", false, "read every stream until caught up, print a summary and exit; 0 only if all was acknowledged")
	cmd.Flags().DurationVar(&r.limit, "limit", 0, "end after so long; with --once exit 1 unless all had caught up")
	cmd.Flags().StringVar(&r.metrics, "metrics", "", "serve Prometheus metrics on unix:///path or a loopback address such as 127.0.0.1:9464; $"+metricsVariable)
	cmd.Flags().StringVar(&since, "since", "", "collect again from this time on: RFC 3339, or how long ago, such as 48h")
	cmd.Flags().StringVar(&r.logFormat, "log-format", "auto", "form of log lines: "+strings.Join(logFormats, ", ")+"; auto is text on a terminal, else json")
	complete(cmd, "log-format", logFormats...)
	return cmd
}

// policy runs the units of a policy until ctx ends, or once.
func (r *run) policy(ctx context.Context) error {
	level := new(slog.LevelVar)
	screen := newConsole(r.stderr)
	log, err := newConsoleLog(screen, r.logFormat, level)
	if err != nil {
		return usage("run: %w", err)
	}
	policy, err := readPolicy(r.path)
	if err != nil {
		return err
	}
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
		fmt.Fprintln(screen, again(r.since, input, units))
	}
	board := newBoard(log, screen)
	for i := range units {
		units[i].Report = board.reporter(units[i])
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
	defer watching{c.Overview, cursors.dir, r.metrics, log}.start(ctx)() // until all has stopped
	defer c.Stop()
	c.Apply(context.WithoutCancel(ctx), units)
	return r.wait(ctx, c, board)
}

// wait waits for the end of what was asked for, and sums up.
func (r *run) wait(ctx context.Context, c *component.Component, board *board) error {
	started := time.Now()
	var over <-chan time.Time
	if r.limit > 0 {
		timer := time.NewTimer(r.limit)
		defer timer.Stop()
		over = timer.C
	}
	done, dead := make(chan []error, 1), board.dead
	if r.once {
		go func() { done <- c.Wait() }()
	} else {
		dead = nil // a policy that is corrected needs another run; a unit that is well collects
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer func() { board.sumUp(c.Totals(), time.Since(started)) }()
	for {
		select {
		case errs := <-done:
			return errors.Join(board.troubled(errs)...)
		case <-dead:
			return errors.Join(board.troubled(nil)...)
		case <-ctx.Done():
			if r.once {
				return errors.New("run: interrupted before all streams had caught up")
			}
			return nil
		case <-over:
			if r.once {
				return errors.Join(board.troubled([]error{fmt.Errorf("run: not all streams had caught up within %s", r.limit)})...)
			}
			return nil
		case <-tick.C:
			board.progress(c.Totals(), time.Since(started))
		}
	}
}

// again says what collecting again will do. Streams that cannot run do not count:
// their unit reports them.
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
