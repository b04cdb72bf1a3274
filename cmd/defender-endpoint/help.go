package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exitCodes is the one table of them.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "what was asked for is done; run ended by Ctrl-C or --limit is, too"},
	{exitFailed, "it is not done, and standard error says why"},
	{exitUsage, "the command line is wrong, or the program was started by hand without a command"},
	{exitInterrupted, "interrupted by Ctrl-C before it was done"},
}

// environment is what the program reads of it, beside variables in a policy.
var environment = []struct{ name, meaning string }{
	{"AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET", "check without a policy: as whom to ask"},
	{"HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "proxy of connections whose settings name none"},
	{metricsVariable, "run, and under the agent: where to serve metrics, as --metrics"},
	{"NO_COLOR", "run: no colours on a terminal"},
	{"TERM=dumb", "run: no progress line"},
	{"GOGC, GOMEMLIMIT", "Go's collector, in place of what the program chooses by the memory it is allowed"},
}

const policyHelp = `A policy file has the shape of a standalone elastic-agent.yml: outputs by their names,
and inputs, of which those of type microsoft_defender_endpoint count. Keys may be dotted or
nested. A setting may be on the input or on a stream; the stream's wins.

    outputs:
      default: {type: elasticsearch, hosts: ["https://es.example:9200"], api_key: "${env.API_KEY}"}
    inputs:
      - id: defender-1
        type: microsoft_defender_endpoint
        tenant_id: 00000000-0000-0000-0000-000000000000
        client_id: 11111111-1111-1111-1111-111111111111
        client_secret: "${env.CLIENT_SECRET}"
        streams:
          - id: defender-1-log
            data_stream: {dataset: microsoft_defender_endpoint.log}

Variables are read as the agent reads them:
    ${env.NAME}               of the environment; a missing one is a fault
    ${env.A|env.B|'constant'} the first that there is
    $${env.NAME}              the text ${env.NAME}
Nothing else is put in: any other dollar sign is taken as it is. Other providers than env,
and conditions, exist in the agent alone.`

// helpTopics are pages of help that are no commands.
func helpTopics() []*cobra.Command {
	var codes, variables strings.Builder
	for _, c := range exitCodes {
		fmt.Fprintf(&codes, "  %-4d %s\n", c.code, c.meaning)
	}
	for _, v := range environment {
		fmt.Fprintf(&variables, "  %s\n      %s\n", v.name, v.meaning)
	}
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What exit codes mean", Long: "Exit codes of all commands:\n\n" + codes.String()},
		{Use: "environment", Short: "Variables of the environment", Long: "Variables of the environment that the program reads:\n\n" + variables.String()},
		{Use: "policy", Short: "What a policy file looks like", Long: policyHelp},
	}
}
