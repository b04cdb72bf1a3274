package logstash

import (
	"log/slog"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Kind is this output in the list of outputs. Logstash says of no document whether
// it is there already: what is sent twice is stored once where its own output has
// the id of the event as document_id.
var Kind = output.Kind{
	Type:     "logstash",
	Settings: &options{},
	New: func(source map[string]any, _ string, r output.Reporter, log *slog.Logger) (output.Output, error) {
		return New(source, r, log)
	},
	Check:      Check,
	Conditions: []*inputs.Condition{gone, insecure, silent, blocked, closing, documentsRefused},
	Diagnose:   diagnose,
	Refused:    documentsRefused,
}

// The rows of the health table.
var (
	gone = &inputs.Condition{
		Name:    "Logstash unreachable",
		Message: "no connection to Logstash: {cause}; trying again; check hosts, network and proxy_url",
		Clears:  output.ClearsWhenTaken,
	}
	insecure = &inputs.Condition{
		Name:    "Logstash TLS",
		Message: "no TLS connection to Logstash: {cause}; trying again; check ssl here and in Logstash's input",
		Clears:  output.ClearsWhenTaken,
	}
	silent = &inputs.Condition{
		Name:    "Logstash silent",
		Message: "Logstash takes events and gives no sign of life; trying again; check that hosts lead to its beats or elastic_agent input, and look at its load",
		Clears:  output.ClearsWhenTaken,
	}
	blocked = &inputs.Condition{
		Name:    "Logstash pipeline blocked",
		Message: "Logstash lives and acknowledges nothing; waiting; look at its pipeline, and at what its outputs write to",
		Clears:  output.ClearsWhenTaken,
	}
	closing = &inputs.Condition{
		Name:    "Logstash closes connections",
		Message: "Logstash does not take events: {cause}; trying again; look at its log",
		Clears:  output.ClearsWhenTaken,
	}
	documentsRefused = &inputs.Condition{
		Name:    "Logstash refuses documents",
		Message: "Logstash closes the connection on some documents, which are sent in minimal form with event.kind pipeline_error; its log names the cause; the largest text it reads has 20 MiB",
		Clears:  output.ClearsAfterRefusals(),
	}
)

// diagnose chooses the row for trouble.
func diagnose(e *output.Error) inputs.Diagnosis {
	row := closing
	switch e.Reason {
	case output.Unreachable, output.Other:
		row = gone
	case output.NoTLS:
		row = insecure
	case output.Silent:
		row = silent
	case output.Busy, output.TooLarge:
		row = blocked
	default: // it ends the connection, which says no more
	}
	return inputs.Diagnosis{Condition: row, Cause: e.Cause()}
}
