package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/standalone"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// newPolicyFile is what init writes by default.
const newPolicyFile = "defender-endpoint.yml"

// Variables of a policy whose secrets are not in it.
const (
	secretVariable = "DEFENDER_CLIENT_SECRET"
	keyVariable    = "ELASTICSEARCH_API_KEY"
)

// initAnswers are what a policy is made of.
type initAnswers struct{ tenant, client, cloud, hosts, secret, key string }

func newInit() *cobra.Command {
	var given initAnswers
	cmd := &cobra.Command{
		Use:   "init [file]",
		Short: "Write a policy file, from a few questions",
		Long: `init asks for tenant, application, cloud and output, writes a policy file that only its
owner can read, and shows the next commands. What a flag says is not asked for. Secrets are
asked for alone, and left out of the file where the answer is empty: then it names a
variable of the environment. A file that is there already is left alone.`,
		Example: `  defender-endpoint init
  defender-endpoint init prod.yml --tenant contoso.example --cloud commercial`,
		Args: func(cmd *cobra.Command, files []string) error {
			if len(files) > 1 {
				return usage("init: want one file, got %d; see %s --help", len(files), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			path := newPolicyFile
			if len(files) > 0 {
				path = files[0]
			}
			return initPolicy(cmd, path, given)
		},
	}
	cmd.Flags().StringVar(&given.tenant, "tenant", "", "the directory (tenant) id, or a domain of it")
	cmd.Flags().StringVar(&given.client, "client", "", "the application (client) id")
	cmd.Flags().StringVar(&given.cloud, "cloud", "", "where the tenant is: "+strings.Join(api.CloudNames(), ", "))
	cmd.Flags().StringVar(&given.hosts, "hosts", "", "the address of Elasticsearch, such as https://es.example:9200")
	complete(cmd, "cloud", api.CloudNames()...)
	return cmd
}

// initPolicy asks for what was not given, writes the file and says what comes next.
func initPolicy(cmd *cobra.Command, path string, given initAnswers) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return fmt.Errorf("init: %s is a directory; name a file in it", path)
	} else if err == nil {
		return fmt.Errorf("init: %s is there already; name another file, or remove it", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil { // before a person has answered everything
		return fmt.Errorf("init: %w; name a file in a folder that this user can write", err)
	}
	answers, err := askAll(cmd.Context(), newAsker(cmd.InOrStdin(), cmd.ErrOrStderr()), given)
	if err != nil {
		return err
	}
	text, variables := answers.policy()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own file
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("init: %s is there already; name another file, or remove it", path)
	}
	if err != nil {
		return fmt.Errorf("init: %w; name a file in a folder that this user can write", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("init: %w; free space, and remove the file", err)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s is written; only you can read it. Next:\n", path)
	for _, v := range variables {
		fmt.Fprintf(out, "  export %s=...\n", v)
	}
	_, err = fmt.Fprintf(out, `  defender-endpoint check -c %[1]s
  defender-endpoint run -c %[1]s --once --limit 10m
  sudo defender-endpoint install
`, shellWord(path))
	return err
}

var (
	tenantForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)
	clientForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	hostForm   = regexp.MustCompile(`^https?://[^\s/@]+(/\S*)?$`)
)

// askAll asks for everything that was not given.
func askAll(ctx context.Context, a *asker, given initAnswers) (answers initAnswers, err error) {
	matches := func(form *regexp.Regexp, want string) func(string) string {
		return func(text string) string {
			if !form.MatchString(text) {
				return "want " + want
			}
			return ""
		}
	}
	isCloud := func(text string) string {
		if !slices.Contains(api.CloudNames(), text) {
			return "want " + strings.Join(api.CloudNames(), ", ")
		}
		return ""
	}
	for _, q := range []struct {
		flag, given, question, otherwise string
		to                               *string
		wrong                            func(string) string
	}{
		{"tenant", given.tenant, "Directory (tenant) id, or a domain of it", "", &answers.tenant, matches(tenantForm, "a GUID or a domain, such as contoso.example")},
		{"client", given.client, "Application (client) id", "", &answers.client, matches(clientForm, "a GUID: the application id of the app registration")},
		{"cloud", given.cloud, "Cloud: " + strings.Join(api.CloudNames(), ", "), api.CloudNames()[0], &answers.cloud, isCloud},
		{"hosts", given.hosts, "Address of Elasticsearch", "https://localhost:9200", &answers.hosts, matches(hostForm, "an address such as https://es.example:9200, without user and password")},
	} {
		if q.given == "" {
			*q.to, err = a.ask(ctx, q.question, q.otherwise, q.wrong)
			if errors.Is(err, errNoAnswer) {
				return answers, usage("init: there is no answer for --%s; give it as a flag", q.flag)
			} else if err != nil {
				return answers, fmt.Errorf("init: %w", err)
			}
			continue
		}
		if fault := q.wrong(q.given); fault != "" {
			return answers, usage("init: --%s: %s", q.flag, fault)
		}
		*q.to = q.given
	}
	if answers.secret, err = a.hidden(ctx, "Value of the client secret (empty: from "+secretVariable+")"); err != nil {
		return answers, fmt.Errorf("init: %w", err)
	}
	if answers.key, err = a.hidden(ctx, "API key of Elasticsearch, id:key (empty: from "+keyVariable+")"); err != nil {
		return answers, fmt.Errorf("init: %w", err)
	}
	return answers, nil
}

// policy is the file's text, and the variables that it needs.
func (a initAnswers) policy() (text string, variables []string) {
	n := standalone.New{
		Input: defender.Type, Output: "elasticsearch", Datasets: defender.Datasets(),
		Settings: []standalone.Setting{
			{Name: "tenant_id", Value: a.tenant}, {Name: "client_id", Value: a.client},
			{Name: "client_secret", Value: a.secret, Variable: secretVariable},
		},
		Target: []standalone.Setting{
			{Name: "hosts", Value: a.hosts, List: true}, {Name: "api_key", Value: a.key, Variable: keyVariable},
		},
	}
	if a.cloud != api.CloudNames()[0] { // the default
		n.Settings = append(n.Settings, standalone.Setting{Name: "cloud", Value: a.cloud})
	}
	return n.Text()
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+-]+$`)

// shellWord is a word as a shell takes it.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
