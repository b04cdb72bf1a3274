package main_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// exitCommand is how a command line ends, and what it says.
type exitCommand struct {
	code int
	says string
}

var exitCommands = map[string]exitCommand{
	"--version":                       {0, "defender-endpoint "},
	"version":                         {0, "defender-endpoint "},
	"help":                            {0, "Available Commands"},
	"help exit-codes":                 {0, "130"},
	"help policy":                     {0, "${env.NAME}"},
	"help environment":                {0, "NO_COLOR"},
	"run --help":                      {0, "--since"},
	"map --resource alert /dev/null":  {0, ""},
	"demo --alerts 1":                 {0, "documents stored"},
	"__complete run --log-format te":  {0, "auto"},
	"__complete map --resource ":      {0, "machine_action"},
	"__complete map --option evid":    {0, "evidence="},
	"check -c no.yml":                 {1, "there is no such file"},
	"run -c no.yml":                   {1, "there is no such file"},
	"map --resource alert no.json":    {1, "there is no such file"},
	"install --top no/such":           {1, "install: "},
	"install status --top no/such":    {1, "install status: "},
	"uninstall --top no/such":         {1, "uninstall: "},
	"status -E path.data=no/such":     {1, "no status file; name the path.data of a process"},
	"status -E pathdata=x":            {1, "warning: -E pathdata: no such setting, did you mean path.data?"},
	"init no/such/policy.yml":         {1, "name a file in a folder that this user can write"},
	"init .":                          {1, "is a directory; name a file in it"},
	"help run x":                      {2, `run takes no argument "x"`},
	"completion bsah":                 {2, "did you mean bash?"},
	"completion bash x":               {2, `bash takes no argument "x"`},
	"check --option x":                {2, "check: --option x: want name=value"},
	"map --resource alert --option x": {2, "map: --option x: want name=value"},
	"run -c x --limit 5":              {2, "run: --limit: want a duration such as 30s, 5m or 24h, got \"5\""},
	"demo --alerts x":                 {2, "demo: --alerts: want a whole number"},
	"demo --seed=-1":                  {2, "demo: --seed: want a whole number of 0 or more"},
	"demo --limit 1ns":                {1, "demo: not all documents had arrived within 1ns; give it longer with --limit"},
	"demo --limit 0s":                 {2, "demo: --limit: want a duration of more than 0"},
	"install --wait=-1s":              {2, "install: --wait: want a duration of 0 or more"},
	"help rnu":                        {2, "did you mean run?"},
	"help install status":             {0, "install status"},
	"rnu":                             {2, "did you mean run?"},
	"chek -c x":                       {2, "did you mean check?"},
	"install statsu":                  {2, "did you mean status?"},
	"something else":                  {2, `no command "something"`},
	"run --onse":                      {2, "did you mean --once?"},
	"run":                             {2, "-c policy.yml is required"},
	"run -c x --log-format xml":       {2, "want auto, text, json"},
	"run -c x --since tomorrow":       {2, "--since"},
	"run -c x --limit soon":           {2, "--limit"},
	"run x":                           {2, `no argument "x"`},
	"check":                           {2, "-c policy.yml is required"},
	"check -E path.data=x":            {2, "unknown shorthand flag"},
	"check -c x --limit 0s":           {2, "--limit"},
	"map":                             {2, "want one of alert"},
	"map --resource alrt":             {2, "want one of alert"},
	"demo --alerts=-1":                {2, "want 0 or more"},
	"demo --output kafkaesque":        {2, "--output: want "},
	"install --wait never":            {2, "--wait"},
}

// TestExitCodes: 0 for what is done, 1 for what is not, 2 for a wrong command line; 130
// is TestInterrupted's. Each that is not 0 says why, and what was probably meant.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	tenant := defendertest.New(defendertest.Options{Seed: 6, Alerts: 1})
	_, es := newElasticsearch(t)
	dir, file := writePolicy(t, policy(listen(t, tenant), es))
	commands := maps.Clone(exitCommands)
	commands["check -c "+file] = exitCommand{0, "can collect"}
	commands["run --once -c "+file] = exitCommand{0, "stored"}
	for line, c := range commands {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			code, out := both(t, dir, strings.Fields(line)...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.says, out)
			}
			if code != 0 && !strings.HasPrefix(out, "defender-endpoint: ") {
				t.Errorf("does not begin with who says it:\n%s", out)
			}
		})
	}
}
