package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestTextsHoldNoControlCharacters: they end on terminals.
func TestTextsHoldNoControlCharacters(t *testing.T) {
	c := toy.show(errors.New("x509: valid for \x1b[31mred\u202e, not es.example"))
	if c.text != "x509: valid for  [31mred , not es.example" {
		t.Errorf("%q", c.text)
	}
}

// TestTextsReachTheAgent: it takes no report with half a character in it, nor with
// bytes that are none, wherever a text is cut.
func TestTextsReachTheAgent(t *testing.T) {
	for pad := range utf8.UTFMax {
		for _, long := range []string{strings.Repeat("\U0001f600", 120), strings.Repeat("\U0001f600", 400), strings.Repeat("\xf0\x9f", 200)} {
			err := errors.New(strings.Repeat("x", pad) + long)
			var stream, unit, out reported
			newStream(&stream, "").Report(err)
			in := NewInput(slog.New(slog.DiscardHandler), toy, unit.report)
			in.Refuse(err)
			NewOutput(&toyOutput, slog.New(slog.DiscardHandler), out.report).Refuse(err)
			for name, r := range map[string]reported{"stream": stream, "unit": unit, "output": out} {
				if _, err := structpb.NewStruct(r.payload); err != nil || !utf8.ValidString(r.message) || r.message == "" {
					t.Errorf("%s, %d bytes before it: payload %v, message %q", name, pad, err, r.message)
				}
			}
		}
	}
}

// The rows of a toy input.
var (
	down   = &inputs.Condition{Name: "down", Message: "{call}: no connection: {cause}", Lasting: true}
	forbid = &inputs.Condition{Name: "forbidden", Message: "{call}: permission missing ({code}); {remedy}"}
	hold   = &inputs.Condition{Name: "hold", Message: "wait", Covers: brief}
	brief  = &inputs.Condition{Name: "brief", Message: "wait a little"}
)

// toyError is an error that the toy input knows.
type toyError struct{ inputs.Diagnosis }

func (e *toyError) Error() string { return e.Condition.Name }

// toy is the Diagnose of the toy input.
var toy = Diagnose(func(err error) inputs.Diagnosis {
	if e, ok := errors.AsType[*toyError](err); ok {
		return e.Diagnosis
	}
	return inputs.Diagnosis{}
})

func of(c *inputs.Condition) error {
	return &toyError{inputs.Diagnosis{Condition: c, Call: "get /api/toys", Cause: "connection refused", Remedy: "grant it"}}
}

