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

	"github.com/defender-endpoint/defender-endpoint/spec"
)

// version is the release's; its builds set it with -ldflags "-X main.version=...".
var version = spec.Version + "-dev"

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
	signal.Ignore(syscall.SIGPIPE) // writing tells of it
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &standardOutput{Writer: os.Stdout, failed: cancel}
	root := newRoot()
	root.SetOut(out)
	if cmd, _, err := root.Find(os.Args[1:]); err == nil && cmd != root {
		context.AfterFunc(ctx, stop) // a person's second Ctrl-C ends the program at once
	}
	err := root.ExecuteContext(ctx)
	if out.err != nil { // everything else follows from it
		err = &exitError{exitFailed, out.reason()}
	}
	if err == nil {
		return
	}
	fmt.Fprintln(printable{os.Stderr}, "defender-endpoint: "+err.Error())
	os.Exit(exitCode(ctx, err))
}

// Exit codes, beside 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell has it of Ctrl-C
)

func exitCode(ctx context.Context, err error) int {
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.code
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

// usage is an error of what stands on the command line.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// policyFlag is -c of all commands that read a policy.
func policyFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "policy file, in the shape of a standalone elastic-agent.yml")
	_ = cmd.MarkFlagFilename("config", "yml", "yaml") // the flag exists
}

// complete makes shells complete the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
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
	root.AddCommand(newRun(), newStatus(), newCheck(), newMap(), newDemo(), newInstall(), newUninstall(), newVersion())
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
