package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/check"
	"github.com/defender-endpoint/defender-endpoint/component/standalone"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// checkOptions are the command's flags.
type checkOptions struct {
	path                       string
	tenant, client, secretFile string
	settings                   []string
	offline                    bool
	output                     string
	limit                      time.Duration
}

func newCheck() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [-c policy.yml]",
		Short: "Find out before deployment whether a policy can collect",
		Long: `check asks for a token, makes a few small calls per stream, as collecting will make them,
and looks at the output. It writes nothing anywhere. Exit code 0 means that every stream
can collect and that the output would take its documents.

Without a policy it tries every kind of record with --tenant, --client and --secret-file,
or with AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of the environment.`,
		Example: `  defender-endpoint check -c elastic-agent.yml
  defender-endpoint check -c elastic-agent.yml --offline
  defender-endpoint check --tenant contoso.example --client 11111111-2222-3333-4444-555555555555 --secret-file secret.txt
  defender-endpoint check -c elastic-agent.yml --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output != "text" && o.output != "json" {
				return usage("check: --output: want text or json, got %q", o.output)
			}
			if o.limit <= 0 {
				return usage("check: --limit: want a duration of more than 0, such as 45s")
			}
			policy, err := o.policy()
			if err != nil {
				return o.unreadable(err, cmd.OutOrStdout())
			}
			return o.check(cmd.Context(), policy, printable{cmd.OutOrStdout()}, printable{cmd.ErrOrStderr()})
		},
	}
	policyFlag(cmd, &o.path)
	cmd.Flags().StringVar(&o.tenant, "tenant", "", "without a policy: the directory (tenant) id, or a domain of it")
	cmd.Flags().StringVar(&o.client, "client", "", "without a policy: the application (client) id")
	cmd.Flags().StringVar(&o.secretFile, "secret-file", "", "without a policy: file that holds the value of a client secret; - is standard input")
	cmd.Flags().StringArrayVar(&o.settings, "option", nil, "without a policy: any other setting as name=value; may be given again")
	cmd.Flags().BoolVar(&o.offline, "offline", false, "look at the settings alone, and connect to nothing")
	cmd.Flags().StringVar(&o.output, "output", "text", "form of the report: text or json")
	cmd.Flags().DurationVar(&o.limit, "limit", 45*time.Second, "how long each stream, and then the output, may take")
	completeSettings(cmd, "option")
	complete(cmd, "output", "text", "json")
	return cmd
}

// policy is what is to be tried: of the file, else of the flags, else of the
// environment.
func (o *checkOptions) policy() (standalone.Policy, error) {
	byHand := o.tenant != "" || o.client != "" || o.secretFile != "" || len(o.settings) > 0
	switch {
	case o.path != "" && byHand:
		return standalone.Policy{}, usage("check: -c has all settings; leave out --tenant, --client, --secret-file and --option")
	case o.path != "":
		return readPolicy(o.path)
	}
	source, err := optionsOf(o.settings)
	if err != nil {
		return standalone.Policy{}, usage("check: %w", err)
	}
	for _, s := range []struct{ name, flag, variable string }{
		{"tenant_id", o.tenant, "AZURE_TENANT_ID"}, {"client_id", o.client, "AZURE_CLIENT_ID"}, {"client_secret", "", "AZURE_CLIENT_SECRET"},
	} {
		if s.flag != "" {
			source[s.name] = s.flag
		} else if value := os.Getenv(s.variable); value != "" && source[s.name] == nil {
			source[s.name] = value
		}
	}
	if o.secretFile != "" {
		if source["client_secret"], err = readSecret(o.secretFile); err != nil {
			return standalone.Policy{}, err
		}
	}
	if !byHand && len(source) == 0 {
		return standalone.Policy{}, usage("check: -c policy.yml is required, or --tenant, --client and --secret-file")
	}
	var streams []any
	for _, dataset := range defender.Datasets() {
		streams = append(streams, map[string]any{"id": dataset, "data_stream": map[string]any{"dataset": dataset}})
	}
	source["streams"] = streams
	return standalone.Policy{Units: []component.Unit{{InputID: "command line", Type: defender.Type, Source: source}}}, nil
}

// maxSecret bounds a file with a secret, bytes.
const maxSecret = 64 << 10

// readSecret reads a secret, without the end of the line that editors add.
func readSecret(path string) (string, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil { //nolint:gosec // the operator's own file
			return "", fmt.Errorf("check: --secret-file: %w; name a file that this user can read", err)
		}
		defer f.Close()
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", fmt.Errorf("check: --secret-file: %w; name a file that holds the secret alone", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		if path == "-" {
			path = "standard input"
		}
		return "", fmt.Errorf("check: --secret-file: %s is empty; write the value of a client secret into it", path)
	}
	return secret, nil
}

// check tries a policy and prints what it found.
func (o *checkOptions) check(ctx context.Context, policy standalone.Policy, out, stderr io.Writer) error {
	r := check.Run(ctx, check.Options{
		Input: defender.New(version), Units: policy.Units, Offline: o.offline, Limit: o.limit, Owner: ownerWarning,
	})
	r.Warnings = append(policy.Warnings, r.Warnings...)
	if o.output == "json" {
		if err := encodeReport(out, r); err != nil {
			return err
		}
	} else if err := r.Print(out); err != nil {
		return fmt.Errorf("check: write the report: %w", err)
	}
	if ctx.Err() != nil {
		return errors.New("check: interrupted")
	}
	if o.output != "json" {
		for _, warning := range r.Warnings {
			fmt.Fprintln(stderr, componentName+": warning: "+warning)
		}
	}
	var faults []error
	for _, f := range r.Faults {
		faults = append(faults, errors.New(f.String()))
	}
	return errors.Join(faults...)
}

// unreadable reports a policy that cannot be read: a program reads of it as of any
// other fault.
func (o *checkOptions) unreadable(err error, out io.Writer) error {
	if _, isUsage := errors.AsType[*exitError](err); isUsage || o.output != "json" {
		return err
	}
	var faults []check.Fault
	for _, e := range each(err) {
		faults = append(faults, check.Fault{In: "policy", Text: e.Error()})
	}
	return errors.Join(encodeReport(out, check.Report{Streams: []check.Stream{}, Faults: faults, Warnings: []string{}}), err)
}

func encodeReport(out io.Writer, r check.Report) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("check: write the report: %w", err)
	}
	return nil
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
