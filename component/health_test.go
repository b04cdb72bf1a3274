package component

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

var update = flag.Bool("update", false, "write the health table into the documents")

// TestHealthTableIsInTheDocuments: they show what the code does.
func TestHealthTableIsInTheDocuments(t *testing.T) {
	for _, path := range []string{
		"../README.md", "../spec/package/_dev/build/docs/troubleshooting.md", "../spec/package/docs/troubleshooting.md",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- health:begin -->\n", "<!-- health:end -->\n"
		before, rest, ok := strings.Cut(string(b), begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for the health table", path)
		}
		want := before + begin + HealthTable() + end + after
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if string(b) != want {
			t.Errorf("the health table in %s is stale: go test ./component -run HealthTable -update", path)
		}
	}
}

func TestConditionsAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Conditions() {
		if names[c.Name] {
			t.Errorf("%s: there are two", c.Name)
		}
		names[c.Name] = true
		if c.Message == "" || c.Unit != onInput && c.Unit != onStream && c.Unit != onOutput {
			t.Errorf("%s: no message or unit", c.Name)
		}
		if c.State != client.UnitStateHealthy && c.Clears == "" {
			t.Errorf("%s: does not say how it clears", c.Name)
		}
		if strings.ContainsAny(c.Message+c.Clears, "|\n") {
			t.Errorf("%s: would break the table", c.Name)
		}
	}
}

// TestKindAloneDecidesTheState: status and code only choose words.
func TestKindAloneDecidesTheState(t *testing.T) {
	states := map[api.Kind]client.UnitState{
		api.Auth: client.UnitStateFailed, api.Misconfigured: client.UnitStateFailed,
		api.Permission: client.UnitStateDegraded, api.Throttled: client.UnitStateDegraded,
		api.Transient: client.UnitStateDegraded, api.Malformed: client.UnitStateDegraded, api.Other: client.UnitStateDegraded,
	}
	codes := []string{
		"", "AADSTS7000215", "AADSTS7000222", "AADSTS700016", "AADSTS90002", "AADSTS900382", "AADSTS500011",
		"Forbidden", "TooManyRequests", api.CodeTLS, api.CodeProxy,
	}
	for kind, want := range states {
		for _, code := range codes {
			for _, status := range []int{0, 200, 400, 401, 403, 407, 429, 500, 503} {
				for _, after := range []time.Duration{0, time.Hour} {
					e := &api.Error{Op: "get /api/alerts", Kind: kind, Code: code, Status: status, RetryAfter: after}
					c := conditionOf(fmt.Errorf("poll: %w", e))
					if c.state() != want || strings.ContainsAny(c.text, "{}") {
						t.Errorf("%s %d %q: %s %q, want %s", kind, status, code, c.state(), c.text, want)
					}
				}
			}
		}
	}
}

func TestEveryKindOfOutputTroubleHasARow(t *testing.T) {
	for kind := output.Other; kind <= output.FormsRefused; kind++ {
		for _, of := range []string{"elasticsearch", "shipper"} {
			c := outputConditionOf(of, &output.Error{Op: "bulk", Kind: kind, Status: 503})
			if c.row == nil || c.text == "" || strings.ContainsAny(c.text, "{}") {
				t.Errorf("%s, %s: %q", of, kind, c.text)
			}
		}
	}
}

// TestMessagesHoldNothingOfTheTenant: what Entra says names tenant and
// application; no text of the table repeats it.
func TestMessagesHoldNothingOfTheTenant(t *testing.T) {
	for kind := api.Other; kind <= api.Misconfigured; kind++ {
		if kind == api.Transient || kind == api.Malformed {
			continue // their message is ours or the network's, never the service's
		}
		e := &api.Error{Op: "get a token", Kind: kind, Status: 400, Code: "AADSTS1", Message: "Tenant 'contoso' not found", RequestID: "77"}
		if text := conditionOf(e).text; strings.Contains(text, "contoso") || strings.Contains(text, "77") {
			t.Errorf("%s: %q", kind, text)
		}
	}
}

// told keeps what a unit reported.
type told struct {
	state   client.UnitState
	message string
	payload map[string]any
	changes int // of state or message
}

func (r *told) report(s client.UnitState, message string, payload map[string]any) {
	if s != r.state || message != r.message {
		r.changes++
	}
	r.state, r.message, r.payload = s, message, payload
}

func newStream(r *told, notice string) *streamHealth {
	h := newInputHealth(slog.New(slog.DiscardHandler), r.report)
	return h.add(inputs.Stream{Key: inputs.Key{Stream: "s"}, Interval: time.Minute, Notice: notice})
}

