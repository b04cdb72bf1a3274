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
	"github.com/spf13/pflag"

	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
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
	signal.Ignore(syscall.SIGPIPE) // the write returns an error
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
	for _, e := range each(err) {
		fmt.Fprintln(printable{os.Stderr}, componentName+": "+e.Error())
	}
	os.Exit(exitCode(ctx, err))
}

// each takes joined errors apart.
func each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // what wraps one is one
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
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

// usage is an error of what is on the command line.
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
	var tellVersion bool
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
			if tellVersion {
				_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
				return err
			}
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return underAgent(cmd.Context(), os.Stdin, settings)
		},
	}
	settings.flag(root)
	// A version template of cobra's would link text/template, and the linker would
	// keep every method of every library: 6 MB.
	root.Flags().BoolVarP(&tellVersion, "version", "v", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newInit(), newRun(), newStatus(), newCheck(), newMap(), newDemo(), newInstall(), newUninstall(), newVersion())
	root.AddCommand(helpTopics()...)
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // was just made
	help.Args = func(_ *cobra.Command, args []string) error {
		if found, rest, err := root.Find(args); len(args) > 0 && (err != nil || found == root) {
			return unknownCommand(root, args[0])
		} else if len(rest) > 0 {
			return noArguments(found, rest)
		}
		return nil
	}
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"}) // was just made
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, cmd := range append(completion.Commands(), completion) {
		cmd.Args = noArguments
	}
	return root
}

// noArguments is cobra.NoArgs, which calls an argument an unknown command.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return unknownCommand(cmd, args[0])
	}
	return usage("%s takes no argument %q; see %s --help", cmd.Name(), args[0], cmd.CommandPath())
}

// unknownCommand names the command that is most alike.
func unknownCommand(cmd *cobra.Command, name string) error {
	meant := ""
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if nearest := policy.Nearest(name, names); nearest != "" {
		meant = ", did you mean " + nearest + "?"
	}
	return usage("%s has no command %q%s; see %s --help", cmd.Name(), name, meant, cmd.CommandPath())
}

// wantedFlag is what a flag of a type wants.
var wantedFlag = map[string]string{
	"duration": "a duration such as 30s, 5m or 24h", "int": "a whole number", "uint64": "a whole number of 0 or more", "bool": "true or false",
}

// flagError is an error of flags, with the flag that is most alike.
func flagError(cmd *cobra.Command, err error) error {
	meant := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if nearest := policy.Nearest(unknown.GetSpecifiedName(), names); nearest != "" {
			meant = ", did you mean --" + nearest + "?"
		}
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if want := wantedFlag[invalid.GetFlag().Value.Type()]; want != "" {
			return usage("%s: --%s: want %s, got %q; see %s --help", cmd.Name(), invalid.GetFlag().Name, want, invalid.GetValue(), cmd.CommandPath())
		}
	}
	return usage("%s: %w%s; see %s --help", cmd.Name(), err, meant, cmd.CommandPath())
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "version prints the version of this program, and of Go. --version does the same.",
		Example: "  defender-endpoint version",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = " (" + info.GoVersion + ")"
	}
	return componentName + " " + version + goVersion + "\n"
}
