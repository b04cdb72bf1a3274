package component

import (
	"fmt"
	"strings"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
)

// Where a condition shows.
const (
	onInput  = "input"
	onStream = "stream" // in the payload, and as the worst stream in the input's message
	onOutput = "output"
)

// Condition is a row of the health truth table: a state, its text, and how it
// clears. The table is the only source of texts that a unit shows.
type Condition struct {
	Name  string
	Unit  string // input, stream or output
	State client.UnitState
	// Message is the text. What stands in braces is filled in: {call} the
	// request, {code} status and code, {cause} a network's or a setting's own
	// words, {remedy} what the other side asks for. None of them changes while
	// the cause stays, and none holds a secret or what a tenant owns.
	Message string
	Clears  string
	// Lasting is trouble that may be over with the next try: a unit that was
	// well shows it from the second failed poll in a row on.
	Lasting bool
}

// Lifecycle and well-being.
var (
	starting    = &Condition{Name: "starting", Unit: onInput, State: client.UnitStateStarting, Message: "starting", Clears: "by itself"}
	waiting     = &Condition{Name: "no output yet", Unit: onInput, State: client.UnitStateStarting, Message: "waiting for the output's configuration", Clears: "when the output's configuration arrives"}
	configuring = &Condition{Name: "configuring", Unit: onInput, State: client.UnitStateConfiguring, Message: "starting streams", Clears: "by itself"}
	firstPoll   = &Condition{Name: "first poll", Unit: onStream, State: client.UnitStateConfiguring, Message: "first poll under way", Clears: "with the first documents or the end of the poll"}
	collecting  = &Condition{Name: "collecting", Unit: onStream, State: client.UnitStateHealthy, Message: "collecting"}
	tracing     = &Condition{
		Name: "request tracer on", Unit: onStream, State: client.UnitStateHealthy,
		Message: "collecting; {cause}",
		Clears:  "when enable_request_tracer is false",
	}
	configuringOutput = &Condition{Name: "configuring the output", Unit: onOutput, State: client.UnitStateConfiguring, Message: "configuring the output", Clears: "by itself"}
	publishing        = &Condition{Name: "publishing", Unit: onOutput, State: client.UnitStateHealthy, Message: "publishing"}
	stoppingInput     = &Condition{Name: "stopping", Unit: onInput, State: client.UnitStateStopping, Message: "stopping", Clears: "when the batch in hand is acknowledged, or 8s later"}
	stoppedInput      = &Condition{Name: "stopped", Unit: onInput, State: client.UnitStateStopped, Message: "stopped", Clears: "when the agent wants the unit again"}
	stoppingOutput    = &Condition{Name: "output stopping", Unit: onOutput, State: client.UnitStateStopping, Message: "stopping", Clears: "by itself"}
	stoppedOutput     = &Condition{Name: "output stopped", Unit: onOutput, State: client.UnitStateStopped, Message: "stopped", Clears: "when the agent wants the unit again"}
)

// Settings.
var (
	badSetting = &Condition{
		Name: "bad setting, unknown dataset, unsupported processor", Unit: onInput, State: client.UnitStateFailed,
		Message: "{cause}", Clears: "when the policy names right settings; all faults are listed at once",
	}
	noStreams = &Condition{
		Name: "no streams", Unit: onInput, State: client.UnitStateDegraded,
		Message: "no stream is enabled; enable one in the policy", Clears: "when the policy has an enabled stream",
	}
	badOutput = &Condition{
		Name: "bad output setting", Unit: onOutput, State: client.UnitStateFailed,
		Message: "{cause}", Clears: "when the policy names right settings; batches wait meanwhile",
	}
)

const (
	withRightSettings = "with the first full poll after the policy holds the right settings"
	byItself          = "with the first full poll; trying goes on by itself"
)