var (
	down   = &api.Error{Op: "get /api/alerts", Kind: api.Transient, Message: "dial: connect: connection refused"}
	forbid = &api.Error{Op: "get /api/alerts", Kind: api.Permission, Status: 403, Hint: "grant Alert.Read.All"}
)

func TestSingleFailureDoesNotFlap(t *testing.T) {
	var r told
	s := newStream(&r, "")
	s.Report(nil)
	r.changes = 0
	for range 20 {
		s.Report(down)
		s.Report(nil)
	}
	if r.changes != 0 {
		t.Errorf("%d changes of state or message", r.changes)
	}
	s.Report(down)
	s.Report(down)
	if r.state != client.UnitStateDegraded {
		t.Errorf("%s after two failures in a row", r.state)
	}
	s.Report(down)
	s.Report(nil)
	if r.state != client.UnitStateHealthy || r.changes != 2 {
		t.Errorf("%s after %d changes: one success must heal", r.state, r.changes)
	}
}

func TestTroubleShowsAtOnceWhereItIsNoFlap(t *testing.T) {
	var r told
	newStream(&r, "").Report(down) // never well
	if r.state != client.UnitStateDegraded {
		t.Errorf("first poll fails: %s", r.state)
	}
	s := newStream(&r, "")
	s.Report(nil)
	s.Report(forbid) // does not mend itself
	if r.state != client.UnitStateDegraded {
		t.Errorf("permission missing: %s", r.state)
	}
}

func TestQuarantineClearsAfterCleanPolls(t *testing.T) {
	var r told
	s := newStream(&r, "")
	s.Count(inputs.Counts{Records: 2, Documents: 2, Quarantined: 1})
	s.Report(nil)
	for i := range clean {
		if r.state != client.UnitStateDegraded || !strings.Contains(r.message, "pipeline_error") {
			t.Fatalf("after %d clean polls: %s %q", i, r.state, r.message)
		}
		s.Report(nil)
	}
	if r.state != client.UnitStateHealthy {
		t.Errorf("%s after %d clean polls", r.state, clean)
	}
}

func TestLagGrowingShowsAndClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r told
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
		if r.state != client.UnitStateDegraded || !strings.Contains(r.message, "catch up") {
			t.Fatalf("lag grows: %s %q", r.state, r.message)
		}
		for range 12 {
			page(3 * time.Minute)
		}
		if r.state != client.UnitStateHealthy {
			t.Errorf("lag shrinks: %s %q", r.state, r.message)
		}
	})
}

func TestCheckpointTroubleHidesThePath(t *testing.T) {
	err := &checkpointError{"save", &fs.PathError{Op: "open", Path: "/var/lib/agent/run/x", Err: errors.New("no space left on device")}}
	c := conditionOf(fmt.Errorf("save cursor: %w", err))
	if c.row != checkpointFails || strings.Contains(c.text, "/var") || !strings.Contains(c.text, "no space left") {
		t.Errorf("%s: %q", c.row.Name, c.text)
	}
}

func TestNoticeShowsWhileWell(t *testing.T) {
	var r told
	s := newStream(&r, "request tracer on: turn enable_request_tracer off")
	s.Report(nil)
	if r.state != client.UnitStateHealthy || !strings.Contains(r.message, "enable_request_tracer") {
		t.Errorf("%s %q", r.state, r.message)
	}
}

// TestPayloadFits: whatever the number of streams, the payload stays small, has
// the worst streams in it and takes only what structpb takes.
func TestPayloadFits(t *testing.T) {
	for _, n := range []int{1, 3, 20, 500} {
		var r told
		h := newInputHealth(slog.New(slog.DiscardHandler), r.report)
		for i := range n {
			s := h.add(inputs.Stream{Key: inputs.Key{Stream: fmt.Sprintf("microsoft_defender_endpoint-log-%d", i)}})
			s.Count(inputs.Counts{Records: 1 << 40, Documents: 1 << 40, Newest: time.Now(), Quota: &inputs.Quota{HourLeft: 1400}})
			s.Report(nil)
			if i == n-1 {
				s.Report(&api.Error{Op: "get " + strings.Repeat("x", 5000), Kind: api.Permission})
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

func TestLostAgentEndsTheProcess(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	var o outage
	for range 20 { // an agent that comes back in time, again and again
		if o.failed(at) || o.failed(at.Add(30*time.Second)) {
			t.Fatal("a short outage is taken for the end")
		}
		at = at.Add(2 * time.Minute)
	}
	ended := 0
	for range 20 {
		at = at.Add(30 * time.Second)
		if o.failed(at) {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("told %d times that the agent is gone, want once", ended)
	}
}
