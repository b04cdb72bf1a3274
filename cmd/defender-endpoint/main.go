package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// version is the release; builds set it with -ldflags "-X main.version=...".
var version = "0.1.0-dev"

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limitMemory()
	err := newRoot().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(printable{os.Stderr}, "defender-endpoint: "+err.Error())
	var exit *exitError
	if errors.As(err, &exit) {
		os.Exit(exit.code)
	}
	os.Exit(1)
}

func newRoot() *cobra.Command {
	var settings settings
	root := &cobra.Command{
		Use:   "defender-endpoint",
		Short: "Collect Microsoft Defender for Endpoint data under Elastic Agent",
		Long: `defender-endpoint is an input component of Elastic Agent, which spawns it without a
subcommand and tells it what to do over gRPC. To try it by hand, use a subcommand.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// The agent adds flags as it likes (AGENT.md 1.3).
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &exitError{2, fmt.Errorf("unknown command %q; see defender-endpoint --help", args[0])}
			}
			return underAgent(cmd.Context(), os.Stdin, settings)
		},
	}
	settings.flag(root)
	root.AddCommand(newRun(), newCheck(), newMap(), newDemo(), newInstall(), newUninstall(), newVersion())
	return root
}

// noArguments is cobra.NoArgs, which calls an argument an unknown command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument %q; see %s --help", cmd.Name(), args[0], cmd.CommandPath())
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			goVersion := ""
			if info != nil {
				goVersion = " (" + info.GoVersion + ")"
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "defender-endpoint "+version+goVersion)
			return err
		},
	}
}
