package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/home"
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

// environment is what the program and its libraries read of it, beside variables in a
// policy.
var environment = []struct{ name, meaning string }{
	{"AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET", "check without a policy: as whom to ask"},
	{"AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST", "credentials: workload_identity: what the settings leave out, as AKS sets it"},
	{"CLOUD_CONNECTORS_ID_TOKEN_FILE", "credentials: federated: file with the assertion, as Elastic sets it"},
	{"WORKLOAD_IDENTITY_ISSUER_URL", "credentials: federated: who issues the assertion, in place of that file"},
	{"WORKLOAD_IDENTITY_SSL_CERT_FILE, WORKLOAD_IDENTITY_SSL_KEY_FILE, WORKLOAD_IDENTITY_SSL_CA_FILE", "credentials: federated: files for the TLS connection to the issuer"},
	{"IDENTITY_ENDPOINT, IDENTITY_HEADER, IDENTITY_SERVER_THUMBPRINT, IMDS_ENDPOINT", "credentials: managed_identity: who gives the tokens, as Azure sets them"},
	{"MSI_ENDPOINT, MSI_SECRET", "the same in Azure Machine Learning and Cloud Shell"},
	{"AZURE_REGIONAL_AUTHORITY_NAME", "credentials: certificate, workload_identity and federated: region of the token service"},
	{"HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "proxy of connections whose settings name none"},
	{metricsVariable, "run, and under the agent: where to serve metrics, as --metrics"},
	{"NO_COLOR", "run: no colours on a terminal"},
	{"TERM=dumb", "run: no progress line"},
	{"SSL_CERT_FILE, SSL_CERT_DIR", "authorities in place of the system's, on Linux"},
	{home.Switch, "under the agent: false carries the component into no new version of the agent"},
	{"ELASTIC_CONTAINER", "true in the agent's image, where upgrades are not followed: the image is what is upgraded"},
	{"AGENTLESS_ELASTICSEARCH_STATE_STORE_INPUT_TYPES", "input types whose checkpoints are kept in Elasticsearch, as in an agentless pod"},
	{"AGENTLESS_ELASTICSEARCH_STATE_STORE_ENABLED", "true keeps all checkpoints there, as older agents ask for it"},
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
