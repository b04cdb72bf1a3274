package health

import (
	"fmt"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Unit says where a condition shows.
type Unit string

// The units, and a stream as part of one.
const (
	OnInput  Unit = "input"
	OnStream Unit = "stream" // in the payload, and as the worst stream in the input's message
	OnOutput Unit = "output"
)

// Row is a row of the health truth table: a condition and where it shows.
type Row struct {
	*inputs.Condition
	Unit Unit
}

// State is the state that the condition brings.
func (r Row) State() State { return stateOf(r.Condition) }

// clean is how many polls in a row must be free of quarantined records before a
// stream forgets one: fewer would flap, and would be missed by people.
const clean = 5

const (
	afterRightSettings = "when the policy names right settings"
	byItself           = "with the first full poll; it is tried again until then"
)

// The rows that hold for every source and every output.
var (
	badInput   = &inputs.Condition{Name: "streams are no list", Failed: true, Message: "{cause}", Clears: afterRightSettings}
	badSetting = &inputs.Condition{
		Name: "bad setting, unknown dataset, unsupported processor", Failed: true,
		Message: "{cause}", Clears: afterRightSettings + "; all faults of a stream are listed at once, other streams collect",
	}
	noStreams = &inputs.Condition{
		Name:    "no streams",
		Message: "no stream is enabled; enable one in the policy", Clears: "when the policy has an enabled stream",
	}
	badOutput = &inputs.Condition{
		Name: "bad output setting", Failed: true,
		Message: "{cause}", Clears: afterRightSettings + "; batches wait meanwhile",
	}
	quarantined = &inputs.Condition{
		Name:    "records quarantined",
		Message: "some records could not be mapped cleanly; they are stored with event.kind pipeline_error and their original, error.message names the field",
		Clears:  fmt.Sprintf("after %d full polls without such a record", clean),
	}
	fallingBehind = &inputs.Condition{
		Name:    "cursor stuck or lag growing",
		Message: "reading does not catch up with new records; raise batch_size, and look at output and quota",
		Clears:  "when the poll gets nearer to the present, or ends",
	}
	checkpointFails = &inputs.Condition{
		Name:    "checkpoint not writable",
		Message: "checkpoint cannot be kept: {cause}; check the state directory's space and permissions; nothing is lost, but a restart reads again",
		Clears:  "with the first full poll after a checkpoint could be saved",
	}
	checkpointUnread = &inputs.Condition{
		Name:    "checkpoint not readable",
		Message: "checkpoint cannot be loaded: {cause}; nothing is collected until it can, so that nothing is skipped or stored again; check the state directory and its disk, or the output where cursors are kept in Elasticsearch",
		Clears:  "with the first full poll after the checkpoint could be loaded",
	}
	otherTrouble = &inputs.Condition{Name: "other trouble", Message: "{cause}", Clears: byItself}
)

// NoStreams is what is shown of a unit without an enabled stream.
func NoStreams() string { return noStreams.Message }

// Rows is the health truth table, in the order of the documents: with the rows of
// an input and of outputs.
func Rows(input []*inputs.Condition, kinds []output.Kind) []Row {
	var rows []Row
	add := func(unit Unit, conditions ...*inputs.Condition) {
		for _, c := range conditions {
			rows = append(rows, Row{c, unit})
		}
	}
	add(OnInput, badInput)
	add(OnStream, badSetting)
	add(OnInput, noStreams)
	add(OnStream, input...)
	add(OnStream, quarantined, fallingBehind, checkpointFails, checkpointUnread, otherTrouble)
	add(OnOutput, badOutput)
	for _, k := range kinds {
		add(OnOutput, k.Conditions...)
	}
	return rows
}

// Table is the table as Markdown.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| Condition | Shows on | State | Message | Clears |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		clears := r.Clears
		if r.Lasting {
			clears += "; shown from the second failed poll in a row"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Name, r.Unit, r.State(), r.Message, clears)
	}
	return b.String()
}