func TestTableIsWellFormed(t *testing.T) {
	kinds := []output.Kind{{Type: "toy", Conditions: []*inputs.Condition{brief}}}
	table := Table(Rows([]*inputs.Condition{down, forbid, hold}, kinds))
	for _, want := range []string{
		"| down | stream | DEGRADED | {call}: no connection: {cause} | ; shown from the second failed poll in a row |\n",
		"| brief | output | DEGRADED | wait a little |  |\n", "| bad output setting | output | FAILED |", "| no streams | input | DEGRADED |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
}

// TestMessagesAreFilledIn, and an empty code leaves no brackets.
func TestMessagesAreFilledIn(t *testing.T) {
	if got := toy.Explain(fmt.Errorf("poll: %w", of(forbid))); got != "get /api/toys: permission missing; grant it" {
		t.Errorf("got %q", got)
	}
}

// TestOtherTroubleShows: an error that neither the input nor this package knows is
// shown in its own words, and one full poll heals it.
func TestOtherTroubleShows(t *testing.T) {
	var r reported
	s := newStream(&r, "")
	s.Report(nil)
	s.Report(errors.New("no room\nleft"))
	if r.state != Degraded || r.message != "stream s: no room; left" || s.now.row != otherTrouble {
		t.Errorf("%s %q", r.state, r.message)
	}
	s.Report(nil)
	if r.state != Healthy || r.message != "collecting" {
		t.Errorf("%s %q after a full poll", r.state, r.message)
	}
}

// TestCoveredTroubleDoesNotReplace: the same trouble nearer to its end keeps the
// text; other trouble, and the end, do not.
func TestCoveredTroubleDoesNotReplace(t *testing.T) {
	var r reported
	s := newStream(&r, "")
	for _, step := range []struct {
		err  error
		want string
	}{
		{of(brief), "wait a little"},
		{of(hold), "wait"},
		{of(brief), "wait"},
		{of(down), "get /api/toys: no connection: connection refused"},
		{of(brief), "wait a little"},
		{nil, "collecting"},
	} {
		s.Report(step.err)
		if got := strings.TrimPrefix(r.message, "stream s: "); got != step.want {
			t.Errorf("after %v: %q, want %q", step.err, got, step.want)
		}
	}
}

// reported keeps what a unit reported.
type reported struct {
	state   State
	message string
	payload map[string]any
	changes int // of state or message
}

func (r *reported) report(s State, message string, payload map[string]any) {
	if s != r.state || message != r.message {
		r.changes++
	}
	r.state, r.message, r.payload = s, message, payload
}

func newStream(r *reported, notice string) *Stream {
	h := NewInput(slog.New(slog.DiscardHandler), toy, r.report)
	return h.Add(inputs.Stream{Key: inputs.Key{Stream: "s"}, Interval: time.Minute, Notice: notice})
}

func TestSingleFailureDoesNotFlap(t *testing.T) {
	var r reported
	s := newStream(&r, "")
	s.Report(nil)
	r.changes = 0
	for range 20 {
		s.Report(of(down))
		s.Report(nil)
	}
	if r.changes != 0 {
		t.Errorf("%d changes of state or message", r.changes)
	}
	s.Report(of(down))
	s.Report(of(down))
	if r.state != Degraded {
		t.Errorf("%s after two failures in a row", r.state)
	}
	s.Report(of(down))
	s.Report(nil)
	if r.state != Healthy || r.changes != 2 {
		t.Errorf("%s after %d changes: one success must heal", r.state, r.changes)
	}
}

func TestTroubleShowsAtOnceWhereItIsNoFlap(t *testing.T) {
	var r reported
	newStream(&r, "").Report(of(down)) // never well
	if r.state != Degraded {
		t.Errorf("first poll fails: %s", r.state)
	}
	s := newStream(&r, "")
	s.Report(nil)
	s.Report(of(forbid)) // does not end by itself
	if r.state != Degraded {
		t.Errorf("permission missing: %s", r.state)
	}
}

func TestQuarantineClearsAfterCleanPolls(t *testing.T) {
	var r reported
	s := newStream(&r, "")
	s.Count(inputs.Counts{Records: 2, Documents: 2, Quarantined: 1})
	s.Report(nil)
	for i := range clean {
		if r.state != Degraded || !strings.Contains(r.message, "pipeline_error") {
			t.Fatalf("after %d clean polls: %s %q", i, r.state, r.message)
		}
		s.Report(nil)
	}
	if r.state != Healthy {
		t.Errorf("%s after %d clean polls", r.state, clean)
	}
}

func TestLagGrowingShowsAndClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reported
		s := newStream(&r, "")
		newest := time.Now().Add(-time.Hour)
		page := func(gain time.Duration) {
			newest = newest.Add(gain)
			s.Count(inputs.Counts{Records: 10, Documents: 10, Newest: newest})
			time.Sleep(time.Minute)
		}
		for range 12 {
			page(30 * time.Second)
		}
		if r.state != Degraded || !strings.Contains(r.message, "catch up") {
			t.Fatalf("lag grows: %s %q", r.state, r.message)
		}
		for range 12 {
			page(3 * time.Minute)
		}
		if r.state != Healthy {
			t.Errorf("lag shrinks: %s %q", r.state, r.message)
		}
	})
}

func TestCheckpointTroubleHidesThePath(t *testing.T) {
	err := &CheckpointError{OpSave, &fs.PathError{Op: "open", Path: "/var/lib/agent/run/x", Err: errors.New("no space left on device")}}
	c := toy.show(fmt.Errorf("save cursor: %w", err))
	if c.row != checkpointFails || strings.Contains(c.text, "/var") || !strings.Contains(c.text, "no space left") {
		t.Errorf("%s: %q", c.row.Name, c.text)
	}
}

// TestAPITroubleOutranksTheCheckpoint: a poll can fail at the API while the state
// cannot be saved either. "Nothing is lost" must not hide a wrong secret.
func TestAPITroubleOutranksTheCheckpoint(t *testing.T) {
	unsaved := fmt.Errorf("save checkpoint: %w", &CheckpointError{"save", errors.New("no space left on device")})
	for _, err := range []error{errors.Join(of(forbid), unsaved), errors.Join(unsaved, of(forbid))} {
		if c := toy.show(err); c.row != forbid {
			t.Errorf("%s: %q", c.row.Name, c.text)
		}
	}
}

