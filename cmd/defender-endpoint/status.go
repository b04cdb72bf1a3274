package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/home"
	"github.com/defender-endpoint/defender-endpoint/component/monitor"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// watchEvery is how often status --watch looks again.
const watchEvery = 2 * time.Second

// look is what the command was asked for.
type look struct {
	dataPath string // named by the caller; "" looks for state directories
	top      string // of the agent
	json     bool
	out      io.Writer
	clear    string // what clears the screen; "" where there is none
}

func newStatus() *cobra.Command {
	var s look
	var given settings
	var watch bool
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the streams of a running process are doing",
		Long: `status reads what a process under Elastic Agent, or one started by run, writes into its
state directory every ten seconds. It looks into the directory named with -E path.data=DIR,
else into the present folder and the agent of this host. Run it as a user who may read there.
Exit code 0 means that every unit of every process is HEALTHY.`,
		Example: `  sudo defender-endpoint status
  defender-endpoint status --watch -E path.data=/var/lib/defender-endpoint
  defender-endpoint status --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usage("status: --output %s: want text or json", format)
			}
			s.json, s.out = format == "json", printable{cmd.OutOrStdout()}
			if !s.json && isTerminal(cmd.OutOrStdout()) {
				s.clear = "\x1b[H\x1b[2J"
			}
			for _, stray := range given.strays() {
				fmt.Fprintln(cmd.ErrOrStderr(), componentName+": warning: "+stray)
			}
			if len(given.given) > 0 {
				s.dataPath = given.dataPath()
			}
			if watch {
				return s.watch(cmd.Context(), cmd.OutOrStdout())
			}
			return s.show(time.Now())
		},
	}
	given.flag(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again every two seconds, until interrupted")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	complete(cmd, "output", "text", "json")
	cmd.Flags().StringVar(&s.top, "top", "", "the agent's folder, its executable or one of its homes; found if not given")
	return cmd
}

// dirs are the state directories to look into. None is an error.
func (s look) dirs() ([]string, error) {
	if s.dataPath != "" {
		return []string{s.dataPath}, nil
	}
	dirs, err := home.WorkFolders(s.top, defender.Type)
	if err != nil && s.top != "" {
		return nil, err
	}
	return append(dirs, settings{}.dataPath()), nil
}

// read reads every status file there is.
func (s look) read() ([]monitor.Overview, error) {
	dirs, err := s.dirs()
	if err != nil {
		return nil, err
	}
	var found []monitor.Overview
	var errs []error
	for _, dir := range dirs {
		o, err := monitor.Read(dir)
		switch {
		case err == nil:
			found = append(found, o)
		case !errors.Is(err, monitor.ErrNone) || s.dataPath != "":
			errs = append(errs, err)
		}
	}
	if len(found) == 0 && len(errs) == 0 {
		return nil, errors.New("no process has left a status here or below an agent's home: " +
			"name the state directory with -E path.data=DIR, or the agent with --top; who may not read the agent's folder sees nothing")
	}
	return found, errors.Join(errs...)
}

// show prints all processes once. The error says that not all is well.
func (s look) show(now time.Time) error {
	found, err := s.read()
	if s.json {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		if found == nil {
			found = []monitor.Overview{}
		}
		if err := encoder.Encode(found); err != nil {
			return err
		}
	} else {
		for i, o := range found {
			if i > 0 {
				fmt.Fprintln(s.out)
			}
			monitor.Table(s.out, o, now)
		}
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return unwell(found, now)
}

func unwell(found []monitor.Overview, now time.Time) error {
	for _, o := range found {
		switch worst := o.Worst(); {
		case o.Ended:
			return errors.New("status: the process has ended")
		case now.Sub(o.At) > monitor.Stale:
			return fmt.Errorf("status: process %d has not written its status for %s", o.PID, now.Sub(o.At).Truncate(time.Second))
		case worst == "":
			return errors.New("status: no unit runs")
		case worst != "HEALTHY":
			return fmt.Errorf("status: a unit is %s", worst)
		}
	}
	return nil
}

// watch shows until ctx ends.
func (s look) watch(ctx context.Context, screen io.Writer) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		fmt.Fprint(screen, s.clear)
		if err := s.show(time.Now()); err != nil {
			fmt.Fprintln(s.out, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
