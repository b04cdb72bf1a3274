package main

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestTimeToContain: the median of the actions that have ended, in minutes; those
// that have not do not count.
func TestTimeToContain(t *testing.T) {
	p := panel{kind: bars, buckets: containments, median: "event.duration"}
	action := func(kind, duration string) document {
		d := document{"event.action": {kind}}
		if duration != "" {
			d["event.duration"] = []any{json.Number(duration)}
		}
		return d
	}
	groups := p.groups([]document{
		action("Isolate", "60000000000"), action("Isolate", "180000000000"), action("Isolate", ""), action("Isolate", "1200000000000"),
		action("RestrictCodeExecution", ""),
	})
	var got []string
	for _, g := range groups {
		got = append(got, g.labels[0]+" "+p.figure(g.count))
	}
	if want := []string{"Isolate machine 3 min", "Restrict code execution -", "Stop and quarantine file -"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTriageRows: the most severe first, then the newest; alerts of unknown
// severity stay visible, and what an alert does not have is shown.
func TestTriageRows(t *testing.T) {
	p := panel{kind: triage, buckets: severities, by: []column{{"Title", "rule.name"}, {"Owner", alertPrefix + "assignedTo"}}}
	rows := p.triageRows([]document{
		{"@timestamp": {"2026-03-02T10:00:00Z"}, "rule.name": {"no severity"}},
		{"@timestamp": {"2026-03-02T08:00:00Z"}, "event.severity": {"73"}, "rule.name": {"older"}, "event.url": {"https://security.microsoft.com/alerts/1"}},
		{"@timestamp": {"2026-03-02T09:00:00Z"}, "event.severity": {"73"}, "rule.name": {"newer"}, alertPrefix + "assignedTo": {"analyst1"}},
	})
	want := [][]string{
		{"High", missing, "2026-03-02 09:00:00", "newer", "analyst1"},
		{"High", "Open", "2026-03-02 08:00:00", "older", "-"},
		{"Unknown", missing, "2026-03-02 10:00:00", "no severity", "-"},
	}
	if !slices.EqualFunc(rows, want, func(a, b []string) bool { return slices.Equal(a, b) }) {
		t.Errorf("got %q, want %q", rows, want)
	}
}