// The API and its token service.
var (
	wrongSecret = &Condition{
		Name: "wrong secret", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the client secret is wrong ({code}); enter the value of the client secret, not its ID, in client_secret",
		Clears:  withRightSettings,
	}
	expiredSecret = &Condition{
		Name: "expired secret", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the client secret has expired ({code}); create a new one and enter its value in client_secret",
		Clears:  withRightSettings,
	}
	unknownApplication = &Condition{
		Name: "unknown application", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the application is not in this tenant ({code}); check client_id and tenant_id",
		Clears:  withRightSettings,
	}
	tokenRefused = &Condition{
		Name: "token of another cloud", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the API does not take the token ({code}); check that url and token_scopes belong to the same cloud",
		Clears:  withRightSettings,
	}
	credentialsRefused = &Condition{
		Name: "credentials refused", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: credentials refused ({code}); {remedy}",
		Clears:  withRightSettings + ", or consent is given",
	}
	unknownTenant = &Condition{
		Name: "unknown tenant", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: there is no such tenant ({code}); check tenant_id, and that login_url belongs to the tenant's cloud",
		Clears:  withRightSettings,
	}
	wrongCloud = &Condition{
		Name: "wrong cloud", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the settings belong to another cloud than the tenant ({code}); set login_url, token_scopes and url of the tenant's cloud, and check that it has Microsoft Defender for Endpoint",
		Clears:  withRightSettings,
	}
	untrusted = &Condition{
		Name: "TLS failure", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: no TLS connection: {cause}; check ssl.certificate_authorities and url, and whether a proxy replaces the certificate",
		Clears:  byItself,
	}
	proxyRefuses = &Condition{
		Name: "proxy refuses", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: the proxy refuses the connection ({code}); check the credentials in proxy_url and that the proxy lets this host through",
		Clears:  byItself,
	}
	misconfigured = &Condition{
		Name: "request does not fit", Unit: onStream, State: client.UnitStateFailed,
		Message: "{call}: request refused ({code}); {remedy}",
		Clears:  withRightSettings,
	}
	permissionMissing = &Condition{
		Name: "missing permission or consent", Unit: onStream, State: client.UnitStateDegraded,
		Message: "{call}: permission missing ({code}); {remedy}",
		Clears:  "with the first full poll after consent; the token is renewed within a minute",
	}
	throttled = &Condition{
		Name: "throttled for longer than a poll", Unit: onStream, State: client.UnitStateDegraded,
		Message: "{call}: throttled by the API ({code}); collecting goes on by itself; other programs may share the application's quota",
		Clears:  byItself,
	}
	quotaGone = &Condition{
		Name: "hourly quota gone", Unit: onStream, State: client.UnitStateDegraded,
		Message: "{call}: the quota of the hour is used up ({code}); collecting goes on by itself within the hour; raise interval, or find what else uses this application",
		Clears:  "when the API takes calls again, within the hour",
	}
	proxyUnreachable = &Condition{
		Name: "proxy failure", Unit: onStream, State: client.UnitStateDegraded, Lasting: true,
		Message: "{call}: no connection to the proxy: {cause}; trying again; check proxy_url and the network",
		Clears:  byItself,
	}
	serverFails = &Condition{
		Name: "API fails (5xx)", Unit: onStream, State: client.UnitStateDegraded, Lasting: true,
		Message: "{call}: the service fails ({code}); trying again; if it stays, look at Microsoft's service health",
		Clears:  byItself,
	}
	unreachable = &Condition{
		Name: "API unreachable", Unit: onStream, State: client.UnitStateDegraded, Lasting: true,
		Message: "{call}: no connection: {cause}; trying again; check url, login_url, proxy_url and the network",
		Clears:  byItself,
	}
	malformed = &Condition{
		Name: "malformed answers", Unit: onStream, State: client.UnitStateDegraded, Lasting: true,
		Message: "{call}: the answer cannot be used: {cause}; trying again; check that url and proxy_url lead to the API",
		Clears:  byItself,
	}
	refused = &Condition{
		Name: "request refused", Unit: onStream, State: client.UnitStateDegraded,
		Message: "{call}: the API refuses the request ({code}); trying again; {remedy}",
		Clears:  byItself,
	}
)

// What is collected.
var (
	quarantined = &Condition{
		Name: "records quarantined", Unit: onStream, State: client.UnitStateDegraded,
		Message: "some records could not be mapped cleanly; they are stored with event.kind pipeline_error and their original, error.message names the field",
		Clears:  fmt.Sprintf("after %d full polls without such a record", clean),
	}
	fallingBehind = &Condition{
		Name: "cursor stuck or lag growing", Unit: onStream, State: client.UnitStateDegraded,
		Message: "reading does not catch up with new records; raise batch_size, and look at output and quota",
		Clears:  "when the poll gets nearer to the present, or ends",
	}
	checkpointFails = &Condition{
		Name: "checkpoint not writable", Unit: onStream, State: client.UnitStateDegraded,
		Message: "checkpoint cannot be kept: {cause}; check the state directory's space and permissions; nothing is lost, but a restart reads again",
		Clears:  "with the first full poll after a checkpoint could be saved",
	}
	streamFails = &Condition{
		Name: "other trouble", Unit: onStream, State: client.UnitStateDegraded,
		Message: "{cause}", Clears: byItself,
	}
)

const whenTaken = "with the first documents that get through; batches wait meanwhile and nothing is lost"

