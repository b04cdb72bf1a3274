package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/home"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/spec"
)

const componentName = "defender-endpoint"

// newInstall makes install and install status.
func newInstall() *cobra.Command {
	var o home.Options
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put this program into an Elastic Agent of this host",
		Long: `install puts this program and its spec into the home that the agent uses, restarts the
agent, and waits until the component is HEALTHY where the agent's policy has an input for it.
Run it as root (administrator), or as the user of an unprivileged agent.`,
		Example: `  defender-endpoint install --dry-run
  sudo defender-endpoint install
  sudo defender-endpoint install --top /srv/Elastic/Agent --no-restart
  defender-endpoint install status`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Wait < 0 {
				return usage("install: --wait: want a duration of 0 or more, such as 2m")
			}
			return withAgent(cmd, o, home.Install)
		},
	}
	agentFlags(cmd, &o)
	cmd.Flags().DurationVar(&o.Wait, "wait", 2*time.Minute, "how long the component may take until it is HEALTHY")
	cmd.AddCommand(newInstallStatus())
	return cmd
}

func newInstallStatus() *cobra.Command {
	var o home.Options
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where the component is installed, and what the agent says about it",
		Long:  "status looks at every home of the agent. Exit code 0 means that the home in use has the component.",
		Example: `  defender-endpoint install status
  sudo defender-endpoint install status --top /srv/Elastic/Agent`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return withAgent(cmd, o, home.Status) },
	}
	topFlag(cmd, &o)
	return cmd
}

func newUninstall() *cobra.Command {
	var o home.Options
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take the component out of an Elastic Agent of this host",
		Long: `uninstall removes the component from every home of the agent and restarts the agent.
Take the input out of the policy first: without the component the agent calls it not supported.`,
		Example: `  defender-endpoint uninstall --dry-run
  sudo defender-endpoint uninstall`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return withAgent(cmd, o, home.Uninstall) },
	}
	agentFlags(cmd, &o)
	return cmd
}

func topFlag(cmd *cobra.Command, o *home.Options) {
	cmd.Flags().StringVar(&o.Top, "top", "", "the agent's folder, its executable or one of its homes; found by service, command and usual folder if not given")
	_ = cmd.MarkFlagDirname("top") // the flag exists
}

func agentFlags(cmd *cobra.Command, o *home.Options) {
	topFlag(cmd, o)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVar(&o.NoRestart, "no-restart", false, "do not restart the agent")
}

// withAgent does something with this program and an agent of this host.
func withAgent(cmd *cobra.Command, o home.Options, do func(context.Context, home.Component, home.Options) error) error {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	o.Out = printable{cmd.OutOrStdout()}
	err = do(cmd.Context(), home.Component{
		Name: componentName, Input: defender.Type, Version: version, Binary: path, Spec: spec.For(runtime.GOOS, runtime.GOARCH),
	}, o)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimPrefix(cmd.CommandPath(), componentName+" "), err)
	}
	return nil
}

// followUpgrades carries the component along until the returned function is called.
func followUpgrades(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { home.Follow(ctx, log, componentName, version) })
	return func() {
		cancel()
		following.Wait()
	}
}
