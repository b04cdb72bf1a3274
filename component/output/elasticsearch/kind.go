package elasticsearch

import (
	"cmp"
	"log/slog"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Kind is this output in the list of outputs.
var Kind = output.Kind{
	Type: "elasticsearch",
	New: func(source map[string]any, _ string, r output.Reporter, log *slog.Logger) (output.Output, error) {
		return New(source, r, log)
	},
	Settings: &options{},
	Check:    Check,
	Conditions: []*inputs.Condition{
		unreachable, silent, unauthorized, forbidden, forbiddenIndex, busy, failing, refusing,
		indexMissing, pipelineMissing, noShards, writeBlocked, diskFull, formsRefused, documentsRefused, inFailureStore,
	},
	Diagnose:  diagnose,
	Refused:   documentsRefused,
	KeptAside: inFailureStore,
	KnowsIDs:  true,
}

// The rows of the health table.
var (
	unreachable = &inputs.Condition{
		Name:    "Elasticsearch unreachable",
		Message: "no connection to Elasticsearch: {cause}; trying again; check hosts, network, proxy_url and ssl",
		Clears:  output.ClearsWhenTaken,
	}
	silent = &inputs.Condition{
		Name:    "Elasticsearch silent",
		Message: "Elasticsearch does not answer; trying again; look at its load, and at hosts, network and proxy_url",
		Clears:  output.ClearsWhenTaken,
	}
	unauthorized = &inputs.Condition{
		Name:    "Elasticsearch 401",
		Message: "Elasticsearch refuses the credentials ({code}); check api_key, or username and password",
		Clears:  output.ClearsWhenTaken,
	}
	forbidden = &inputs.Condition{
		Name:    "Elasticsearch 403",
		Message: "the key may not write to Elasticsearch ({code}); grant it auto_configure and create_doc on the data streams",
		Clears:  output.ClearsWhenTaken,
	}
	forbiddenIndex = &inputs.Condition{
		Name:    "index refused",
		Message: "the key may not write to {target} ({code}); grant it auto_configure and create_doc there",
		Clears:  output.ClearsWhenTaken,
	}
	busy = &inputs.Condition{
		Name:    "Elasticsearch busy",
		Message: "Elasticsearch takes documents too slowly ({code}); trying again slower; look at its load",
		Clears:  output.ClearsWhenTaken,
	}
	failing = &inputs.Condition{
		Name:    "Elasticsearch fails",
		Message: "Elasticsearch fails ({code}); trying again; look at its health",
		Clears:  output.ClearsWhenTaken,
	}
	refusing = &inputs.Condition{
		Name:    "requests refused",
		Message: "bulk requests are refused ({code}); check that hosts and path lead to Elasticsearch itself, and what a proxy or firewall in front of it refuses",
		Clears:  output.ClearsWhenTaken,
	}
	indexMissing = &inputs.Condition{
		Name:    "index missing or closed",
		Message: "{target} has no index to write to ({code}); open its write index, or install its index template again",
		Clears:  output.ClearsWhenTaken,
	}
	pipelineMissing = &inputs.Condition{
		Name:    "pipeline missing",
		Message: "{target} needs something that is not there ({code}); install its ingest pipelines again",
		Clears:  output.ClearsWhenTaken,
	}
	noShards = &inputs.Condition{
		Name:    "no room for an index",
		Message: "the cluster makes no new index for {target} ({code}); delete indices, add nodes or raise cluster.max_shards_per_node",
		Clears:  output.ClearsWhenTaken,
	}
	writeBlocked = &inputs.Condition{
		Name:    "index blocked",
		Message: "{target} is blocked for writing ({code}); remove the block from its write index",
		Clears:  output.ClearsWhenTaken,
	}
	diskFull = &inputs.Condition{
		Name:    "disk full",
		Message: "the cluster has no disk space left for {target} ({code}); free or add space",
		Clears:  output.ClearsWhenTaken,
	}
	formsRefused = &inputs.Condition{
		Name:    "refused in every form",
		Message: "{target} takes no document, not even one without content ({code}); repair its index template, mapping or ingest pipeline",
		Clears:  output.ClearsWhenTaken,
	}
	documentsRefused = &inputs.Condition{
		Name:    "documents refused",
		Message: "some documents are stored in minimal form with event.kind pipeline_error, since the full ones were refused; the log and diagnostics name error types and fields; repair the index template or pipeline",
		Clears:  output.ClearsAfterRefusals(),
	}
	inFailureStore = &inputs.Condition{
		Name:    "documents in the failure store",
		Message: "some documents went to the failure store of their data stream, and are stored in minimal form with event.kind pipeline_error; the failure store says why; repair the index template or pipeline",
		Clears:  output.ClearsAfterRefusals(),
	}
)

// rows are the rows about all of Elasticsearch, and indexRows those about one
// index, whose text names it. A test holds that every reason has one.
var (
	rows = map[output.Reason]*inputs.Condition{
		output.Unreachable: unreachable, output.NoTLS: unreachable, output.Silent: silent, output.Unauthorized: unauthorized, output.Forbidden: forbidden,
		output.TooLarge: busy, output.Busy: busy, output.Server: failing, output.Other: failing, output.RequestRefused: refusing,
	}
	indexRows = map[output.Reason]*inputs.Condition{
		output.IndexMissing: indexMissing, output.PipelineMissing: pipelineMissing, output.NoShards: noShards,
		output.WriteBlocked: writeBlocked, output.DiskFull: diskFull, output.FormsRefused: formsRefused,
	}
)

// diagnose chooses the row for trouble.
func diagnose(e *output.Error) inputs.Diagnosis {
	row := indexRows[e.Reason]
	if e.Reason == output.Forbidden && e.Target != "" {
		row = forbiddenIndex
	}
	if row != nil {
		return inputs.Diagnosis{Condition: row, Code: e.Code(true), Cause: e.Cause(), Target: cmp.Or(e.Target, "the data streams")}
	}
	return inputs.Diagnosis{Condition: rows[e.Reason], Code: e.Code(false), Cause: e.Cause()}
}
