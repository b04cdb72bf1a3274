package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/standalone"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// settings are what -E gives, as name=value.
type settings struct{ given []string }

// pathData is where state lives; the agent gives no other setting (AGENT.md 1.3).
const pathData = "path.data"

func (s *settings) flag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&s.given, "E", "E", nil, "setting as Elastic Agent passes it: path.data=DIR is where state lives")
	_ = cmd.RegisterFlagCompletionFunc("E", cobra.FixedCompletions([]string{pathData + "="}, cobra.ShellCompDirectiveNoSpace)) // the flag exists
}

// dataPath is the folder for state; without the setting it is one beside where the
// process was started.
func (s settings) dataPath() string {
	path := "defender-endpoint-state"
	for _, given := range s.given {
		if v, ok := strings.CutPrefix(given, pathData+"="); ok {
			path = v
		}
	}
	return path
}

// strays lists the settings that have no effect.
func (s settings) strays() []string {
	var found []string
	for _, given := range s.given {
		if name, _, _ := strings.Cut(given, "="); name != pathData {
			found = append(found, "-E "+policy.Stray{Name: name, Nearest: policy.Nearest(name, []string{pathData})}.String())
		}
	}
	return found
}

// completeSettings makes shells complete the names of a flag that is name=value.
func completeSettings(cmd *cobra.Command, flag string) {
	var names []string
	for _, name := range policy.Names(defender.New(version).Settings()...) {
		names = append(names, name+"=")
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoSpace)) // the flag exists
}

// readPolicy reads a policy with the variables of this process.
func readPolicy(path string) (standalone.Policy, error) {
	return standalone.Read(path, defender.New(version), os.LookupEnv)
}
