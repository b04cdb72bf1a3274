package check

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what was found out. It encodes as JSON.
type Report struct {
	// CanCollect says that there is no fault.
	CanCollect bool     `json:"can_collect"`
	Streams    []Stream `json:"streams"`
	Output     *Output  `json:"output,omitempty"` // absent where none was given
	Faults     []Fault  `json:"faults"`
	// Warnings are what is odd and stops nothing.
	Warnings []string `json:"warnings"`
}

// Stream is what a try of a stream showed, as far as it got.
type Stream struct {
	Input      string     `json:"input"`
	ID         string     `json:"stream"`
	Dataset    string     `json:"dataset"`
	Target     string     `json:"target,omitempty"` // data stream or index
	Tried      bool       `json:"tried"`            // not only the settings were looked at
	CanCollect bool       `json:"can_collect"`
	Token      bool       `json:"token"`
	Roles      []string   `json:"roles"` // in the token
	Needs      string     `json:"needs,omitempty"`
	HTTPStatus int        `json:"http_status,omitempty"`
	Newest     *time.Time `json:"newest_record,omitempty"`
	CallsLeft  int        `json:"calls_left_in_hour,omitempty"`
	Limits     string     `json:"limits,omitempty"` // what the answer said of them
	// LeftOut is what the API refuses or ignores of a poll's query, which does
	// without it.
	LeftOut []string `json:"left_out"`
	Notes   []string `json:"notes"` // on the credentials and what comes
}

// Output is what a look at the output showed.
type Output struct {
	Type       string `json:"type"`
	Result     string `json:"result"` // in a few words
	Version    string `json:"version,omitempty"`
	CanDeliver bool   `json:"can_deliver"` // as far as is known
}

// Fault is what is in the way.
type Fault struct {
	// Streams are the ids of the streams that have it; none where In has it.
	Streams []string `json:"streams,omitempty"`
	In      string   `json:"in,omitempty"` // the input or the output
	Text    string   `json:"text"`         // cause, and what to do
}

// String is the fault on one line.
func (f Fault) String() string {
	switch len(f.Streams) {
	case 0:
		return f.In + ": " + f.Text
	case 1:
		return "stream " + f.Streams[0] + ": " + f.Text
	}
	return fmt.Sprintf("streams %s: %s", strings.Join(f.Streams, ", "), f.Text)
}

// fault adds a fault of a stream to those that say the same of others.
func (r *Report) fault(stream, text string) {
	i := slices.IndexFunc(r.Faults, func(f Fault) bool { return f.Text == text && len(f.Streams) > 0 })
	if i < 0 {
		r.Faults = append(r.Faults, Fault{Streams: []string{stream}, Text: text})
		return
	}
	r.Faults[i].Streams = append(r.Faults[i].Streams, stream)
}

// faultIn adds a fault of an input or of the output.
func (r *Report) faultIn(what, text string) { r.Faults = append(r.Faults, Fault{In: what, Text: text}) }
