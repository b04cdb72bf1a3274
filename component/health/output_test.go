package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// toyOutput is an output whose other side keeps refused documents aside.
var toyOutput = output.Kind{
	Type: "toy", Refused: &inputs.Condition{Name: "refused", Message: "some documents are refused"},
	KeptAside: &inputs.Condition{Name: "kept", Message: "some documents are kept aside"},
	Diagnose: func(e *output.Error) inputs.Diagnosis {
		return inputs.Diagnosis{Condition: brief, Code: e.Code(true), Cause: e.Cause()}
	},
}

func parsing(id, field string) output.Refusal {
	return output.Refusal{
		Refusal: inputs.Refusal{Status: 400, Type: "document_parsing_exception", Field: field},
		Target:  "logs-a-default", ID: id, Record: "record-" + id,
	}
}

func TestRefusalsClearAfterCleanDeliveries(t *testing.T) {
	var r reported
	h := NewOutput(&toyOutput, slog.New(slog.DiscardHandler), r.report)
	h.Report(nil)
	for i := range refusalsKept + 5 {
		h.Refused(parsing(fmt.Sprint(i), "message"))
	}
	h.Report(nil)
	h.Delivered(inputs.Result{Stored: 10, Minimal: refusalsKept, Bare: 5})
	if r.state != Degraded || r.payload["minimal"] != refusalsKept || r.payload["bare"] != 5 || r.payload["stored"] != 10 {
		t.Fatalf("%s %v", r.state, r.payload)
	}
	if _, err := structpb.NewStruct(r.payload); err != nil {
		t.Error(err)
	}
	for range output.CleanDeliveries {
		h.Report(nil)
	}
	total, _, newest := h.Refusals()
	if r.state != Healthy || total != refusalsKept+5 || len(newest) != refusalsKept || newest[0].ID != "5" {
		t.Errorf("%s, %d refusals, %d kept", r.state, total, len(newest))
	}
}

func TestKeptAsideHasARowOfItsOwn(t *testing.T) {
	var r reported
	h := NewOutput(&toyOutput, slog.New(slog.DiscardHandler), r.report)
	refusal := parsing("1", "")
	refusal.KeptAside = true
	h.Refused(refusal)
	h.Report(nil)
	h.Delivered(inputs.Result{Minimal: 1, KeptAside: 1})
	if r.state != Degraded || !strings.Contains(r.message, "kept aside") || r.payload["failure_store"] != 1 {
		t.Errorf("%s %q %v", r.state, r.message, r.payload)
	}
}

// TestRefusalWithoutARowIsCounted, and ends nothing.
func TestRefusalWithoutARowIsCounted(t *testing.T) {
	var r reported
	h := NewOutput(&output.Kind{Type: "bare", Diagnose: toyOutput.Diagnose}, slog.New(slog.DiscardHandler), r.report)
	refusal := parsing("1", "")
	for _, refusal.KeptAside = range []bool{false, true} {
		h.Refused(refusal)
		h.Report(nil)
		h.Delivered(inputs.Result{Minimal: 1})
	}
	if total, _, _ := h.Refusals(); total != 2 || r.state != Healthy || r.message != "publishing" || r.payload["minimal"] != 2 {
		t.Errorf("%d refusals, %s %q %v", total, r.state, r.message, r.payload)
	}
}

// TestOutputTroubleShowsAndClears, and trouble of no kind is shown too.
func TestOutputTroubleShowsAndClears(t *testing.T) {
	var r reported
	h := NewOutput(&toyOutput, slog.New(slog.DiscardHandler), r.report)
	for _, err := range []error{&output.Error{Op: "send", Reason: output.Busy}, errors.New("odd")} {
		h.Report(err)
		if r.state != Degraded || r.message != brief.Message {
			t.Errorf("%v: %s %q", err, r.state, r.message)
		}
		h.Report(nil)
		if r.state != Healthy || r.message != "publishing" {
			t.Errorf("after %v: %s %q", err, r.state, r.message)
		}
	}
}

// TestRefusalsAreLoggedOnceAMinute: one line for each error type and target, with
// a count; the counts add up.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := NewOutput(&toyOutput, slog.New(slog.NewJSONHandler(&log, nil)), func(State, string, map[string]any) {})
		refused := 0
		for range 10 * 60 / 5 { // a delivery every 5 seconds, for ten minutes
			for i := range 172 {
				h.Refused(parsing(fmt.Sprint(i), "event.severity"))
				refused++
			}
			other := parsing("x", "")
			other.Type = "strict_dynamic_mapping_exception"
			h.Refused(other)
			refused++
			h.Report(nil)
			time.Sleep(5 * time.Second)
		}
		h.End()
		lines, sum := 0, map[string]int{}
		for line := range strings.Lines(log.String()) {
			var entry struct {
				Count              int
				Target, Field, Msg string
				Type               string `json:"error.type"`
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Count == 0 {
				continue
			}
			lines++
			sum[entry.Type] += entry.Count
			if entry.Target != "logs-a-default" || entry.Type == "" || entry.Type == "document_parsing_exception" && entry.Field != "event.severity" {
				t.Errorf("line %s", line)
			}
		}
		others := sum["strict_dynamic_mapping_exception"]
		if all := others + sum["document_parsing_exception"]; lines > 22 || all != refused || others != 10*60/5 {
			t.Errorf("%d lines in ten minutes report %v refusals, want at most 22 lines, %d refusals and %d of the other type", lines, sum, refused, 10*60/5)
		}
		if strings.Contains(log.String(), "record-") {
			t.Error("ids are in the log; they are for diagnostics")
		}
	})
}