// The output.
var (
	elasticsearchUnreachable = &Condition{
		Name: "Elasticsearch unreachable", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "no connection to Elasticsearch: {cause}; trying again; check hosts, network, proxy_url and ssl", Clears: whenTaken,
	}
	elasticsearchUnauthorized = &Condition{
		Name: "Elasticsearch 401", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "Elasticsearch refuses the credentials ({code}); check api_key, or username and password", Clears: whenTaken,
	}
	elasticsearchForbidden = &Condition{
		Name: "Elasticsearch 403", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the key may not write to Elasticsearch ({code}); grant it auto_configure and create_doc on the data streams", Clears: whenTaken,
	}
	indexRefused = &Condition{
		Name: "index refused", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the key may not write to {target} ({code}); grant it auto_configure and create_doc there", Clears: whenTaken,
	}
	elasticsearchSilent = &Condition{
		Name: "Elasticsearch silent", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "Elasticsearch does not answer; trying again; look at its load, and at hosts, network and proxy_url", Clears: whenTaken,
	}
	elasticsearchBusy = &Condition{
		Name: "Elasticsearch busy", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "Elasticsearch takes documents too slowly ({code}); trying again slower; look at its load", Clears: whenTaken,
	}
	elasticsearchFails = &Condition{
		Name: "Elasticsearch fails", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "Elasticsearch fails ({code}); trying again; look at its health", Clears: whenTaken,
	}
	elasticsearchRefuses = &Condition{
		Name: "requests refused", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "bulk requests are refused ({code}); check that hosts and path lead to Elasticsearch itself, and what a proxy or firewall in front of it refuses", Clears: whenTaken,
	}
	indexMissing = &Condition{
		Name: "index missing or closed", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "{target} has no index to write to ({code}); open its write index, or install its index template again", Clears: whenTaken,
	}
	pipelineMissing = &Condition{
		Name: "pipeline missing", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "{target} needs something that is not there ({code}); install its ingest pipelines again", Clears: whenTaken,
	}
	noShards = &Condition{
		Name: "no room for an index", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the cluster makes no new index for {target} ({code}); delete indices, add nodes or raise cluster.max_shards_per_node", Clears: whenTaken,
	}
	writeBlocked = &Condition{
		Name: "index blocked", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "{target} is blocked for writing ({code}); remove the block from its write index", Clears: whenTaken,
	}
	diskFull = &Condition{
		Name: "disk full", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the cluster has no disk space left for {target} ({code}); free or add space", Clears: whenTaken,
	}
	formsRefused = &Condition{
		Name: "refused in every form", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "{target} takes no document, not even one without content ({code}); repair its index template, mapping or ingest pipeline", Clears: whenTaken,
	}
	documentsRefused = &Condition{
		Name: "documents refused", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "some documents are stored in minimal form with event.kind pipeline_error, since the full ones were refused; the log and diagnostics name error types and fields; repair the index template or pipeline",
		Clears:  fmt.Sprintf("after %d deliveries without a refusal", clean),
	}
	inFailureStore = &Condition{
		Name: "documents in the failure store", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "some documents went to the failure store of their data stream, and are stored in minimal form with event.kind pipeline_error; the failure store says why; repair the index template or pipeline",
		Clears:  fmt.Sprintf("after %d deliveries without a refusal", clean),
	}
	shipperGone = &Condition{
		Name: "shipper gone", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "no connection to the shipper; trying again; see the shipper's own state in the agent", Clears: whenTaken,
	}
	shipperFull = &Condition{
		Name: "shipper queue full", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the shipper takes no more documents; trying again; its output is too slow or in trouble", Clears: whenTaken,
	}
	shipperRefuses = &Condition{
		Name: "shipper refuses", Unit: onOutput, State: client.UnitStateDegraded,
		Message: "the shipper refuses documents; trying again; check ssl of shipper and component", Clears: whenTaken,
	}
)

// Conditions is the health truth table, in the order of the documents.
func Conditions() []*Condition {
	return []*Condition{
		starting, waiting, configuring, firstPoll, collecting, tracing, stoppingInput, stoppedInput,
		badSetting, noStreams,
		wrongSecret, expiredSecret, unknownApplication, credentialsRefused, unknownTenant, wrongCloud, tokenRefused, misconfigured,
		permissionMissing, unreachable, untrusted, proxyUnreachable, proxyRefuses, throttled, quotaGone, serverFails, malformed, refused,
		quarantined, fallingBehind, checkpointFails, streamFails,
		configuringOutput, publishing, stoppingOutput, stoppedOutput, badOutput,
		elasticsearchUnreachable, elasticsearchSilent, elasticsearchUnauthorized, elasticsearchForbidden, indexRefused,
		elasticsearchBusy, elasticsearchFails, elasticsearchRefuses,
		indexMissing, pipelineMissing, noShards, writeBlocked, diskFull, formsRefused,
		documentsRefused, inFailureStore,
		shipperGone, shipperFull, shipperRefuses,
	}
}

// HealthTable is the table as Markdown: what stops or hurts data, without the
// states of a unit that is well, starts or stops.
func HealthTable() string {
	var b strings.Builder
	b.WriteString("| Condition | Shows on | State | Message | Clears |\n|---|---|---|---|---|\n")
	for _, c := range Conditions() {
		if c.State != client.UnitStateDegraded && c.State != client.UnitStateFailed {
			continue
		}
		clears := c.Clears
		if c.Lasting {
			clears += "; shown from the second failed poll in a row"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.Name, c.Unit, c.State, c.Message, clears)
	}
	return b.String()
}
