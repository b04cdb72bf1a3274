package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

func newCheck() *cobra.Command {
	var path string
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "check -c policy.yml",
		Short: "Find out before deployment whether a policy can collect",
		Long: `check asks for a token, makes a few small calls per stream and looks at the output, with the
settings of a policy. It writes nothing anywhere. Exit code 0 means that every stream can
collect and that the output would take its documents.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return &exitError{2, errors.New("check: -c policy.yml is required: a standalone elastic-agent.yml")}
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), limit, fmt.Errorf("no answer within %s", limit))
			defer cancel()
			return check(ctx, path, printable{cmd.OutOrStdout()})
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "policy file, in the shape of a standalone elastic-agent.yml")
	cmd.Flags().DurationVar(&limit, "limit", time.Minute, "give up after so long")
	return cmd
}

// check tries a policy's streams and output, and prints what it found.
func check(ctx context.Context, path string, out io.Writer) error {
	policy, err := readPolicy(path)
	if err != nil {
		return err
	}
	for _, warning := range policy.Warnings {
		fmt.Fprintln(out, "warning: "+warning)
	}
	input := defender.New(version)
	var trials []component.StreamTrial
	var faults []error
	var output component.Unit
	for _, u := range policy.Units {
		for _, stray := range component.Strays(input, u) {
			faults = append(faults, fmt.Errorf("%s: %s", unitName(u), stray))
		}
		if u.Output {
			output = u
			continue
		}
		tried, err := component.TryStreams(ctx, input, u)
		if err != nil {
			faults = append(faults, fmt.Errorf("input %s: %w", u.InputID, err))
		}
		trials = append(trials, tried...)
	}
	if len(trials) == 0 {
		return errors.Join(append(faults, errors.New("check: the policy has no stream that could be tried"))...)
	}
	printTrials(out, trials)
	var targets []string
	for _, t := range trials {
		if t.Target != "" {
			targets = append(targets, t.Target)
		}
		if t.Err != nil {
			faults = append(faults, fmt.Errorf("stream %s: %s", t.Stream, component.Explain(input, t.Err)))
		}
	}
	found := component.TryOutput(ctx, output, targets)
	printOutput(out, output.Type, found)
	printOwners(out, found)
	if found.Problem != "" {
		faults = append(faults, fmt.Errorf("output: %s", found.Problem))
	}
	return errors.Join(faults...)
}

// unitName is how a policy's writer calls a unit.
func unitName(u component.Unit) string {
	if u.Output {
		return "output"
	}
	return "input " + u.InputID
}

// printable keeps from a terminal what is neither a character to be seen nor a
// line's end: versions, roles and limits are what the other side wrote.
type printable struct{ io.Writer }

func (p printable) Write(b []byte) (int, error) {
	_, err := io.WriteString(p.Writer, visible(string(b)))
	return len(b), err
}

func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// printTrials prints a row per stream.
func printTrials(out io.Writer, trials []component.StreamTrial) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STREAM\tDATASET\tTOKEN\tROLES\tNEEDS\tHTTP\tNEWEST RECORD\tCALLS LEFT\tRESULT")
	for _, t := range trials {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			t.Stream, t.Dataset, yes(t.Token), orDash(strings.Join(t.Roles, " ")), t.Permission, status(t.Status),
			when(t.Newest), calls(t.Trial), result(t.Trial))
	}
	_ = w.Flush() // to a terminal
	told := map[string]bool{}
	for _, t := range trials {
		for _, note := range t.Notes {
			if !told[note] {
				fmt.Fprintf(out, "  %s\n", note)
			}
			told[note] = true
		}
	}
}

func printOutput(out io.Writer, kind string, found component.OutputTrial) {
	text := "reachable"
	switch {
	case found.Skipped != "":
		text = "not tried: " + found.Skipped
	case found.Problem != "":
		text = "in trouble"
	case found.Unasked:
	case found.Known:
		text += ", may write to every data stream"
	default:
		text += ", privileges not known: the key may not ask"
	}
	if found.Version != "" {
		text += ", version " + found.Version
	}
	fmt.Fprintf(out, "\noutput %s: %s\n", kind, text)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func status(code int) string {
	if code == 0 {
		return "-"
	}
	return fmt.Sprint(code)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func calls(t inputs.Trial) string {
	if !t.Token {
		return "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%d/h %s", t.Quota.HourLeft, t.Limits))
}

func result(t inputs.Trial) string {
	switch {
	case t.Err != nil:
		return "cannot collect, see below"
	case len(t.LeftOut) > 0:
		return "can collect, without " + strings.Join(t.LeftOut, ", ")
	}
	return "can collect"
}
