package shipper

import (
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Kind is this output in the list of outputs. The elastic-agent-shipper passes
// no _id on, so that what is sent twice may be stored twice.
var Kind = output.Kind{
	Type:       "shipper",
	New:        New,
	Settings:   &options{},
	Conditions: []*inputs.Condition{gone, full, refusing, documentsRefused},
	Diagnose:   diagnose,
	Refused:    documentsRefused,
}

// The rows of the health table.
var (
	gone = &inputs.Condition{
		Name:    "shipper gone",
		Message: "no connection to the shipper: {cause}; trying again; see the shipper's own state in the agent",
		Clears:  output.ClearsWhenTaken,
	}
	full = &inputs.Condition{
		Name:    "shipper queue full",
		Message: "documents do not get through the shipper: {cause}; trying again; look at its output, and if that is well restart Elastic Agent",
		Clears:  output.ClearsWhenTaken,
	}
	refusing = &inputs.Condition{
		Name:    "shipper refuses",
		Message: "the shipper refuses documents: {cause}; trying again; check ssl of shipper and component",
		Clears:  output.ClearsWhenTaken,
	}
	documentsRefused = &inputs.Condition{
		Name:    "shipper refuses documents",
		Message: "some documents are sent in minimal form with event.kind pipeline_error, since they are too large for the shipper; the log and diagnostics say which; the elastic-agent-shipper reads calls of 64 MiB, others may read 4 MiB",
		Clears:  output.ClearsAfterRefusals(),
	}
)

// diagnose chooses the row for trouble.
func diagnose(e *output.Error) inputs.Diagnosis {
	row := refusing
	switch e.Reason {
	case output.Unreachable, output.NoTLS, output.Server, output.Other:
		row = gone
	case output.Silent, output.TooLarge, output.Busy:
		row = full
	default: // its answer says no
	}
	return inputs.Diagnosis{Condition: row, Cause: e.Cause()}
}
