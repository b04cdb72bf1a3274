package health

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// State is how a stream or a unit is, the worst last.
type State uint8

// The states that a unit can have while it runs.
const (
	Healthy State = iota
	Configuring
	Degraded
	Failed
)

var stateNames = [...]string{"HEALTHY", "CONFIGURING", "DEGRADED", "FAILED"}

// String is the state as the agent writes it.
func (s State) String() string { return stateNames[s] }

func stateOf(c *inputs.Condition) State {
	if c.Failed {
		return Failed
	}
	return Degraded
}

// What a stream or an output shows that is in no trouble.
const (
	firstPollText  = "first poll under way"
	collectingText = "collecting"
	publishingText = "publishing"
)

// messageLimit bounds what is filled into a message, bytes: payloads and
// messages go out with every check-in.
const messageLimit = 600

// shown is what is shown of a stream or an output. Two are equal where nothing
// changed.
type shown struct {
	state  State
	text   string
	row    *inputs.Condition // nil without trouble
	notice bool              // well, with something an operator should know
}

var (
	firstPoll  = shown{state: Configuring, text: firstPollText}
	collecting = shown{state: Healthy, text: collectingText}
	publishing = shown{state: Healthy, text: publishingText}
)

// collectingWith is a stream that is well, with a notice; normally empty.
func collectingWith(notice string) shown {
	if notice == "" {
		return collecting
	}
	return shown{state: Healthy, text: collectingText + "; " + notice, notice: true}
}

// show fills in a condition's message.
func show(d inputs.Diagnosis) shown {
	text := strings.NewReplacer(
		"{call}", d.Call, "{code}", d.Code, "{cause}", d.Cause, "{remedy}", d.Remedy, "{target}", d.Target,
	).Replace(d.Condition.Message)
	text = strings.ReplaceAll(printable(text), " ()", "") // there was no code
	if len(text) > messageLimit {
		text = strings.ToValidUTF8(text[:messageLimit], "") + "..."
	}
	return shown{state: stateOf(d.Condition), text: text, row: d.Condition}
}

// causedBy fills in a cause alone.
func causedBy(c *inputs.Condition, err error) shown {
	return show(inputs.Diagnosis{Condition: c, Cause: oneLine(err)})
}

// printable puts a space in place of what is no character to be seen: texts of
// other sides end on terminals.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// oneLine joins the faults of a configuration for a unit's message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// Diagnose chooses an input's row for an error (inputs.Input.Diagnose).
type Diagnose func(err error) inputs.Diagnosis

// Explain is the text that an operator reads for an error of a stream: what it is, and
// what to do.
func (diagnose Diagnose) Explain(err error) string { return diagnose.show(err).text }

func (diagnose Diagnose) show(err error) shown {
	// The input's rows go first: of the two, trouble with the source stops data.
	if d := diagnose(err); d.Condition != nil {
		return show(d)
	}
	if e, ok := errors.AsType[*CheckpointError](err); ok {
		condition := checkpointFails
		if e.Op == OpLoad {
			condition = checkpointUnread
		}
		return show(inputs.Diagnosis{Condition: condition, Cause: e.reason()})
	}
	return causedBy(otherTrouble, err)
}

// ExplainOutput is the text that an operator reads for trouble of an output.
func ExplainOutput(kind *output.Kind, err error) string { return showOutput(kind, err).text }

func showOutput(kind *output.Kind, err error) shown {
	e, ok := errors.AsType[*output.Error](err)
	if !ok {
		e = &output.Error{Err: err}
	}
	return show(kind.Diagnose(e))
}

// What may be in trouble with a checkpoint. One that cannot be loaded stops its
// stream, one that cannot be saved does not.
const (
	OpLoad = "load"
	OpSave = "save"
)

// CheckpointError is trouble with a stream's checkpoint.
type CheckpointError struct {
	Op  string // OpLoad or OpSave
	Err error
}

func (e *CheckpointError) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *CheckpointError) Unwrap() error { return e.Err }

// reason is the cause without the path, which means nothing to a reader in
// Fleet and changes with every upgrade of the agent.
func (e *CheckpointError) reason() string {
	if path, ok := errors.AsType[*fs.PathError](e.Err); ok {
		return path.Err.Error()
	}
	if link, ok := errors.AsType[*os.LinkError](e.Err); ok {
		return link.Err.Error()
	}
	return oneLine(e.Err)
}