func TestNoticeShowsWhileWell(t *testing.T) {
	var r reported
	s := newStream(&r, "request tracer on: turn enable_request_tracer off")
	s.Report(nil)
	if r.state != Healthy || !strings.Contains(r.message, "enable_request_tracer") {
		t.Errorf("%s %q", r.state, r.message)
	}
}

// TestPayloadFits: with any number of streams, the payload stays small, has
// the worst streams in it and takes only what structpb takes.
func TestPayloadFits(t *testing.T) {
	for _, n := range []int{1, 3, 20, 500} {
		var r reported
		h := NewInput(slog.New(slog.DiscardHandler), toy, r.report)
		for i := range n {
			s := h.Add(inputs.Stream{Key: inputs.Key{Stream: fmt.Sprintf("microsoft_defender_endpoint-log-%d", i)}})
			s.Count(inputs.Counts{Records: 1 << 40, Documents: 1 << 40, Newest: time.Now(), Quota: &inputs.Quota{HourLeft: 1400}})
			s.Report(nil)
			if i == n-1 {
				s.Report(&toyError{inputs.Diagnosis{Condition: forbid, Call: "get " + strings.Repeat("x", 5000)}})
			}
		}
		if _, err := structpb.NewStruct(r.payload); err != nil {
			t.Errorf("%d streams: %v", n, err)
		}
		b, err := json.Marshal(r.payload)
		if err != nil || len(b) > payloadLimit+100 {
			t.Errorf("%d streams: %d bytes, %v", n, len(b), err)
		}
		if !strings.Contains(string(b), `"DEGRADED"`) || len(r.message) > messageLimit+100 {
			t.Errorf("%d streams: the worst one is not in the payload, or the message is %d bytes", n, len(r.message))
		}
	}
}

// TestTotalsHaveAllStreams, those too that the payload has no room for.
func TestTotalsHaveAllStreams(t *testing.T) {
	h := NewInput(slog.New(slog.DiscardHandler), nil, func(State, string, map[string]any) {})
	const streams = 60
	for i := range streams {
		s := h.Add(inputs.Stream{Key: inputs.Key{Stream: fmt.Sprint("a-stream-with-a-long-name-", i)}, Interval: time.Minute})
		s.Count(inputs.Counts{Records: 3, Documents: 2, Duplicates: 1, Published: inputs.Result{Stored: 2}, Backlog: time.Duration(i)})
	}
	got := h.Totals()
	if got.Records != 3*streams || got.Documents != 2*streams || got.Duplicates != streams || got.Published.Stored != 2*streams || got.Backlog != streams-1 {
		t.Errorf("%+v", got)
	}
}

// TestWarningIsASuccess: a poll that worked and warns counts as one, and heals what
// was before; the end of the credentials is in the payload.
func TestWarningIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := &inputs.Condition{Name: "ends", Message: "the {cause} ends", Worked: true}
		h := NewInput(slog.New(slog.DiscardHandler), toy, func(State, string, map[string]any) {})
		s := h.Add(inputs.Stream{Key: inputs.Key{Stream: "s"}, Interval: time.Minute})
		s.Report(of(forbid))
		s.Count(inputs.Counts{CredentialsEnd: time.Now().Add(50 * time.Hour)})
		s.Report(of(ends))
		p := s.payload()
		if p["status"] != "DEGRADED" || p["error"] != "the connection refused ends" || p["last_success"] == nil || p["credentials_days_left"] != 2 {
			t.Errorf("%v", p)
		}
		s.Report(nil)
		if p := s.payload(); p["status"] != "HEALTHY" {
			t.Errorf("%v", p)
		}
	})
}

// TestRestartInTheFirstPoll: a stream that already collects does not show that it
// starts because its settings change. It is due at once.
func TestRestartInTheFirstPoll(t *testing.T) {
	var r reported
	h := NewInput(slog.New(slog.DiscardHandler), toy, r.report)
	stream := inputs.Stream{Key: inputs.Key{Stream: "log-1"}, Interval: time.Minute}
	former := h.Add(stream)
	former.Count(inputs.Counts{Records: 1, Documents: 1})
	s := h.Add(stream)
	due := s.TakeOver(former)
	if status := s.Status(); !status.Healthy || status.Documents != 1 || !due.IsZero() {
		t.Errorf("%+v, due %s", status, due)
	}
}
